// The musl version of glibc/libc.h, which documents the names.
#pragma once

#include <cstddef>

#include "arch.h"

namespace livefork {

// SIGSYNCCALL (src/internal/pthread_impl.h), by which setuid() and similar functions reach all
// threads. sigfillset() omits 32 to 34, and sigaction() refuses them. musl takes the signal over at
// each such call and leaves it ignored. 33, for pthread_cancel(), stays musl's once it is used.
constexpr int kParkingSignal = 34;

// The record of 1.2.5 has 200 bytes and ends with the thread's memory, so no more may be read.
constexpr size_t kUsualTid = kMuslTid;
constexpr size_t kRecordSize = 200;

// _m_type is the first word of a mutex; _m_lock, the owner, is the second.
constexpr int kOwnerBehindLock = 0;
constexpr int kKindBehindLock = -1;

// Every mutex that stores an id is in its owner's robust list, robust or not
// (pthread_mutex_trylock.c). The list is registered with the kernel only when a mutex is shared
// between processes. Streams of flockfile(3) are in a list too (__register_locked_file()).
constexpr bool kListsHeld = true;

// The highest bit of a lock's word is set if a thread waits (pthread_mutex_timedlock.c, __lock.c);
// a condition's barrier is 2.
inline bool WaitsForLock(uint32_t value) {
  return (value & 0x80000000) != 0;
}

// raise(3) and abort(3) send the signal by tkill(2) to the id in the record, which would be the
// parent's main thread. All locks that a library may hold around a callback that forks are in the
// lists.
constexpr bool kCallerKeepsId = false;

// __synccall() sends its signal by tkill(2), which does not check the process: a thread of an
// ancestor with that id would get it. From 1.2.2 on, if the record has another id than the caller's
// own, as in a child of vfork(2), it makes the change only for the caller.
constexpr bool kMissesKept = false;

}  // namespace livefork
