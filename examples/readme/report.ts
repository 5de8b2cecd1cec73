import { createServer } from 'node:http';
import { runInFork } from 'daemonkit';

const orders = Array.from({ length: 1_000_000 }, (_, id) => ({ customer: id % 1000, amount: id }));

const server = createServer(async (_, response) => {
  const totals = await runInFork(() => {
    const sums = new Map<number, number>();
    for (const { customer, amount } of orders) {
      sums.set(customer, (sums.get(customer) ?? 0) + amount);
    }
    return sums;
  });
  response.end(`${totals.size} customers\n`);
});
server.listen(8080);
