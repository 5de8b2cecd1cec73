// What a C program does with its descriptors, and what becomes of a Node process that does it.
import { closefrom, fork, waitpidAsync } from 'daemonkit';

const pid = fork();
if (pid === 0) {
  closefrom(3);
  setInterval(() => {}, 1000);
} else {
  const { signal } = await waitpidAsync(pid);
  console.log(`the child ended by ${signal}`);
}
