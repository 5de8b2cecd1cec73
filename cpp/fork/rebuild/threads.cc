#include "fork/rebuild/threads.h"

#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>

#include <cstring>

#include "fork/base/sort.h"
#include "fork/park/held.h"
#include "fork/park/ids.h"
#include "fork/park/rest.h"
#include "fork/rebuild/scheduling.h"
#include "fork/state.h"
#include "libc.h"

namespace livefork {
namespace {

constexpr size_t kStackSize = 8192;

// struct pthread is at the thread pointer or below it, depending on the CPU, at the same distance
// in every thread. It differs between libc versions. The usual offset is tried first;
// CheckRecords() verifies it for every thread at every fork.
ptrdiff_t FindTidOffset() {
  const int tid = static_cast<int>(Sys(SYS_gettid));
  const auto record = reinterpret_cast<uintptr_t>(pthread_self());
  auto is_tid = [&](size_t offset) { return *reinterpret_cast<int*>(record + offset) == tid; };
  size_t offset = kUsualTid;
  for (size_t at = 16; !is_tid(offset); at += sizeof(int)) {
    if (at >= kRecordSize) return 0;
    offset = at;
  }
  return static_cast<ptrdiff_t>(record + offset - ThreadPointer());
}

LibcRecord Examine() {
  LibcRecord libc;
  libc.scheduling = FindSchedulingKnown();
  libc.tid_offset = FindTidOffset();
  if (kListsHeld) {
    libc.held = FindHeld();
    libc.held_files = FindHeldFiles();
    libc.code = FindCode();
    if (libc.held.offset == 0 || libc.held_files.offset == 0) {
      libc.obstacle = "this libc's lists of held locks are not found";
    }
  } else {
    libc.workers = FindWorkerCode();
  }
  if (libc.tid_offset == 0) libc.obstacle = "the thread id is not found in this libc's records";
  if (HasShadowStack()) libc.obstacle = "the process has a user shadow stack";
  // glibc 2.35 and later export the place of their restartable sequences.
  auto* offset = static_cast<const ptrdiff_t*>(dlsym(RTLD_DEFAULT, "__rseq_offset"));
  auto* size = static_cast<const unsigned*>(dlsym(RTLD_DEFAULT, "__rseq_size"));
  if (offset != nullptr && size != nullptr) {
    libc.rseq_offset = *offset;
    libc.rseq_size = *size;
  }
  return libc;
}

// Checked each time, because a seccomp filter may have been added.
const char* PrctlObstacle() {
  int* address = nullptr;
  const long r = Sys(SYS_prctl, PR_GET_TID_ADDRESS, &address, 0, 0, 0);
  if (r == 0) return nullptr;
  // A kernel that was built without it does not know the option.
  return r == -EINVAL ? "the kernel has no PR_GET_TID_ADDRESS (CONFIG_CHECKPOINT_RESTORE)"
                      : "prctl(2) is not permitted";
}

const LibcRecord& Libc() {
  if (!state.libc.examined) {
    state.libc = Examine();
    state.libc.examined = true;
  }
  return state.libc;
}

// The original registration had 32 bytes, even if the used size is smaller (32 in glibc 2.36,
// possibly 20 in 2.40).
void RegisterRseq(const LibcRecord& libc, uintptr_t thread_pointer) {
  if (libc.rseq_size == 0) return;
  auto* area = reinterpret_cast<uint32_t*>(thread_pointer + libc.rseq_offset);
  const unsigned size = libc.rseq_size > 32 ? libc.rseq_size : 32;
  if (Sys(SYS_rseq, area, size, 0, kRseqSignature) == 0) return;
  constexpr uint32_t kRegistrationFailed = UINT32_MAX - 1;  // RSEQ_CPU_ID_REGISTRATION_FAILED
  area[1] = kRegistrationFailed;
}

// The first function of a rebuilt thread, on its temporary stack. Then the thread is in the signal
// handler that parked its original. AddressSanitizer would search for that stack among the known
// ones.
[[gnu::no_sanitize_address]] void Enter(void* arg) {
  const auto* thread = static_cast<const Thread*>(arg);
  RegisterRseq(state.libc, thread->pointer);
  WriteCpuSettings(thread->cpu);
  if (thread->robust_list != nullptr) {
    Sys(SYS_set_robust_list, thread->robust_list, thread->robust_size);
  }
  Sys(SYS_prctl, PR_SET_NAME, thread->name, 0, 0, 0);
  if (thread->affinity_size > 0) {
    Sys(SYS_sched_setaffinity, 0, thread->affinity_size, thread->affinity);
  }
  if (thread->sched[0] != 0) Sys(SYS_sched_setattr, 0, thread->sched, 0);
  // The frame restores it at its end, but a signal before that needs it already.
  if ((thread->signal_stack.ss_flags & SS_DISABLE) == 0) {
    stack_t signal_stack = thread->signal_stack;
    signal_stack.ss_flags &= ~SS_ONSTACK;
    Sys(SYS_sigaltstack, &signal_stack, nullptr);
  }
  livefork_jump_context(&thread->context);
}

constexpr unsigned long kThreadFlags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND |
                                       CLONE_THREAD | CLONE_SYSVSEM | CLONE_SETTLS |
                                       CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID;

// Properties that a new thread inherits from its creator need not be set.
void DropInherited(Thread& thread, const Thread& self) {
  if (thread.affinity_size == self.affinity_size &&
      memcmp(thread.affinity, self.affinity, sizeof thread.affinity) == 0) {
    thread.affinity_size = 0;
  }
  if (memcmp(thread.sched, self.sched, sizeof thread.sched) == 0) thread.sched[0] = 0;
}

void RebuildSelf(const Thread& self) {
  const int tid = static_cast<int>(Sys(SYS_gettid));
  Sys(SYS_set_tid_address, self.clear_tid);
  // fork(2) clears this registration, but keeps rseq.
  if (self.robust_list != nullptr) {
    Sys(SYS_set_robust_list, self.robust_list, self.robust_size);
  }
  if (kCallerKeepsId) {
    state.kept.Add(self.pointer, tid);
    RememberScheduling(state.libc.scheduling, self);
  } else {
    WriteId(self.pointer, self.robust_list, tid);
  }
}

void Touch(uintptr_t address) {
  auto* byte = reinterpret_cast<volatile char*>(address);
  *byte = *byte;
}

// The first write to a page that the processes share copies it, and interrupts each other processor
// that runs a thread of the writer, to flush the page there (wp_page_copy() of mm/memory.c). So the
// pages that the threads need at once are written while there is only one thread.
void TouchPages(const Park& park) {
  park.Each([](Thread& thread) {
    Touch(reinterpret_cast<uintptr_t>(&thread.new_tid));
    Touch(reinterpret_cast<uintptr_t>(&IdInRecord(thread.pointer)));
    if (state.libc.rseq_size > 0) {
      Touch(thread.pointer + static_cast<uintptr_t>(state.libc.rseq_offset));
    }
    const uintptr_t stack = StackPointer(thread.context);
    Touch(stack);
    Touch(stack - sizeof(void*));
  });
}

}  // namespace

const char* ThreadObstacle() {
  const char* obstacle = Libc().obstacle;
  return obstacle == nullptr ? PrctlObstacle() : obstacle;
}

Failure CheckRecords(const Park& park) {
  Failure failure;
  park.Each([&](Thread& t) {
    const int id = IdInRecord(t.pointer);
    const bool keeps = state.kept.Find(t.pointer, t.tid) != nullptr;
    const Position position{t.place, Frames::Between(t.stack, t.pointer), t.made};
    t.keeps_id = !MayTakeId(t.stop, t.call, position) && !RestsAt(t.tid, t.place, t.stack);
    // Without the address the thread's end would not be reported, and a join would wait forever.
    if (((id == t.tid || keeps) && t.clear_tid != nullptr) || failure.error == ENOTSUP) return;
    // musl's pthread_exit() clears the id before the thread has ended.
    failure = id == 0
                  ? Failure{EAGAIN, "fork", "a thread is about to end", true}
                  : Failure{ENOTSUP, "fork", "libc keeps its thread ids at an unexpected place"};
  });
  return failure;
}

bool ReserveStacks(Park& park, Arena& arena, char*& stacks) {
  stacks = arena.Take<char>(park.count * kStackSize);
  park.order = arena.Take<uint32_t>(park.count);
  if (stacks == nullptr || park.order == nullptr) return false;
  for (uint32_t i = 0; i < park.count; ++i) {
    if (park.threads[i].state() == Thread::kParked) park.order[park.ordered++] = i;
  }
  // Ids are given in turn, and begin again at the end: those below the process's own are younger.
  const auto first = static_cast<uint32_t>(Sys(SYS_getpid));
  const auto age = [&](uint32_t i) { return static_cast<uint32_t>(park.threads[i].tid) - first; };
  Sort(park.order, park.order + park.ordered,
       [&](uint32_t a, uint32_t b) { return age(a) < age(b); });
  return true;
}

Failure RebuildThreads(Park& park, const Thread& self, char* stacks) {
  state.kept.Clear();
  RebuildSelf(self);
  ExpectArrivals();
  TouchPages(park);
  for (size_t i = 0; i < park.ordered; ++i) {
    Thread& thread = park.threads[park.order[i]];
    DropInherited(thread, self);
    stacks += kStackSize;
    long r = livefork_clone_thread(kThreadFlags, stacks, &thread.new_tid, thread.clear_tid,
                                   thread.pointer, Enter, &thread);
    if (r < 0) return Check(r, "clone");
    if (thread.keeps_id) {
      state.kept.Add(thread.pointer, thread.new_tid);
      RememberScheduling(state.libc.scheduling, thread);
    } else {
      WriteId(thread.pointer, thread.robust_list, thread.new_tid);
    }
  }
  AdoptResting(park);
  return {};
}

void AwaitThreads(const Park& park) {
  size_t n = 0;
  park.Each([&](const Thread&) { ++n; });
  WaitForArrivals(n);
}

}  // namespace livefork
