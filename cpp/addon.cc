// The addon's one module: every native function by its name. Marshalling only.
#include <napi.h>

#include "marshal.h"
#include "sys/session.h"

namespace {

void ExportSession(Napi::Object exports) {
  marshal::Export<sys::Setsid>(exports, "setsid");
  marshal::Export<sys::Getsid>(exports, "getsid");
  marshal::Export<sys::Setpgid>(exports, "setpgid");
  marshal::Export<sys::Getpgid>(exports, "getpgid");
}

Napi::Object Init(Napi::Env, Napi::Object exports) {
  ExportSession(exports);
  return exports;
}

}  // namespace

NODE_API_MODULE(daemonkit, Init)
