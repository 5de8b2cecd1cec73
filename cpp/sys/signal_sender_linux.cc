#include <csignal>

#include "sys/signal_sender.h"

namespace sys {

bool HasSender(int number, int code) {
  return code == SI_USER || code == SI_QUEUE || code == SI_MESGQ || code == SI_TKILL ||
         number == SIGCHLD;
}

}  // namespace sys
