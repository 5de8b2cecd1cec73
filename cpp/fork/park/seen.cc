#include "fork/park/seen.h"

#include <sys/uio.h>

#include "arch.h"
#include "fork/base/procfs.h"

namespace livefork {

bool See(int task, int tid, Seen& seen) {
  seen = {{-1, {}}, 0, 0, false};
  char text[256];
  if (ReadTask(task, tid, "syscall", text, sizeof text) <= 0) return false;
  seen.runs = text[0] == 'r';
  if (text[0] < '0' || text[0] > '9') return true;  // "running", or "-1" between calls
  const char* at = text;
  seen.call.number = static_cast<long>(Number(at, 10));
  for (long& argument : seen.call.arguments) argument = static_cast<long>(Number(at, 16));
  seen.stack = Number(at, 16);
  seen.place = Number(at, 16);
  return true;
}

SeenFrames::SeenFrames(uintptr_t stack, uintptr_t pointer)
    : frames_(Frames::Between(stack, pointer)) {
  const size_t size = frames_.count * sizeof(uintptr_t);
  const iovec to{copy_, size}, from{reinterpret_cast<void*>(stack), size};
  const long got = Sys(SYS_process_vm_readv, Sys(SYS_getpid), &to, 1, &from, 1, 0);
  known_ = got == static_cast<long>(size);
  frames_.words = copy_;
}

}  // namespace livefork
