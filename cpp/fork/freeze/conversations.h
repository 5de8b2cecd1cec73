// Chooses the connections that other threads of the parent use, and that the child must not use.
#pragma once

#include "fork/base/arena.h"
#include "fork/base/failure.h"
#include "fork/base/place.h"
#include "fork/freeze/history.h"
#include "fork/freeze/table.h"
#include "fork/objects/pairs.h"
#include "fork/objects/severed.h"

namespace livefork {

struct Conversations {
  List<Severed> severed;
  List<SocketPair> pairs;
  List<Duplicate> duplicates;
};

// In the parent, all threads parked, the table marked (claims.h). workers: there are Workers, which
// may own unwatched descriptors. doubts: nullptr if it is known what every thread waits for.
Failure FindConversations(const Table& table, const Peers& peers, bool workers, Doubts* doubts,
                          Arena& arena, Deadline& deadline, Conversations& found);

}  // namespace livefork
