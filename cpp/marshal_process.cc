#include "marshal_process.h"

#include "marshal.h"
#include "sys/process.h"

namespace marshal {

namespace {

double Microseconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_usec);
}

// With the names, order and units of process.resourceUsage().
Napi::Object Usage(Napi::Env env, const rusage& usage) {
  auto object = Napi::Object::New(env);
  auto set = [&](const char* name, double value) { Define(object, name, value); };
  auto count = [&](const char* name, long value) { set(name, static_cast<double>(value)); };
  set("userCPUTime", Microseconds(usage.ru_utime));
  set("systemCPUTime", Microseconds(usage.ru_stime));
  count("maxRSS", usage.ru_maxrss);
  count("sharedMemorySize", usage.ru_ixrss);
  count("unsharedDataSize", usage.ru_idrss);
  count("unsharedStackSize", usage.ru_isrss);
  count("minorPageFault", usage.ru_minflt);
  count("majorPageFault", usage.ru_majflt);
  count("swappedOut", usage.ru_nswap);
  count("fsRead", usage.ru_inblock);
  count("fsWrite", usage.ru_oublock);
  count("ipcSent", usage.ru_msgsnd);
  count("ipcReceived", usage.ru_msgrcv);
  count("signalsCount", usage.ru_nsignals);
  count("voluntaryContextSwitches", usage.ru_nvcsw);
  count("involuntaryContextSwitches", usage.ru_nivcsw);
  return object;
}

}  // namespace

Napi::Value Waitpid(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const sys::Waited waited = sys::Waitpid(FromJs<int>::Get(info[0]), FromJs<bool>::Get(info[1]),
                                          FromJs<bool>::Get(info[2]), FromJs<bool>::Get(info[3]));
  if (waited.pid == 0) return env.Null();
  if (waited.pid < 0) return ToJs(env, waited.pid);
  auto object = Napi::Object::New(env);
  Define(object, "pid", waited.pid);
  Define(object, "exitCode", waited.exitCode);
  Define(object, "signal", waited.signal);
  Define(object, "stopped", waited.stopped);
  Define(object, "continued", waited.continued);
  Define(object, "coreDumped", waited.coreDumped);
  Define(object, "rusage", Usage(env, waited.usage));
  return object;
}

}  // namespace marshal
