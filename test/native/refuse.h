// System calls that fail on demand, for good: by a seccomp(2) filter, which refuses calls of libc
// and raw calls alike. With errno 0 the call does nothing and succeeds. For all threads, or only
// for a new one, which then sleeps forever. For root.
#pragma once

#include <node_api.h>

napi_value Refuse(napi_env env, napi_callback_info info);
