// The facts about the C library that live fork needs. binding.gyp puts the right folder on the
// include path.
#pragma once

#include <cstddef>

#include "arch.h"

namespace livefork {

// The setxid signal (SIGSETXID, nptl). No thread blocks 32 and 33, not even those that block "all"
// signals through libc (the inspector's signal thread, the thread pool). No other code can use it,
// because libc refuses the number.
constexpr int kParkingSignal = 33;

// The usual offset of the thread's id in struct pthread, to which pthread_self() points, and the
// minimum size of that struct in all versions.
constexpr size_t kUsualTid = kGlibcTid;
constexpr size_t kRecordSize = 1024;

// pthread_mutex_t: __lock, __count, __owner, __nusers, __kind.
constexpr int kOwnerBehindLock = 2;
constexpr int kKindBehindLock = 4;

// Its record lists only robust mutexes, and registers them with the kernel.
constexpr bool kListsHeld = false;

// Up to 2.33 a wait for a condition uses FUTEX_WAIT too (with the value 0). A wait for a lock of
// libc always does, with the value 2 (lll_lock_wait), and so does a wait for a read-write lock,
// whose state is not 0.
inline bool WaitsForLock(uint32_t value) {
  return value != 0;
}

// The fork may happen in a library's callback that holds the library's recursive lock. So the
// caller keeps its id until the event loop turns. None of libc's own calls uses that id: raise(3)
// asks the kernel.
constexpr bool kCallerKeepsId = true;

// setuid(3) and similar functions send their signal by tgkill(2) with this process's id. They do
// not reach a thread whose record has an ancestor's id.
constexpr bool kMissesKept = true;

}  // namespace livefork
