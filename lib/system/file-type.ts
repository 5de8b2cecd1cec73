// The type of a descriptor from the mode of its file, on any system.
import { constants } from 'node:fs';
import { isatty } from 'node:tty';
import type { DescriptorType } from './types.js';

const BY_MODE = new Map<number, DescriptorType>([
  [constants.S_IFREG, 'file'],
  [constants.S_IFDIR, 'directory'],
  [constants.S_IFLNK, 'symlink'],
  [constants.S_IFSOCK, 'socket'],
  [constants.S_IFIFO, 'fifo'],
  [constants.S_IFCHR, 'char'],
  [constants.S_IFBLK, 'block'],
]);

export function typeOfMode(fd: number, mode: number): DescriptorType {
  const type = BY_MODE.get(mode & constants.S_IFMT) ?? 'other';
  return type === 'char' && isatty(fd) ? 'tty' : type;
}
