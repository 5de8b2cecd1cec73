// Operations of _umtx_op(2) that a thread uses while it locks or unlocks a mutex.
#pragma once

#include <sys/types.h>
// First, for its types.
#include <sys/umtx.h>

namespace livefork {

inline bool IsLockOperation(unsigned long operation) {
  // The upper half contains flags since 13.0 (UMTX_OP__FLAGS).
  switch (operation & 0xffff) {
    case UMTX_OP_MUTEX_TRYLOCK:
    case UMTX_OP_MUTEX_LOCK:
    case UMTX_OP_MUTEX_UNLOCK:
    case UMTX_OP_SET_CEILING:
    case UMTX_OP_MUTEX_WAIT:
      return true;
    default:
      return false;
  }
}

}  // namespace livefork
