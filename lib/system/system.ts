// The one place that asks which operating system this is.
import { systemFreebsd } from './freebsd.js';
import { systemLinux } from './linux.js';
import type { System } from './types.js';

export const system: System = process.platform === 'freebsd' ? systemFreebsd : systemLinux;
