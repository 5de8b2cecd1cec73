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
  // The action before the first TakeSignal(), which the last GiveSignalBack() restores.
  struct sigaction original {};
  // libuv's handler, or one that other code has installed over it.
  struct sigaction covered {};
  // Read by the handler, on any thread. These stay after the last GiveSignalBack(), because a
  // handler may be running.
  std::atomic<SignalHandler> next{nullptr};
  std::atomic<SignalHandler> foreign{nullptr};
  // The handler that the last GiveSignalBack() has restored, unless CallNext() calls it.
  std::atomic<SignalHandler> restored{nullptr};
};

Slot slots[kSignals];

// libuv calls sigaction() for the first uv_signal_t of a signal and sets SIG_DFL after the last. So
// process.on() and spawn() would remove a handler that was installed in between, and after
// process.off() a caught signal would end the process. With our own handle, the holder, no other
// handle is ever the first or the last.
//
// libuv's handler writes a message to the holder's loop too. In the loop of Node, whose pipe holds
// 4,096 messages, a storm of our signal would displace messages for process.on(). So the holders
// belong to a loop that never runs, of which uv_signal_t uses only three fields: the pipe (made by
// uv_signal_init() unless it exists), the queue of handles and the count of active ones. A full
// pipe is not an error for libuv's handler. uv_loop_init() would open an epoll, an eventfd and a
// ring.
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
  // No thread writes any more: uv_signal_stop() waits for libuv's handler on every thread.
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

// Every handler is called with three arguments, as the kernel does for any handler.
SignalHandler HandlerOf(const struct sigaction& action) {
  return action.sa_handler == SIG_DFL || action.sa_handler == SIG_IGN ? nullptr
                                                                      : action.sa_sigaction;
}

// Whether a handler from before libuv's is still called. Node's own are not, as with process.on():
// the one-shot handlers that end the process on SIGINT and SIGTERM, and the one that starts the
// debugger on SIGUSR1.
bool IsForeign(int number, const struct sigaction& original, const struct sigaction& covered) {
  return (original.sa_flags & SA_RESETHAND) == 0 && number != SIGUSR1 &&
         HandlerOf(original) != HandlerOf(covered);
}

int Install(Slot* slot, int number) {
  struct sigaction action {};
  action.sa_sigaction = slot->handler;
  action.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
  // libuv's handler takes a non-recursive lock, so no signal may interrupt the chain.
  sigfillset(&action.sa_mask);
  return Result(sigaction(number, &action, nullptr));
}

int TakeFirst(Slot* slot, int number) {
  if (sigaction(number, nullptr, &slot->original) != 0) return -errno;
  if (int error = HoldLibuv(slot, number)) return error;
  sigaction(number, nullptr, &slot->covered);
  slot->restored = nullptr;
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
    // Other code has installed a handler over ours: it stays, even if libuv has just set SIG_DFL.
    sigaction(number, &before, nullptr);
  } else if (HandlerOf(after) == slot->handler) {
    // libuv has other handles for the signal, which continue.
    sigaction(number, &slot->covered, nullptr);
  } else if (HandlerOf(slot->original) != HandlerOf(slot->covered)) {
    // libuv has none and has set SIG_DFL. If process.on() came and went before us, it would leave
    // SIG_DFL without us too.
    slot->restored = slot->foreign == nullptr ? HandlerOf(slot->original) : nullptr;
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

// The kernel picks the handler when it delivers a signal. Another thread can lose the processor
// there, and run the handler after the main thread has restored the action.
void SendAgainIfGivenBack(int number) {
  struct sigaction now {};
  sigaction(number, nullptr, &now);
  // A handler that was installed over ours has received the signal, and libuv's gets it from
  // CallNext().
  const SignalHandler handler = HandlerOf(now);
  if (handler == nullptr || handler == slots[number].restored) kill(getpid(), number);
}

}  // namespace sys
