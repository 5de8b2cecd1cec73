// The live fork of the process. It has state that another copy of this addon does not know: rings
// over its memory, ids that threads keep, severed ends. So all copies use the first one's
// functions.
#pragma once

#include "fork/fork.h"

namespace engine {

// The functions of fork/fork.h, between copies that may be of different releases.
struct Engine {
  // The version of this table and of all its arguments. Increase it with every change.
  unsigned version;
  livefork::ForkResult (*fork)(const livefork::ForkRequest&);
  void (*release_held)();
  bool (*await_quiescence)(uint64_t);
  size_t (*obstacles)(const char**, size_t);
  bool (*ids_adopted)();
  bool (*adopt_ids)(uint64_t);
  void (*adopt_caller_id)();
  void (*begin_change)();
  void (*end_change)();
  int (*follow_caller)(uint64_t);
  int (*forbid_new_privileges)(uint64_t);
};

// The functions in use: this copy's own, until Adopt().
const Engine& Current();

// Uses the functions of another copy from now on, if the version is the same.
void Adopt(const Engine& others);

}  // namespace engine
