import { needsRoot } from '../tools/needs.js';
import { peer } from '../tools/peer.js';

if (!needsRoot.skip) await peer('ltp');
