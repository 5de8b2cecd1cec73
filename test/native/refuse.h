// System calls that fail on demand, for good: by a seccomp(2) filter, so that the call of whoever
// makes it is refused, libc's and a raw one. Errno 0 makes a call that does nothing and says all is
// well. Of all threads, or of a new one alone, which then sleeps for ever. For root.
#pragma once

#include <node_api.h>

napi_value Refuse(napi_env env, napi_callback_info info);
