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

}  // namespace livefork
