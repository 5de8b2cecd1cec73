// Executes a program without what the caller has left open: node dist/examples/wrapper/minimal.js PROGRAM ARG...
import { closeInherited, execve } from 'daemonkit';

const [program = '', ...args] = process.argv.slice(2);
closeInherited();
execve(program, [program, ...args]);
