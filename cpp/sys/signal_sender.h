// Which signals contain their sender.
#pragma once

namespace sys {

// Whether si_pid and si_uid of a siginfo_t with this si_code are the sender's: they share memory
// with other fields. Async-signal-safe.
bool HasSender(int number, int code);

}  // namespace sys
