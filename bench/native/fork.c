// fork(2) of a C program of so many megabytes: prints the nanoseconds to the child's first
// statement and to the parent's return. For the benchmark only.
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

int main(int argc, char** argv) {
  if (argc < 2) return 100;
  const size_t size = (size_t)atoi(argv[1]) << 20;
  int64_t* first = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  char* memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (first == MAP_FAILED || memory == MAP_FAILED) return 111;
  // Small pages, like V8's heap.
  madvise(memory, size, MADV_NOHUGEPAGE);
  memset(memory, 1, size);
  const int64_t start = now();
  const pid_t pid = fork();
  if (pid == 0) {
    *first = now();
    _exit(0);
  }
  const int64_t back = now();
  if (pid < 0 || waitpid(pid, NULL, 0) != pid) return 111;
  printf("%lld %lld\n", (long long)(*first - start), (long long)(back - start));
  return 0;
}
