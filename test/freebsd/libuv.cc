// There is no libuv in here: what the wrappers ask of it, at its simplest.
#include <node_api.h>
#include <uv.h>

#include <csignal>

extern "C" {

// dispositions.cc asks where these live.
napi_status napi_get_undefined(napi_env, napi_value*) {
  return napi_ok;
}
int uv_run(uv_loop_t*, uv_run_mode) {
  return 0;
}

// As libuv's: a handler with the first handle of a signal, the default action after the last.
int uv_signal_init(uv_loop_t*, uv_signal_t* handle) {
  handle->signum = 0;
  return 0;
}
int uv_signal_start(uv_signal_t* handle, uv_signal_cb, int number) {
  struct sigaction action {};
  action.sa_handler = [](int) {};
  action.sa_flags = SA_RESTART;
  if (sigaction(number, &action, nullptr) != 0) return UV_EINVAL;
  handle->signum = number;
  return 0;
}
int uv_signal_stop(uv_signal_t* handle) {
  if (handle->signum != 0) signal(handle->signum, SIG_DFL);
  handle->signum = 0;
  return 0;
}

int uv_tty_reset_mode() {
  return 0;
}

}  // extern "C"
