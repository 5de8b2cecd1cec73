import { needsRoot } from '../tools/needs.js';
import { peer } from '../tools/peer.js';

await peer('ltp', needsRoot);
