#include "fork/rebuild/scheduling.h"

#include <pthread.h>
#include <sched.h>

#include <cstring>

#include "fork/park/park.h"
#include "libc.h"

namespace livefork {
namespace {

// glibc's bits come after the id. musl has none: it asks the kernel at every call.
constexpr size_t kWords = kRecordSize / sizeof(uint32_t);

// From the thread pointer to the calling thread's record.
ptrdiff_t RecordOffset() {
  return static_cast<ptrdiff_t>(reinterpret_cast<uintptr_t>(pthread_self()) - ThreadPointer());
}

// The single word that has gained bits, if nothing else in the record has changed.
SchedulingKnown Compare(const uint32_t* before, const uint32_t* after) {
  SchedulingKnown known;
  for (size_t i = 0; i < kWords; ++i) {
    if (before[i] == after[i]) continue;
    if (known.mask != 0 || (before[i] & ~after[i]) != 0) return {};
    known = {RecordOffset() + static_cast<ptrdiff_t>(i * sizeof(uint32_t)), after[i] & ~before[i]};
  }
  return known;
}

void* Observe(void* result) {
  const auto* record = reinterpret_cast<const volatile uint32_t*>(pthread_self());
  uint32_t before[kWords], after[kWords];
  int policy = 0;
  sched_param parameters{};
  for (size_t i = 0; i < kWords; ++i) before[i] = record[i];
  const int error = pthread_getschedparam(pthread_self(), &policy, &parameters);
  for (size_t i = 0; i < kWords; ++i) after[i] = record[i];
  // A policy other than the default would also be written to the record.
  if (error == 0 && policy == SCHED_OTHER) {
    *static_cast<SchedulingKnown*>(result) = Compare(before, after);
  }
  return nullptr;
}

}  // namespace

SchedulingKnown FindSchedulingKnown() {
  SchedulingKnown known;
  pthread_t thread;
  if (pthread_create(&thread, nullptr, Observe, &known) == 0) pthread_join(thread, nullptr);
  return known;
}

void RememberScheduling(const SchedulingKnown& known, const Thread& thread) {
  const uint32_t policy = thread.sched[1];  // struct sched_attr: size, policy
  if (known.mask == 0 || policy != SCHED_OTHER) return;
  *reinterpret_cast<uint32_t*>(thread.pointer + static_cast<uintptr_t>(known.offset)) |= known.mask;
}

}  // namespace livefork
