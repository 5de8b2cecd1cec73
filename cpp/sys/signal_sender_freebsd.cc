#include <csignal>

#include "sys/signal_sender.h"

namespace sys {

// SI_LWP is thr_kill(2)'s, and so pthread_kill(3)'s.
bool HasSender(int number, int code) {
  return code == SI_USER || code == SI_QUEUE || code == SI_MESGQ || code == SI_LWP ||
         number == SIGCHLD;
}

}  // namespace sys
