// What a C program does with its descriptors, and what happens to a Node process that does the same.
import { closefrom, fork, waitpidAsync } from 'daemonkit';

const pid = fork();
if (pid === 0) {
  closefrom(3);
  setInterval(() => {}, 1000);
} else {
  const { signal } = await waitpidAsync(pid);
  console.log(`the child ended by ${signal}`);
}
