// Live fork, and its later work on the event loop.
#pragma once

#include <napi.h>

namespace marshal {

void ExportFork(Napi::Object exports);

}  // namespace marshal
