#include "fork/park/calls.h"

#include <sys/socket.h>
#include <time.h>

#include "arch.h"

namespace livefork {

bool CanBeMadeAgain(const Call& call) {
  switch (call.number) {
#ifdef SYS_poll
    case SYS_poll:
#endif
#ifdef SYS_select
    case SYS_select:
#endif
#ifdef SYS_epoll_wait
    case SYS_epoll_wait:
#endif
#ifdef SYS_epoll_pwait2
    case SYS_epoll_pwait2:
#endif
#ifdef SYS_futex_waitv
    case SYS_futex_waitv:
#endif
    case SYS_ppoll:
    case SYS_pselect6:
    case SYS_epoll_pwait:
    case SYS_clock_nanosleep:
    case SYS_futex:
    case SYS_rt_sigtimedwait:
    case SYS_semop:
    case SYS_semtimedop:
    case SYS_msgrcv:
    case SYS_msgsnd:
    case SYS_mq_timedreceive:
    case SYS_mq_timedsend:
    case SYS_io_getevents:
#ifdef SYS_io_pgetevents
    case SYS_io_pgetevents:
#endif
    case SYS_io_uring_enter:
    case SYS_read:
    case SYS_readv:
    case SYS_write:
    case SYS_writev:
    case SYS_recvfrom:
    case SYS_recvmsg:
    case SYS_recvmmsg:
    case SYS_sendto:
    case SYS_sendmsg:
    case SYS_sendmmsg:
    case SYS_accept:
    case SYS_accept4:
    case SYS_connect:
    case SYS_wait4:
    case SYS_waitid:
    case SYS_flock:
    case SYS_fcntl:
      return true;
    default:
      return false;
  }
}

bool IgnoresFirst(const Call& call) {
  const long* a = call.arguments;
  switch (call.number) {
    // The clock counts only for a point in time.
    case SYS_clock_nanosleep:
      return (a[1] & TIMER_ABSTIME) == 0;
    case SYS_ppoll:  // no descriptors
      return a[1] == 0;
    case SYS_pselect6:  // no sets
      return a[1] == 0 && a[2] == 0 && a[3] == 0;
    default:
      return false;
  }
}

bool IsPartial(const Call& call, long result) {
  const long* a = call.arguments;
  if (result <= 0 || result >= a[2]) return false;
  if (call.number == SYS_write) return true;
  if (call.number == SYS_sendto) return (a[3] & MSG_DONTWAIT) == 0 && a[4] == 0;
  return call.number == SYS_recvfrom && (a[3] & MSG_WAITALL) != 0 && a[4] == 0;
}

}  // namespace livefork
