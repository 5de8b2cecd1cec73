// Handlers in C around fork(), and what they see.
#pragma once

#include <node_api.h>

napi_value Attach(napi_env env, napi_callback_info info);
napi_value Told(napi_env env, napi_callback_info info);
napi_value LibcHandlers(napi_env env, napi_callback_info info);
