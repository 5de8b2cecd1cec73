// The only place that depends on the operating system.
import { systemFreebsd } from './freebsd.js';
import { systemLinux } from './linux.js';
import type { System } from './types.js';

export const system: System = process.platform === 'freebsd' ? systemFreebsd : systemLinux;
