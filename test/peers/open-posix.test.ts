import { needs } from '../tools/needs.js';
import { peer } from '../tools/peer.js';

// The policy of fork's assertion 17, which Node cannot set.
await peer('open-posix', { under: ['chrt', '--batch', '0'], ...needs('chrt') });
