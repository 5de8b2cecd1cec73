#include <csignal>

#include "sys/signal_sender.h"

namespace sys {

// SI_LWP comes from thr_kill(2), and so from pthread_kill(3).
bool HasSender(int number, int code) {
  return code == SI_USER || code == SI_QUEUE || code == SI_MESGQ || code == SI_LWP ||
         number == SIGCHLD;
}

}  // namespace sys
