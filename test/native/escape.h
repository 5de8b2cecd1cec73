// Ways out of a chroot, tried from inside: escape(outsider) gives "call errno" for each, 0 for
// success, "directory FD" for what can be entered, and "outside by WAY" where etc/passwd is seen.
// `outsider` is a process that is not in the chroot.
#pragma once

#include <node_api.h>

napi_value Escape(napi_env env, napi_callback_info info);
