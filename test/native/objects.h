#pragma once

#include <node_api.h>

void AddObjects(napi_env env, napi_value exports);
