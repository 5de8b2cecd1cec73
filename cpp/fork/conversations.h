// What other threads of the parent converse with, and the child must not: chosen here.
#pragma once

#include "fork/arena.h"
#include "fork/failure.h"
#include "fork/history.h"
#include "fork/pairs.h"
#include "fork/place.h"
#include "fork/severed.h"
#include "fork/table.h"

namespace livefork {

struct Conversations {
  List<Severed> severed;
  List<SocketPair> pairs;
  List<Duplicate> duplicates;
};

// In the parent, all threads parked, the table marked (claims.h). doubts: nullptr if it is known
// of every thread what it waits for.
Failure FindConversations(const Table& table, const Peers& peers, Doubts* doubts, Arena& arena,
                          Deadline& deadline, Conversations& found);

}  // namespace livefork
