// fork(2) of a C program of so many megabytes, after so many milliseconds of rest: prints the
// nanoseconds to the child's first statement, to the parent's return, and to that of the second of
// two more in a row. For the benchmark only.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int64_t* first;

// The time until the parent continues; -1 if there was no child.
static int64_t copy(int64_t* start) {
  *start = now();
  const pid_t pid = fork();
  if (pid == 0) {
    *first = now();
    _exit(0);
  }
  const int64_t back = now();
  return pid > 0 && waitpid(pid, NULL, 0) == pid ? back - *start : -1;
}

int main(int argc, char** argv) {
  if (argc < 3) return 100;
  const size_t size = (size_t)atoi(argv[1]) << 20;
  first = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  char* memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (first == MAP_FAILED || memory == MAP_FAILED) return 111;
  // Small pages, like V8's heap.
  madvise(memory, size, MADV_NOHUGEPAGE);
  memset(memory, 1, size);
  usleep((useconds_t)atoi(argv[2]) * 1000);
  int64_t start;
  const int64_t rested = copy(&start);
  const int64_t to_first = *first - start;
  copy(&start);
  const int64_t in_row = copy(&start);
  if (rested < 0 || in_row < 0) return 111;
  printf("%lld %lld %lld\n", (long long)to_first, (long long)rested, (long long)in_row);
  return 0;
}
