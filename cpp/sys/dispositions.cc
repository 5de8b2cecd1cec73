#include "sys/dispositions.h"

#include <dlfcn.h>
#include <node_api.h>
#include <signal.h>
#include <uv.h>

#include "sys/result.h"
#include "sys/signal_action.h"

namespace sys {
namespace {

struct Ignored {
  int times = 0;
  struct sigaction before {};
};

Ignored ignored[kSignals];

// The base address of the program or library that contains this address; it identifies the module.
void* ModuleOf(const void* address) {
  Dl_info info{};
  return dladdr(address, &info) == 0 ? nullptr : info.dli_fbase;
}

template <typename Function>
void* ModuleOf(Function* function) {
  return ModuleOf(reinterpret_cast<const void*>(function));
}

// A distribution's Node may have libuv and other parts in separate libraries.
bool IsRuntime(const void* module) {
  static const void* const node = ModuleOf(&napi_get_undefined);
  static const void* const libuv = ModuleOf(&uv_run);
  return module == node || module == libuv;
}

bool IsIgnored(const struct sigaction& action) {
  return action.sa_handler == SIG_IGN;
}

int SetHandler(int signal, void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  return Result(sigaction(signal, &action, nullptr));
}

bool NodeIgnores(int signal) {
  return signal == SIGPIPE || signal == SIGXFSZ;
}

}  // namespace

int DispositionOf(int signal) {
  struct sigaction action {};
  if (sigaction(signal, nullptr, &action) != 0) return -errno;
  auto is = [](Disposition disposition) { return static_cast<int>(disposition); };
  if (action.sa_handler == SIG_DFL) return is(Disposition::kDefault);
  if (IsIgnored(action)) return is(Disposition::kIgnored);
  // sa_sigaction has the same offset.
  const void* module = ModuleOf(action.sa_handler);
  if (module == ModuleOf(&DispositionOf)) return is(Disposition::kFlag);
  return is(IsRuntime(module) ? Disposition::kRuntime : Disposition::kForeign);
}

int64_t HandlerNumber(int signal) {
  struct sigaction action {};
  if (sigaction(signal, nullptr, &action) != 0) return -errno;
  return static_cast<int64_t>(reinterpret_cast<intptr_t>(action.sa_handler));
}

int ResetSignal(int signal) {
  ignored[signal].times = 0;
  return SetHandler(signal, NodeIgnores(signal) ? SIG_IGN : SIG_DFL);
}

int IgnoreSignal(int signal) {
  Ignored* record = &ignored[signal];
  if (record->times == 0 && sigaction(signal, nullptr, &record->before) != 0) return -errno;
  const int error = SetHandler(signal, SIG_IGN);
  if (error == 0) record->times++;
  return error;
}

int UnignoreSignal(int signal) {
  Ignored* record = &ignored[signal];
  if (record->times == 0 || --record->times > 0) return 0;
  struct sigaction now {};
  if (sigaction(signal, nullptr, &now) != 0) return -errno;
  // Other code has installed a handler since; it stays.
  if (!IsIgnored(now)) return 0;
  return Result(sigaction(signal, &record->before, nullptr));
}

bool IsIgnoring(int signal) {
  return ignored[signal].times > 0;
}

std::vector<int> SignalMask(int how, const std::vector<int>& signals) {
  constexpr int kHow[] = {SIG_BLOCK, SIG_BLOCK, SIG_UNBLOCK, SIG_SETMASK};
  sigset_t set;
  sigset_t before;
  sigemptyset(&set);
  for (int signal : signals) sigaddset(&set, signal);
  const int error = pthread_sigmask(kHow[how], how == 0 ? nullptr : &set, &before);
  if (error != 0) return {-error};
  std::vector<int> blocked;
  for (int signal = 1; signal < kSignals; ++signal) {
    // -1 above the system's highest signal.
    if (sigismember(&before, signal) == 1) blocked.push_back(signal);
  }
  return blocked;
}

}  // namespace sys
