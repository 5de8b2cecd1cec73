// What other threads of the parent converse with, and the child must not: chosen here.
#pragma once

#include "fork/arena.h"
#include "fork/failure.h"
#include "fork/pairs.h"
#include "fork/park.h"
#include "fork/place.h"
#include "fork/severed.h"
#include "fork/table.h"

namespace livefork {

struct Conversations {
  List<Severed> severed;
  List<SocketPair> pairs;
  List<Duplicate> duplicates;
};

// In the parent, all threads parked, the table marked (claims.h). Fails with passing while a
// running thread may be about to wait on a socket that nobody is known to have.
Failure FindConversations(const Table& table, const Park& park, const Peers& peers, Arena& arena,
                          Deadline& deadline, Conversations& found);

}  // namespace livefork
