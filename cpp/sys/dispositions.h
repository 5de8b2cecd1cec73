// Signal dispositions and the mask, as daemon(7) steps 2 and 3 and daemon(3) treat them.
#pragma once

#include <cstdint>

namespace sys {

// Ignores SIGHUP and remembers how it was handled; RestoreHangup() puts that back. 0, or -errno.
int IgnoreHangup();
int RestoreHangup();

// The handler of a signal as a number, to be compared: 0 is SIG_DFL, 1 SIG_IGN. Or -errno.
int64_t SignalHandler(int signal);

// Gives every ignored signal its default action (but for SIGPIPE and SIGXFSZ, which Node ignores
// itself) and empties the calling thread's mask. Handlers stay. 0, or -errno.
int ResetSignals();

}  // namespace sys
