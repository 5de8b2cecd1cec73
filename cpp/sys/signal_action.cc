#include "sys/signal_action.h"

#include <fcntl.h>
#include <unistd.h>
#include <uv.h>

#include <atomic>

#include "sys/result.h"

namespace sys {

namespace {

struct Slot {
  int takers = 0;
  SignalHandler handler = nullptr;
  uv_signal_t holder{};
  // Before the first taker: what the last one restores.
  struct sigaction original {};
  // Once libuv was held off: its handler, or one that somebody put over it.
  struct sigaction covered {};
  // Read by the handler, on any thread; these outlive the takers, as a handler may just be running.
  std::atomic<SignalHandler> next{nullptr};
  std::atomic<SignalHandler> foreign{nullptr};
};

Slot slots[kSignals];

// libuv calls sigaction() for the first uv_signal_t of a signal and sets SIG_DFL after the last, so
// process.on() and spawn() would drop a handler installed in between, and process.off() would make
// a caught signal deadly. With a holder of ours among them no handle is ever the first or the last.
//
// libuv's handler writes a message to the holder's loop too. In the loop of Node, whose pipe holds
// 4,096 of them, a storm of our signal would push out messages for process.on(). So the holders
// belong to a loop that nobody runs, of which uv_signal_t uses three fields only: the pipe (made by
// uv_signal_init() unless it is there), the queue of handles and the count of active ones. A full
// pipe is no error to libuv's handler. uv_loop_init() would open an epoll, an eventfd and a ring.
uv_loop_t idle_loop;
int holders = 0;

int OpenIdleLoop() {
  int* ends = idle_loop.signal_pipefd;
  if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return -errno;
  // An empty queue points to itself; its type changed with libuv 1.47, its layout did not.
  auto** queue = reinterpret_cast<void**>(&idle_loop.handle_queue);
  queue[0] = queue[1] = queue;
  return 0;
}

void CloseIdleLoop() {
  // Nobody writes any more: uv_signal_stop() waits for libuv's handler on every thread.
  close(idle_loop.signal_pipefd[0]);
  close(idle_loop.signal_pipefd[1]);
}

int HoldLibuv(Slot* slot, int number) {
  if (holders == 0) {
    if (int error = OpenIdleLoop()) return error;
  }
  int error = uv_signal_init(&idle_loop, &slot->holder);
  if (error == 0)
    error = uv_signal_start(
        &slot->holder, [](uv_signal_t*, int) {}, number);
  if (error == 0) holders++;
  if (holders == 0) CloseIdleLoop();
  return error;
}

void ReleaseLibuv(Slot* slot) {
  uv_signal_stop(&slot->holder);
  if (--holders == 0) CloseIdleLoop();
}

// Every handler is read and called as one with three arguments: the kernel passes three to any.
SignalHandler HandlerOf(const struct sigaction& action) {
  return action.sa_handler == SIG_DFL || action.sa_handler == SIG_IGN ? nullptr
                                                                      : action.sa_sigaction;
}

// Whether a handler found before libuv's came over it goes on being called. Those of Node do not,
// as with process.on(): the one-shot ones that end the process on SIGINT and SIGTERM, and the one
// that starts the debugger on SIGUSR1.
bool IsForeign(int number, const struct sigaction& original, const struct sigaction& covered) {
  return (original.sa_flags & SA_RESETHAND) == 0 && number != SIGUSR1 &&
         HandlerOf(original) != HandlerOf(covered);
}

int Install(Slot* slot, int number) {
  struct sigaction action {};
  action.sa_sigaction = slot->handler;
  action.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
  // libuv's handler takes a lock that is not recursive: nothing may interrupt the chain.
  sigfillset(&action.sa_mask);
  return Result(sigaction(number, &action, nullptr));
}

int TakeFirst(Slot* slot, int number) {
  if (sigaction(number, nullptr, &slot->original) != 0) return -errno;
  if (int error = HoldLibuv(slot, number)) return error;
  sigaction(number, nullptr, &slot->covered);
  slot->next = HandlerOf(slot->covered);
  slot->foreign =
      IsForeign(number, slot->original, slot->covered) ? HandlerOf(slot->original) : nullptr;
  const int error = Install(slot, number);
  if (error != 0) ReleaseLibuv(slot);
  return error;
}

void GiveLastBack(Slot* slot, int number) {
  struct sigaction before {};
  struct sigaction after {};
  sigaction(number, nullptr, &before);
  ReleaseLibuv(slot);
  sigaction(number, nullptr, &after);
  if (HandlerOf(before) != slot->handler) {
    // Somebody covered us: theirs stays, even where libuv has just set SIG_DFL.
    sigaction(number, &before, nullptr);
  } else if (HandlerOf(after) == slot->handler) {
    // libuv has other handles for the signal and goes on.
    sigaction(number, &slot->covered, nullptr);
  } else if (HandlerOf(slot->original) != HandlerOf(slot->covered)) {
    // libuv has none and has set SIG_DFL; where process.on() came before us and went before us,
    // that is what it leaves without us too.
    sigaction(number, &slot->original, nullptr);
  }
}

}  // namespace

int TakeSignal(int number, SignalHandler handler) {
  Slot* slot = &slots[number];
  if (slot->takers == 0) {
    slot->handler = handler;
    if (int error = TakeFirst(slot, number)) return error;
  }
  slot->takers++;
  return 0;
}

void GiveSignalBack(int number) {
  Slot* slot = &slots[number];
  if (--slot->takers == 0) GiveLastBack(slot, number);
}

bool SignalTaken(int number) {
  return slots[number].takers > 0;
}

void CallNext(int number, siginfo_t* info, void* context) {
  const Slot& slot = slots[number];
  if (SignalHandler foreign = slot.foreign) foreign(number, info, context);
  if (SignalHandler next = slot.next) next(number, info, context);
}

}  // namespace sys
