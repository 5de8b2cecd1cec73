// The state that outlives one fork: one object for the process, with one user at a time.
#pragma once

#include <atomic>

#include "fork/base/arena.h"
#include "fork/objects/only_hole.h"
#include "fork/objects/ring.h"
#include "fork/objects/ring_setup.h"
#include "fork/objects/severed.h"
#include "fork/park/ids.h"
#include "fork/park/libc_record.h"
#include "fork/park/parked.h"
#include "fork/park/rest.h"

namespace livefork {

// What a parent that keeps its threads parked (ForkRequest::move) releases later.
struct Held {
  bool holding;
  uint64_t mask;
  Mappings mappings;
};

struct State {
  std::atomic<bool> entered{false};
  Arena arena;
  Rendezvous rendezvous;
  KeptIds kept;
  Rests rests;
  LibcRecord libc;
  Held held;
  RingSupport ring_support;
  KnownRings rings;
  Fillers fillers;
  OtherEnds other_ends;
};

extern State state;

// During its lifetime no other code may fork or park: a second entry is refused, for example from
// another thread of the program while the main thread forks.
class Exclusive {
 public:
  Exclusive() : mine_(!state.entered.exchange(true, std::memory_order_acquire)) {}
  Exclusive(const Exclusive&) = delete;
  Exclusive& operator=(const Exclusive&) = delete;
  ~Exclusive() {
    if (mine_) state.entered.store(false, std::memory_order_release);
  }
  bool refused() const { return !mine_; }
  // Stays entered after the scope, until Leave() is called.
  void Stay() { mine_ = false; }
  static void Leave() { state.entered.store(false, std::memory_order_release); }

 private:
  bool mine_;
};

constexpr Failure kEntered{EAGAIN, "fork", "another fork of this process is under way"};

}  // namespace livefork
