// The live fork of the process. What one copy of this addon has done, another one does not know:
// rings over memory of ours, ids that threads keep, ends that are severed. So all copies use the
// first one's.
#pragma once

#include "fork/fork.h"

namespace engine {

// The functions of fork/fork.h, between copies that may be of different releases.
struct Engine {
  // Of this table, and of all that crosses it. Counts up with every change.
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

// What is used: this copy's own, until Adopt().
const Engine& Current();

// That of another copy from now on, if it is one that this copy can use.
void Adopt(const Engine& others);

}  // namespace engine
