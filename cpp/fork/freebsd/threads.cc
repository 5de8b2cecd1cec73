#include "fork/freebsd/threads.h"

#include <pthread.h>
#include <sys/types.h>
// First, for its types.
#include <sys/thr.h>

#include <cerrno>
#include <cstring>

#include "fork/freebsd/mutexes.h"

namespace livefork {
namespace {

constexpr size_t kStackSize = 16384;

// libthr's record begins with the id in every version so far (thr_private.h), but it is searched
// for.
constexpr size_t kSearched = 256;
constexpr size_t kNowhere = ~size_t{0};

size_t FindId() {
  long self = 0;
  thr_self(&self);
  const auto* record = reinterpret_cast<const char*>(pthread_self());
  for (size_t at = 0; at < kSearched; at += sizeof self) {
    if (memcmp(record + at, &self, sizeof self) == 0) return at;
  }
  return kNowhere;
}

size_t IdOffset() {
  static const size_t offset = FindId();
  return offset;
}

long* IdOf(const Thread& thread) {
  return reinterpret_cast<long*>(thread.record + IdOffset());
}

// The first function of a new thread, on a small separate stack with the old thread's TLS.
void Enter(void* argument) {
  auto* thread = static_cast<Thread*>(argument);
  stack_t stack = thread->altstack;
  // This may be the stack of the signal: it is in use, but must be set.
  stack.ss_flags &= SS_DISABLE;
  sigaltstack(&stack, nullptr);
  _longjmp(thread->context, 1);
}

Failure Rebuild(Thread& thread, char* stack) {
  long id = 0;
  thr_param param{};
  param.start_func = Enter;
  param.arg = &thread;
  param.stack_base = stack;
  param.stack_size = kStackSize;
  param.tls_base = reinterpret_cast<char*>(thread.pointer);
  // Into libthr's record, before the thread runs.
  param.child_tid = IdOf(thread);
  param.parent_tid = &id;
  if (thr_new(&param, sizeof param) != 0) {
    return {errno == EPROCLIM ? EAGAIN : errno, "thr_new"};
  }
  thr_set_name(id, thread.name);
  // The thread parks itself at the same time, and uses no mutex on the way.
  GiveMutexes(thread.record, thread.id, id);
  return {};
}

}  // namespace

const char* ThreadObstacle() {
  return IdOffset() == kNowhere ? "libthr keeps its thread ids at an unexpected place" : nullptr;
}

bool RecordsHold(const Park& park) {
  bool hold = true;
  park.Each([&hold](const Thread& thread) { hold &= *IdOf(thread) == thread.id; });
  return hold;
}

char* ReserveStacks(const Park& park, Region& region) {
  return region.Take<char>((park.count + 1) * kStackSize);
}

Failure RebuildThreads(Park& park, const Thread& self, char* stacks, uint64_t deadline) {
  const long before = *IdOf(self);
  thr_self(IdOf(self));
  GiveMutexes(self.record, before, *IdOf(self));
  ExpectArrivals();
  Failure failure;
  size_t made = 0;
  park.Each([&](Thread& thread) {
    if (failure) return;
    failure = Rebuild(thread, stacks + made * kStackSize);
    ++made;
  });
  if (failure) return failure;
  // Waits until each has left its stack and its record, because the next fork overwrites them.
  if (!AwaitArrivals(made, deadline)) return {EAGAIN, "fork", "a thread does not start"};
  return {};
}

}  // namespace livefork
