import { peer } from '../tools/peer.js';

await peer('cpython');
