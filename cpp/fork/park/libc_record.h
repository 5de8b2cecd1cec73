// libc's record of a thread: the fields that live fork must read or correct.
#pragma once

#include <cstddef>
#include <cstdint>

#include "fork/park/bottom.h"
#include "fork/park/held.h"
#include "fork/rebuild/scheduling.h"

namespace livefork {

struct LibcRecord {
  bool examined = false;
  const char* obstacle = nullptr;
  ptrdiff_t tid_offset = 0;  // from the thread pointer to the id
  HeldList held;
  HeldFiles held_files;
  LibcCode code;
  WorkerCode workers;
  SchedulingKnown scheduling;
  ptrdiff_t rseq_offset = 0;
  unsigned rseq_size = 0;  // 0: this libc does not register rseq
};

}  // namespace livefork
