// What live fork needs to know of the C library. binding.gyp puts the right folder on the include
// path.
#pragma once

#include <cstddef>

#include "arch.h"

namespace livefork {

// The setxid signal (SIGSETXID, nptl). Every thread leaves 32 and 33 unblocked, also those that
// block "all" signals through libc (the inspector's signal thread, the thread pool), and nothing
// else can claim it, because libc refuses the number to its callers.
constexpr int kParkingSignal = 33;

// Where struct pthread, to which pthread_self() points, usually has the thread's id, and how much
// of it every version has.
constexpr size_t kUsualTid = kGlibcTid;
constexpr size_t kRecordSize = 1024;

// pthread_mutex_t: __lock, __count, __owner, __nusers, __kind.
constexpr int kOwnerBehindLock = 2;
constexpr int kKindBehindLock = 4;

// Its record lists robust mutexes alone, and tells the kernel of them.
constexpr bool kListsHeld = false;

// Up to 2.33 a condition is waited for by FUTEX_WAIT too (of the value 0); a lock of libc's always
// is, of the value 2 (lll_lock_wait), and so is a read-write lock's state, which is not 0.
inline bool WaitsForLock(uint32_t value) {
  return value != 0;
}

// A library's callback may be what forks, with the library's recursive lock held: the caller keeps
// its id until the event loop turns. None of libc's own calls goes by it: raise(3) asks the kernel.
constexpr bool kCallerKeepsId = true;

// setuid(3) and its like send their signal by tgkill(2) with this process's id: a thread whose
// record has an ancestor's id is passed by.
constexpr bool kMissesKept = true;

}  // namespace livefork
