// Many addresses, so that the kernel's answer to "which are there?" comes in many parts.
#pragma once

#include <node_api.h>

// addresses(n): sets the loopback interface of this network namespace up, with n addresses more.
// 0, or -errno.
napi_value Addresses(napi_env env, napi_callback_info info);
