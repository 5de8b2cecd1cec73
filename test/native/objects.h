// Kernel objects, and what becomes of them: each takes up to three integers, and gives one or
// -errno.
#pragma once

#include <cstdint>

namespace objects {

int64_t Eventfd(const int64_t* arguments);
int64_t Timerfd(const int64_t* arguments);
int64_t Itimer(const int64_t* arguments);
int64_t Signalfd(const int64_t* arguments);
int64_t Pipe(const int64_t* arguments);
int64_t DupCloexec(const int64_t* arguments);
int64_t Epoll(const int64_t* arguments);
int64_t EpollAdd(const int64_t* arguments);
int64_t EpollWait(const int64_t* arguments);
int64_t RingOpen(const int64_t* arguments);
int64_t RingPush(const int64_t* arguments);
int64_t RingEnter(const int64_t* arguments);
int64_t RingTake(const int64_t* arguments);
int64_t RingWord(const int64_t* arguments);
int64_t RingTimeout(const int64_t* arguments);
// more_objects.cc
int64_t EpollAddFor(const int64_t* arguments);
int64_t Socketpair(const int64_t* arguments);
int64_t SendDescriptor(const int64_t* arguments);
int64_t Shutdown(const int64_t* arguments);
int64_t PipeSize(const int64_t* arguments);
int64_t Flags(const int64_t* arguments);
int64_t TimerfdAt(const int64_t* arguments);
int64_t PollNow(const int64_t* arguments);
int64_t Userfault(const int64_t* arguments);
int64_t QueueWait(const int64_t* arguments);
int64_t QueueEnd(const int64_t* arguments);

}  // namespace objects
