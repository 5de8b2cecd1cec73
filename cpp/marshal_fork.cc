#include "marshal_fork.h"

#include <unistd.h>
#include <uv.h>

#include "atfork.h"
#include "engine.h"
#include "marshal.h"
#include "sys/capabilities.h"
#include "sys/launcher.h"
#include "sys/socketpair.h"

namespace marshal {
namespace {

// In a child: updates the thread ids (docs/live-fork.md), its own when the loop turns, those of
// other threads when they are idle. It uses libuv handles, so that the program sees no timer.
class Adoption {
 public:
  void Begin(uv_loop_t* loop) {
    if (active_) {  // copied from a parent that had not finished: the handles are active
      uv_timer_stop(&timer_);
    } else {
      uv_prepare_init(loop, &turn_);
      uv_timer_init(loop, &timer_);
      uv_unref(reinterpret_cast<uv_handle_t*>(&turn_));
      uv_unref(reinterpret_cast<uv_handle_t*>(&timer_));
    }
    active_ = true;
    delay_ = 1;
    uv_prepare_start(&turn_, OnTurn);
  }

 private:
  static void OnTurn(uv_prepare_t*) {
    uv_prepare_stop(&adoption.turn_);
    engine::Current().adopt_caller_id();
    OnTimer(&adoption.timer_);
  }

  static void OnTimer(uv_timer_t* timer) {
    constexpr uint64_t kLongest = 100;
    if (engine::Current().adopt_ids(0)) return;
    uv_timer_start(timer, OnTimer, adoption.delay_, 0);
    adoption.delay_ = adoption.delay_ < kLongest ? 2 * adoption.delay_ : kLongest;
  }

  bool active_ = false;
  uint64_t delay_ = 1;
  uv_prepare_t turn_;
  uv_timer_t timer_;

 public:
  static Adoption adoption;
};
Adoption Adoption::adoption;

uv_loop_t* LoopOf(Napi::Env env) {
  uv_loop_t* loop = nullptr;
  napi_get_uv_event_loop(env, &loop);
  return loop;
}

// The pid, or the failure. An object for each pid took a fifteenth of fork()'s processor time (heap
// of 5 MB, after 100 ms of rest): no other code runs what defines its properties, so it is in no
// cache.
Napi::Value ToResult(Napi::Env env, const livefork::ForkResult& fork) {
  if (fork.pid >= 0) return Napi::Number::New(env, fork.pid);
  auto text = [env](const char* s) {
    return s == nullptr ? env.Undefined() : Napi::Value(Napi::String::New(env, s));
  };
  Napi::Object result = Napi::Object::New(env);
  Define(result, "errno", -fork.failure.error);
  Define(result, "syscall", text(fork.failure.syscall));
  Define(result, "reason", text(fork.failure.reason));
  return result;
}

livefork::ForkRequest RequestOf(const Napi::CallbackInfo& info, bool move) {
  const auto timeout = static_cast<uint64_t>(info[0].As<Napi::Number>().Int64Value()) * 1000000;
  const bool workers = !move && FromJs<bool>::Get(info[1]);
  return {LoopOf(info.Env()), timeout, move, workers};
}

// Runs the handlers of other addons around the fork.
livefork::ForkResult ForkWithHandlers(const livefork::ForkRequest& request) {
  atfork::Prepare();
  const livefork::ForkResult fork = engine::Current().fork(request);
  if (fork.pid == 0) {
    Adoption::adoption.Begin(static_cast<uv_loop_t*>(request.loop));
    atfork::Child();
  } else if (fork.pid < 0 || !request.move) {
    atfork::Parent();
  }
  return fork;
}

// fork(timeout, workers)
Napi::Value Fork(const Napi::CallbackInfo& info) {
  return ToResult(info.Env(), ForkWithHandlers(RequestOf(info, false)));
}

// launch(timeout, close, channel, relay, log, birthTimeout, notify, farewell): a fork that moves
// the process into its child. The parent waits here for the daemon and exits, or returns its pid
// and the outcome of the wait.
Napi::Value Launch(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const std::vector<int> close_first = FromJs<std::vector<int>>::Get(info[1]);
  sys::Launch launch{};
  launch.channel = FromJs<int>::Get(info[2]);
  launch.relay = FromJs<int>::Get(info[3]);
  launch.log = FromJs<int>::Get(info[4]);
  launch.timeout = FromJs<int>::Get(info[5]);
  launch.notify = FromJs<int>::Get(info[6]);
  const auto farewell = info[7].As<Napi::Array>();
  launch.say = FromJs<int>::Get(farewell.Get(0u));
  const std::string before = FromJs<std::string>::Get(farewell.Get(1u));
  const std::string after = FromJs<std::string>::Get(farewell.Get(2u));
  launch.before = before.c_str();
  launch.after = after.c_str();
  const livefork::ForkResult fork = ForkWithHandlers(RequestOf(info, true));
  if (fork.pid <= 0) return ToResult(env, fork);
  for (int fd : close_first) close(fd);
  // If the script has made the terminal raw, this lets ^C send a signal during the wait.
  sys::ResetTerminal();
  launch.middle = fork.pid;
  const sys::Outcome outcome = sys::AwaitBirthHeld(launch, engine::Current().release_held);
  atfork::Parent();
  Napi::Object result = Napi::Object::New(env);
  Define(result, "pid", fork.pid);
  Define(result, "outcome", ToJs(env, outcome));
  return result;
}

// step(timeout, channel): as above, for the process between launcher and daemon: it announces its
// child and exits.
Napi::Value Step(const Napi::CallbackInfo& info) {
  const int channel = FromJs<int>::Get(info[1]);
  const livefork::ForkResult fork = ForkWithHandlers(RequestOf(info, true));
  if (fork.pid > 0) {
    sys::AnnounceChild(channel, fork.pid);
    _exit(0);
  }
  return ToResult(info.Env(), fork);
}

Napi::Value ForkObstacles(const Napi::CallbackInfo& info) {
  const char* reasons[8];
  const size_t n = engine::Current().obstacles(reasons, 8);
  Napi::Array result = Napi::Array::New(info.Env(), n);
  for (uint32_t i = 0; i < n; ++i) result.Set(i, reasons[i]);
  return result;
}

constexpr uint64_t Nanoseconds(int milliseconds) {
  return static_cast<uint64_t>(milliseconds) * 1000000;
}

bool Quiesce(int milliseconds) {
  return engine::Current().await_quiescence(Nanoseconds(milliseconds));
}

bool AdoptIds(int milliseconds) {
  return engine::Current().adopt_ids(Nanoseconds(milliseconds));
}

int FollowCaller(int milliseconds) {
  return engine::Current().follow_caller(Nanoseconds(milliseconds));
}

bool IdsAdopted() {
  return engine::Current().ids_adopted();
}

void BeginChange() {
  engine::Current().begin_change();
}

void EndChange() {
  engine::Current().end_change();
}

int SetNoNewPrivileges(int milliseconds) {
  const int result = engine::Current().forbid_new_privileges(Nanoseconds(milliseconds));
  return result == -ENOSYS ? sys::SetNoNewPrivileges() : result;
}

}  // namespace

void ExportFork(Napi::Object exports) {
  Napi::Env env = exports.Env();
  auto with_loop = [&](const char* name, auto function) {
    exports.Set(name, Napi::Function::New(env, function, name));
  };
  with_loop("fork", Fork);
  with_loop("launch", Launch);
  with_loop("step", Step);
  with_loop("forkObstacles", ForkObstacles);
  Export<Quiesce>(exports, "quiesce");
  Export<IdsAdopted>(exports, "idsAdopted");
  Export<AdoptIds>(exports, "adoptIds");
  Export<BeginChange>(exports, "beginChange");
  Export<EndChange>(exports, "endChange");
  Export<FollowCaller>(exports, "followCaller");
  Export<SetNoNewPrivileges>(exports, "setNoNewPrivileges");
}

}  // namespace marshal
