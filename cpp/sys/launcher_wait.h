// The launcher's wait for what becomes of the daemon: between launcher.cc and its own file only. No
// malloc: in a move (cpp/fork) the process's other threads are held, and one may hold malloc's
// lock.
#pragma once

#include "sys/launcher.h"

namespace sys {

// How long the daemon may take to end after SIGTERM, and to be dead after its channel closed.
constexpr int kGraceMs = 2000;

// An Outcome that takes no memory; the text is in one of the buffers below.
struct End {
  Birth how;
  int code = 0;
  int signal = 0;
  const char* text = "";
};

// Waits, and ends the daemon if it does not come up.
End WaitForDaemon(const Launch& launch);

}  // namespace sys
