// Threads of a native library in states that a fork must keep or refuse.
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>
#include <node_api.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "calls.h"

namespace {

napi_value Integer(napi_env env, int64_t value) {
  napi_value result;
  napi_create_int64(env, value, &result);
  return result;
}

int Argument(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value argument;
  int32_t value = 0;
  napi_get_cb_info(env, info, &count, &argument, nullptr, nullptr);
  if (count > 0) napi_get_value_int32(env, argument, &value);
  return value;
}

void Start(void* (*run)(void*), void* argument) {
  pthread_t thread;
  pthread_create(&thread, nullptr, run, argument);
  pthread_detach(thread);
}

// A thread on a small stack, as a coroutine's, with an alternate stack for signals.
constexpr size_t kCanary = 65536, kSmall = 2048;
unsigned char* area = nullptr;
std::atomic<long> spins{0};

void Spin() {
  for (;;) spins.fetch_add(1);
}

void* OnSmallStack(void*) {
  stack_t alternate{};
  alternate.ss_size = 65536;
  alternate.ss_sp =
      mmap(nullptr, alternate.ss_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  sigaltstack(&alternate, nullptr);
  // musl has no makecontext(3); this does not return.
  unsigned char* top = area + kCanary + kSmall;
#if defined(__x86_64__)
  asm volatile("mov %0, %%rsp\n\tcall *%1" : : "r"(top), "r"(Spin) : "memory");
#elif defined(__aarch64__)
  asm volatile("mov sp, %0\n\tblr %1" : : "r"(top), "r"(Spin) : "memory");
#endif
  __builtin_unreachable();
}

napi_value SmallStack(napi_env env, napi_callback_info) {
  area = static_cast<unsigned char*>(
      mmap(nullptr, 2 * kCanary, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  memset(area, 0xa5, kCanary);
  Start(OnSmallStack, nullptr);
  while (spins == 0) usleep(100);
  return Integer(env, 0);
}

// How many bytes below the small stack were overwritten, or -1 while the thread does not run.
napi_value Overwritten(napi_env env, napi_callback_info) {
  const long before = spins;
  for (int i = 0; spins == before && i < 10000; ++i) usleep(1000);
  if (spins == before) return Integer(env, -1);
  int64_t bad = 0;
  for (size_t i = 0; i < kCanary; ++i) bad += area[i] != 0xa5;
  return Integer(env, bad);
}

// A lock that stores its owner's id, held over a sleep.
pthread_mutex_t mutex;
std::atomic<int> held{0}, go{0}, unlocked{-1};
// A condition that becomes true when the holder may continue.
pthread_mutex_t other = PTHREAD_MUTEX_INITIALIZER;
pthread_cond_t may_go = PTHREAD_COND_INITIALIZER;

timespec SoonBy(clockid_t clock) {
  constexpr long kSoon = 20000000, kSecond = 1000000000;
  timespec time{};
  clock_gettime(clock, &time);
  const long ns = time.tv_nsec + kSoon;
  return {time.tv_sec + ns / kSecond, ns % kSecond};
}

void AwaitGo(void (*wait)(pthread_cond_t*, pthread_mutex_t*)) {
  pthread_mutex_lock(&other);
  while (go == 0) wait(&may_go, &other);
  pthread_mutex_unlock(&other);
}

// Ways to sleep for 20 ms, and without a limit: as libc has it and as Node does it.
void Pause(int how) {
  const timespec soon = SoonBy(CLOCK_REALTIME);
  if (how == 0) usleep(20000);
  if (how == 1) {
    const int epoll = epoll_create1(EPOLL_CLOEXEC);
    epoll_event event;
    epoll_wait(epoll, &event, 1, 20);
    close(epoll);
  }
  if (how == 2) {
    pthread_cond_t never = PTHREAD_COND_INITIALIZER;
    pthread_mutex_lock(&other);
    pthread_cond_timedwait(&never, &other, &soon);
    pthread_mutex_unlock(&other);
  }
  if (how == 4) AwaitGo([](pthread_cond_t* c, pthread_mutex_t* m) { pthread_cond_wait(c, m); });
  if (how == 5) AwaitGo(uv_cond_wait);
  if (how == 3) {
    sem_t never;
    sem_init(&never, 0, 0);
    sem_timedwait(&never, &soon);
    sem_destroy(&never);
  }
}

void* HoldAsleep(void* how) {
  pthread_mutex_lock(&mutex);
  held = 1;
  while (go == 0) Pause(static_cast<int>(reinterpret_cast<intptr_t>(how)));
  unlocked = pthread_mutex_unlock(&mutex);
  return nullptr;
}

void InitMutex(pthread_mutex_t* created, int kind) {
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  if (kind == 0) pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
  if (kind == 1) pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ERRORCHECK);
  if (kind == 2 || kind == 5) pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  if (kind == 3) pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT);
  if (kind == 5) pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  pthread_mutex_init(created, &attributes);
}

// hold(kind + 4 * pause): 0 recursive, 1 error-checking, 2 robust, 3 with priority inheritance.
napi_value Hold(napi_env env, napi_callback_info info) {
  const int kind = Argument(env, info) % 4;
  InitMutex(&mutex, kind);
  Start(HoldAsleep, reinterpret_cast<void*>(static_cast<intptr_t>(Argument(env, info) / 4)));
  while (held == 0) usleep(100);
  return Integer(env, 0);
}

// Lets the holder go: what its pthread_mutex_unlock() said, and then trylock() from here.
napi_value Release(napi_env env, napi_callback_info) {
  pthread_mutex_lock(&other);
  go = 1;
  pthread_cond_signal(&may_go);
  pthread_mutex_unlock(&other);
  for (int i = 0; unlocked < 0 && i < 10000; ++i) usleep(1000);
  if (unlocked != 0) return Integer(env, unlocked);
  return Integer(env, pthread_mutex_trylock(&mutex));
}

// The calling thread's own: a mutex of the kinds of hold(), or, 4, a stream. Kind 5 is a robust one
// in memory that is shared with other processes.
struct Mine {
  int kind;
  pthread_mutex_t* mutex;
  FILE* stream;
};
Mine mine{};

// locks(kind): the lock is taken, as by a library whose callback forks.
napi_value Locks(napi_env env, napi_callback_info info) {
  const int kind = mine.kind = Argument(env, info);
  if (kind == 4) {
    mine.stream = fopen("/dev/null", "we");
    flockfile(mine.stream);
    return Integer(env, 0);
  }
  const int flags = (kind == 5 ? MAP_SHARED : MAP_PRIVATE) | MAP_ANONYMOUS;
  mine.mutex = static_cast<pthread_mutex_t*>(
      mmap(nullptr, sizeof *mine.mutex, PROT_READ | PROT_WRITE, flags, -1, 0));
  InitMutex(mine.mutex, kind);
  return Integer(env, pthread_mutex_lock(mine.mutex));
}

// Whether it is the caller's still: no wait where it ought to fail or to be counted.
napi_value Unlocks(napi_env env, napi_callback_info) {
  if (mine.kind == 4) {
    if (ftrylockfile(mine.stream) != 0) return Integer(env, EBUSY);
    funlockfile(mine.stream);
    funlockfile(mine.stream);
    return Integer(env, 0);
  }
  if (mine.kind == 0) {
    const int again = pthread_mutex_trylock(mine.mutex);
    if (again != 0) return Integer(env, again);
    pthread_mutex_unlock(mine.mutex);
  }
  return Integer(env, pthread_mutex_unlock(mine.mutex));
}

// A thread that waits in nanosleep(2), or computes, and later ends its process by abort(3).
void* AbortLater(void* computes) {
  held = 1;
  while (go == 0) {
    if (computes == nullptr) usleep(20000);
  }
  abort();
}

// One that ends each copy of its process at once. The signal finds it right behind mincore(2),
// which takes much longer than libc's own instructions, and which no signal cuts.
void* AbortInChild(void*) {
  constexpr size_t kSize = size_t{64} << 20;
  static unsigned char pages[kSize / 4096];
  void* const area = mmap(nullptr, kSize, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  const pid_t self = getpid();
  held = 1;
  while (getpid() == self) mincore(area, kSize, pages);
  abort();
}

napi_value WaitsToAbort(napi_env env, napi_callback_info info) {
  held = 0;
  const int kind = Argument(env, info);
  Start(kind == 2 ? AbortInChild : AbortLater, kind == 0 ? nullptr : &go);
  while (held == 0) usleep(100);
  return Integer(env, 0);
}

napi_value Aborts(napi_env env, napi_callback_info) {
  go = 1;
  for (;;) pause();
  return Integer(env, 0);
}

// A thread that waits at a socket with a time limit.
std::atomic<int> limited{0};

void* WaitLimited(void* listens) {
  const timeval limit{0, 300000};
  const int type = (listens != nullptr ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC;
  const int fd = socket(AF_UNIX, type, 0);
  const sa_family_t family = AF_UNIX;  // the kernel chooses an address
  bind(fd, reinterpret_cast<const sockaddr*>(&family), sizeof family);
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  int r = 0;
  if (listens != nullptr) {
    listen(fd, 1);
    r = accept(fd, nullptr, nullptr);
  } else {
    mmsghdr message{};
    r = recvmmsg(fd, &message, 1, 0, nullptr);
  }
  limited = r < 0 ? errno : -1;
  close(fd);
  return nullptr;
}

// wait(kind): 0 in recvmmsg(2), 1 in accept(2).
napi_value Wait(napi_env env, napi_callback_info info) {
  limited = 0;
  Start(WaitLimited, reinterpret_cast<void*>(static_cast<intptr_t>(Argument(env, info))));
  return Integer(env, 0);
}

// waited(): 0 as long as it waits, then the call's errno.
napi_value Waited(napi_env env, napi_callback_info) {
  return Integer(env, limited);
}

// call(kind): a thread for it (calls.h); returns whether that kind exists.
napi_value Call(napi_env env, napi_callback_info info) {
  const int kind = Argument(env, info);
  const bool known = kind < calls::Kinds();
  if (known) calls::Start(kind);
  return Integer(env, known ? 1 : 0);
}

napi_value CallsMade(napi_env env, napi_callback_info) {
  return Integer(env, calls::Made());
}

napi_value CallsCut(napi_env env, napi_callback_info) {
  return Integer(env, calls::Cut());
}

// A thread with restrictions of its own.
std::atomic<int> confined{0};

void Filter() {
  sock_filter allow[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
  sock_fprog program{1, allow};
  prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

void RestrictSelf(intptr_t kind) {
  switch (kind) {
    case 0:
      prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
      break;
    case 1:
      Filter();
      break;
    case 2:
      syscall(SYS_setresuid, 65534, 65534, 65534);
      break;
    case 3:
      unshare(CLONE_FS);
      break;
    case 4:
      unshare(CLONE_FILES);
      break;
    case 5:
      prctl(PR_CAPBSET_DROP, CAP_SYS_BOOT, 0, 0, 0);
      break;
    case 6:
      prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0);
      break;
    case 7:
      unshare(CLONE_NEWUTS);
      break;
    case 8:
      unshare(CLONE_NEWIPC);
      break;
    default:
      unshare(CLONE_NEWPID);
  }
}

void* Confined(void* kind) {
  RestrictSelf(reinterpret_cast<intptr_t>(kind));
  confined = 1;
  for (;;) pause();
}

// The calling thread, alone.
napi_value ConfineCaller(napi_env env, napi_callback_info info) {
  RestrictSelf(Argument(env, info));
  return Integer(env, 0);
}

napi_value Confine(napi_env env, napi_callback_info info) {
  Start(Confined, reinterpret_cast<void*>(static_cast<intptr_t>(Argument(env, info))));
  while (confined == 0) usleep(100);
  return Integer(env, 0);
}

#ifdef __x86_64__
// A function of one byte, the last mapped one: reading further faults.
void* CallForEver(void* function) {
  for (;;) reinterpret_cast<void (*)()>(function)();
}

napi_value Edge(napi_env env, napi_callback_info) {
  auto* page = static_cast<unsigned char*>(
      mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  page[4095] = 0xc3;  // ret
  mprotect(page, 4096, PROT_READ | PROT_EXEC);
  munmap(page + 4096, 4096);
  Start(CallForEver, page + 4095);
  return Integer(env, 1);
}
#else
napi_value Edge(napi_env env, napi_callback_info) {
  return Integer(env, 0);
}
#endif

// What libc knows of the calling thread's scheduling: an error, or 0.
napi_value Scheduling(napi_env env, napi_callback_info) {
  int policy;
  sched_param parameters;
  return Integer(env, pthread_getschedparam(pthread_self(), &policy, &parameters));
}

// Over the handler of a signal one that another thread than the main one needs 50 ms for, as if it
// lost the processor there. It is there for one signal: what it was put over is back before that.
struct sigaction quick;
std::atomic<int> slow_began{0};

napi_value SlowHandler(napi_env env, napi_callback_info info) {
  const int number = Argument(env, info);
  if (sigaction(number, nullptr, &quick) != 0) return Integer(env, -errno);
  struct sigaction slow = quick;
  slow.sa_flags |= SA_SIGINFO;
  slow.sa_sigaction = [](int signal, siginfo_t* from, void* context) {
    if (syscall(SYS_gettid) != getpid()) {
      sigaction(signal, &quick, nullptr);
      slow_began = 1;
      const timespec while_others_run{0, 50000000};
      nanosleep(&while_others_run, nullptr);
    }
    quick.sa_sigaction(signal, from, context);
  };
  return Integer(env, sigaction(number, &slow, nullptr));
}

// Waits until the slow handler has begun; 0 after 20 s.
napi_value AwaitSlow(napi_env env, napi_callback_info) {
  for (int i = 0; i < 20000 && slow_began == 0; i++) {
    const timespec while_it_comes{0, 1000000};
    nanosleep(&while_it_comes, nullptr);
  }
  return Integer(env, slow_began);
}

// To one thread of a process: (pid, tid, signal).
napi_value Tgkill(napi_env env, napi_callback_info info) {
  size_t count = 3;
  napi_value arguments[3];
  int32_t values[3] = {};
  napi_get_cb_info(env, info, &count, arguments, nullptr, nullptr);
  for (size_t i = 0; i < count; i++) napi_get_value_int32(env, arguments[i], &values[i]);
  return Integer(env, syscall(SYS_tgkill, values[0], values[1], values[2]));
}

napi_value Init(napi_env env, napi_value exports) {
  const struct {
    const char* name;
    napi_callback call;
  } functions[] = {{"smallStack", SmallStack},
                   {"overwritten", Overwritten},
                   {"hold", Hold},
                   {"release", Release},
                   {"confine", Confine},
                   {"confineCaller", ConfineCaller},
                   {"edge", Edge},
                   {"scheduling", Scheduling},
                   {"slowHandler", SlowHandler},
                   {"awaitSlow", AwaitSlow},
                   {"tgkill", Tgkill},
                   {"locks", Locks},
                   {"unlocks", Unlocks},
                   {"waitsToAbort", WaitsToAbort},
                   {"aborts", Aborts},
                   {"wait", Wait},
                   {"call", Call},
                   {"callsMade", CallsMade},
                   {"callsCut", CallsCut},
                   {"waited", Waited}};
  for (const auto& f : functions) {
    napi_value function;
    napi_create_function(env, f.name, NAPI_AUTO_LENGTH, f.call, nullptr, &function);
    napi_set_named_property(env, exports, f.name, function);
  }
  return exports;
}

}  // namespace

NAPI_MODULE(test_threads, Init)
