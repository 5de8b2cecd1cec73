/* What closing costs in C, for bench/descriptors.ts: `close FIRST COUNT LIMIT ROUNDS` opens COUNT
 * descriptors from FIRST up, closes them by close_range(2), then, opened again, by close(2) for
 * every number below LIMIT, and prints the nanoseconds of each, two numbers a round. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static long long nanoseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static void open_all(int first, int count) {
  for (int fd = first; fd < first + count; ++fd) {
    if (dup2(0, fd) < 0) exit(1);
  }
}

int main(int argc, char** argv) {
  if (argc != 5) return 100;
  const int first = atoi(argv[1]), count = atoi(argv[2]), limit = atoi(argv[3]);
  for (int round = atoi(argv[4]); round > 0; --round) {
    open_all(first, count);
    const long long start = nanoseconds();
    syscall(436 /* close_range, on every architecture */, first, ~0U, 0);
    const long long by_range = nanoseconds() - start;
    open_all(first, count);
    const long long again = nanoseconds();
    for (int fd = first; fd < limit; ++fd) close(fd);
    printf("%lld %lld\n", by_range, nanoseconds() - again);
  }
  return 0;
}
