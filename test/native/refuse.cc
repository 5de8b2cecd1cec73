#include "refuse.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <map>
#include <string>

namespace {

const std::map<std::string, int> kCalls = {
// musl makes dup3(3) without flags by dup2(2), where the processor has it (src/unistd/dup3.c).
#if defined(SYS_dup2) && !defined(__GLIBC__)
    {"dup3", SYS_dup2},
#else
    {"dup3", SYS_dup3},
#endif
    {"chdir", SYS_chdir},
    {"chroot", SYS_chroot},
    {"clone", SYS_clone},
    {"ftruncate", SYS_ftruncate},
    {"getdents64", SYS_getdents64},
    {"kcmp", SYS_kcmp},
    {"pidfd_open", SYS_pidfd_open},
    {"prctl", SYS_prctl},
    {"pwrite64", SYS_pwrite64},
    {"readlinkat", SYS_readlinkat},
    {"rt_sigprocmask", SYS_rt_sigprocmask},
    {"rt_tgsigqueueinfo", SYS_rt_tgsigqueueinfo},
    {"sendto", SYS_sendto},
    {"setgroups", SYS_setgroups},
    {"setresgid", SYS_setresgid},
    {"setresuid", SYS_setresuid},
    {"setsid", SYS_setsid},
    {"statx", SYS_statx},
};

int Install(unsigned call, unsigned error, unsigned flags) {
  sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program{sizeof code / sizeof *code, code};
  long r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
  return r == 0 ? 0 : errno;
}

// The call to refuse in a separate thread, and later the result; -1 before.
struct Elsewhere {
  unsigned call;
  unsigned error;
  std::atomic<int> done{-1};
};

void* Sleeper(void* argument) {
  auto* elsewhere = static_cast<Elsewhere*>(argument);
  elsewhere->done = Install(elsewhere->call, elsewhere->error, 0);
  for (;;) pause();
}

int InstallElsewhere(unsigned call, unsigned error) {
  Elsewhere elsewhere{call, error};
  pthread_t thread;
  int failed = pthread_create(&thread, nullptr, Sleeper, &elsewhere);
  if (failed != 0) return failed;
  while (elsewhere.done == -1) sched_yield();
  return elsewhere.done;
}

}  // namespace

// refuse(call: string, errno: number, elsewhere = false): 0, or the errno of seccomp(2).
napi_value Refuse(napi_env env, napi_callback_info info) {
  size_t count = 3;
  napi_value arguments[3];
  napi_get_cb_info(env, info, &count, arguments, nullptr, nullptr);
  char name[32] = {};
  napi_get_value_string_utf8(env, arguments[0], name, sizeof name, nullptr);
  uint32_t error = 0;
  napi_get_value_uint32(env, arguments[1], &error);
  bool elsewhere = false;
  if (count > 2) napi_get_value_bool(env, arguments[2], &elsewhere);
  auto call = kCalls.find(name);
  int done = ENOSYS;
  if (call != kCalls.end()) {
    auto number = static_cast<unsigned>(call->second);
    // All threads: libc has each of them change its user, and ends a process where they differ.
    done = elsewhere ? InstallElsewhere(number, error)
                     : Install(number, error, SECCOMP_FILTER_FLAG_TSYNC);
  }
  napi_value result;
  napi_create_int32(env, done, &result);
  return result;
}
