#include "calls.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <ctime>

namespace calls {
namespace {

constexpr long kMilli = 1000000;
constexpr long kWait = 60 * kMilli;
constexpr timespec kSpan{0, kWait};

long Direct(long result) {
  return result < 0 ? -errno : result;
}

#ifdef __x86_64__
// As glibc 2.31 has its cancellation points: arguments are loaded after the number.
long Select() {
  timeval span{0, kWait / 1000};
  const long limit = reinterpret_cast<long>(&span);
  long result;
  asm volatile(
      "sub $0x38, %%rsp\n\t"
      "mov %[limit], 0x28(%%rsp)\n\t"
      "movq $0, 0x20(%%rsp)\n\t"
      "movq $0, 0x18(%%rsp)\n\t"
      "movq $0, 0x10(%%rsp)\n\t"
      "movl $0, 0xc(%%rsp)\n\t"
      "jmp 1f\n"
      "1:\tmov 0x28(%%rsp), %%r8\n\t"
      "mov 0x20(%%rsp), %%r10\n\t"
      "mov 0x18(%%rsp), %%rdx\n\t"
      "mov $23, %%eax\n\t"
      "mov 0x10(%%rsp), %%rsi\n\t"
      "mov 0xc(%%rsp), %%edi\n\t"
      "syscall\n\t"
      "add $0x38, %%rsp"
      : "=&a"(result)
      : [limit] "r"(limit)
      : "rcx", "rdx", "rsi", "rdi", "r8", "r10", "r11", "memory", "cc");
  return result;
}

// What is loaded last looks like a number, but for a prefix.
long Ppoll() {
  timespec span = kSpan;
  register long limit asm("rdx") = reinterpret_cast<long>(&span);
  long result;
  asm volatile(
      "xor %%edi, %%edi\n\txor %%esi, %%esi\n\txor %%r10d, %%r10d\n\t"
      "mov $271, %%eax\n\tmov $8, %%r8d\n\tsyscall"
      : "=&a"(result)
      : "r"(limit)
      : "rcx", "rsi", "rdi", "r8", "r10", "r11", "memory", "cc");
  return result;
}

// As glibc 2.31 waits for a semaphore: by a register that the call itself overwrites.
long Nanosleep() {
  register long span asm("rdi") = reinterpret_cast<long>(&kSpan);
  long result;
  asm volatile(
      "mov $35, %%ecx\n\tmov $0xffffffff, %%r9d\n\txor %%esi, %%esi\n\txor $0x189, %%edx\n\t"
      "mov %%ecx, %%eax\n\txor %%r8d, %%r8d\n\tsyscall"
      : "=&a"(result)
      : "r"(span)
      : "rcx", "rdx", "rsi", "r8", "r9", "r11", "memory", "cc");
  return result;
}

// By a register that was loaded long before.
long ClockNanosleep() {
  register const timespec* span asm("rdx") = &kSpan;
  long result;
  asm volatile(
      "mov $230, %%r12d\n\tjmp 1f\n\t"
      "1:\tmov %%r12d, %%eax\n\tmov $1, %%edi\n\txor %%esi, %%esi\n\txor %%r10d, %%r10d\n\tsyscall"
      : "=&a"(result)
      : "r"(span)
      : "rcx", "rsi", "rdi", "r10", "r11", "r12", "memory", "cc");
  return result;
}
#else
long Select() {
  timeval span{0, kWait / 1000};
  return Direct(select(0, nullptr, nullptr, nullptr, &span));
}
long Ppoll() {
  return Direct(ppoll(nullptr, 0, &kSpan, nullptr));
}
long Nanosleep() {
  return Direct(nanosleep(&kSpan, nullptr));
}
long ClockNanosleep() {
  return -clock_nanosleep(CLOCK_MONOTONIC, 0, &kSpan, nullptr);
}
#endif

// By libc's function for all calls.
long SigtimedWait() {
  const unsigned long none = 0;
  const long result = Direct(syscall(SYS_rt_sigtimedwait, &none, nullptr, &kSpan, sizeof none));
  return result == -EAGAIN ? 0 : result;
}

long (*const kKinds[])() = {Select, Ppoll, Nanosleep, ClockNanosleep, SigtimedWait};

std::atomic<int> made{0}, cut{0};

void* Run(void* wait) {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, nullptr);
  for (;;) {
    if (reinterpret_cast<long (*)()>(wait)() != 0) ++cut;
    ++made;
  }
  return nullptr;
}

}  // namespace

int Kinds() {
  return sizeof kKinds / sizeof kKinds[0];
}

void Start(int kind) {
  // From here on /proc shows only to root in which calls threads are.
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  pthread_t thread;
  pthread_create(&thread, nullptr, Run, reinterpret_cast<void*>(kKinds[kind]));
  pthread_detach(thread);
}

int Made() {
  return made;
}

int Cut() {
  return cut;
}

}  // namespace calls
