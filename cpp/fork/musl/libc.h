// musl's side of what glibc/libc.h declares; the same names, told there.
#pragma once

#include <cstddef>

#include "arch.h"

namespace livefork {

// SIGSYNCCALL (src/internal/pthread_impl.h), by which setuid() and its like reach all threads:
// sigfillset() leaves 32 to 34 out, and sigaction() refuses them. musl takes the signal over at
// each such call and leaves it ignored; 33, pthread_cancel()'s, stays its own once used.
constexpr int kParkingSignal = 34;

// The record of 1.2.5 ends 200 bytes on, at the end of the thread's memory: no more may be looked
// at.
constexpr size_t kUsualTid = kMuslTid;
constexpr size_t kRecordSize = 200;

// _m_type is the first word of a mutex, _m_lock, which is the owner, the second.
constexpr int kOwnerBehindLock = 0;
constexpr int kKindBehindLock = -1;

// Every mutex that stores an id is in its owner's list of robust ones, whether it is robust or not
// (pthread_mutex_trylock.c); the kernel is told of that list only once one is of many processes. So
// is each stream of flockfile(3) in a list (__register_locked_file()).
constexpr bool kListsHeld = true;

// A lock's word has its highest bit set where somebody waits (pthread_mutex_timedlock.c, __lock.c);
// a condition's barrier is 2.
inline bool WaitsForLock(uint32_t value) {
  return (value & 0x80000000) != 0;
}

// raise(3) and abort(3) send the signal to the id in the record by tkill(2), which would be the
// parent's main thread. Whatever a library's callback that forks is called with is in the lists.
constexpr bool kCallerKeepsId = false;

// __synccall() sends its signal by tkill(2), which does not ask whose thread an id is: one that an
// ancestor has would get it. From 1.2.2 on it makes the change for the caller alone where the
// record has another id than the caller's own, as in a child of vfork(2).
constexpr bool kMissesKept = false;

}  // namespace livefork
