#include "fork/freeze/conversations.h"

#include <netinet/in.h>

#include <algorithm>

#include "fork/base/sort.h"

namespace livefork {
namespace {

// Descriptors of one socket, or of one end of a pipe, are adjacent.
struct Item {
  uint64_t inode;
  Entry* entry;
  bool writes;  // the pipe's write end
};
struct Group {
  const Item *first, *past;
  const Item* begin() const { return first; }
  const Item* end() const { return past; }
  bool Any(unsigned marks) const {
    return std::any_of(first, past, [=](auto& i) { return i.entry->Has(marks); });
  }
};

// The output of a child uses these, even if other threads read or write there.
bool IsOutput(int fd) {
  return fd == 1 || fd == 2;
}

bool IsInternet(int fd) {
  const long domain = SocketOption(fd, SO_DOMAIN);
  return domain == AF_INET || domain == AF_INET6;
}

// c-ares, which implements dns.resolve(), has uv_poll_t handles for its sockets. A copy of such a
// socket would take the parent's response. A new socket gets a response to the repeated query.
bool IsResolvers(const Entry& entry) {
  if (!entry.Has(Entry::kMainPoll) || entry.Has(Entry::kMainStream)) return false;
  Address peer{};
  if (!IsInternet(entry.fd) || !PeerOf(entry.fd, peer)) return false;
  return SocketOption(entry.fd, SO_TYPE) == SOCK_DGRAM || AsksNameServer(peer);
}

// Sockets that libc uses for look-ups: a thread between two calls reads one next.
bool IsOfLookUp(const Entry& entry) {
  Address peer{};
  if (AsksForInterfaces(entry.fd)) return true;
  return PeerOf(entry.fd, peer) && (AsksNameServer(peer) || AsksNameDaemon(peer));
}

// A Worker's loop does not watch sockets that it only writes to: the standard input of its child
// processes. All descriptors of libuv are non-blocking. A socket that a script shares by its
// number, or that a library waits for by itself, usually blocks.
bool MayBeWorkers(const Entry& entry) {
  if (entry.fd <= 2 || !ClosesOnExec(entry.fd)) return false;
  const long status = Sys(SYS_fcntl, entry.fd, F_GETFL);
  return status >= 0 && (status & O_NONBLOCK) != 0;
}

bool IsForeign(const Entry& entry, uint64_t inode) {
  if (IsOutput(entry.fd)) return false;
  if (entry.Has(Entry::kMain)) return IsResolvers(entry);
  if (entry.Has(Entry::kReads) || (entry.Has(Entry::kWrites) && entry.fd != 0)) return true;
  return Remembered(inode) == Verdict::kForeign || IsOfLookUp(entry);
}

class Finder {
 public:
  Finder(const Table& table, const Peers& peers, bool workers, Arena& arena, Deadline& deadline,
         Conversations& found)
      : table_(table),
        peers_(peers),
        workers_(workers),
        arena_(arena),
        deadline_(deadline),
        found_(found) {}

  Failure Run(Doubts* doubts) {
    doubts_ = doubts;
    Failure failure = Sockets();
    if (!failure) failure = Pipes();
    return failure ? failure : Others();
  }

 private:
  template <typename F>
  Failure Collect(F wanted) {
    size_ = 0;
    items_ = arena_.Take<Item>(table_.Count(wanted));
    if (items_ == nullptr) return kArenaFull;
    for (Entry& entry : table_) {
      if (!wanted(entry)) continue;
      if (deadline_.Over()) return kTooLate;
      const bool pipe = entry.kind == Kind::kPipe;
      const long status = pipe ? Sys(SYS_fcntl, entry.fd, F_GETFL) : 0;
      items_[size_++] = {table_.Inode(entry), &entry, (status & O_ACCMODE) == O_WRONLY};
    }
    Sort(items_, items_ + size_, [](const Item& a, const Item& b) {
      if (a.inode != b.inode) return a.inode < b.inode;
      return a.writes != b.writes ? a.writes < b.writes : a.entry->fd < b.entry->fd;
    });
    return {};
  }

  Group GroupAt(const Item* first) const {
    const Item* end = first + 1;
    while (end != items_ + size_ && end->inode == first->inode && end->writes == first->writes) {
      ++end;
    }
    return {first, end};
  }

  Group GroupOf(uint64_t inode) const {
    auto less = [](const Item& item, uint64_t value) { return item.inode < value; };
    const Item* at = std::lower_bound(items_, items_ + size_, inode, less);
    return at != items_ + size_ && at->inode == inode ? GroupAt(at) : Group{at, at};
  }

  // If the main loop has all sockets, as in most programs, no inode is needed.
  Failure Sockets() {
    bool any = false;
    for (Entry& entry : table_) {
      if (entry.kind != Kind::kSocket) continue;
      if (deadline_.Over()) return kTooLate;
      any = any || !entry.Has(Entry::kMain) || IsResolvers(entry);
    }
    if (!any) return {};
    Failure failure = Collect([](const Entry& e) { return e.kind == Kind::kSocket; });
    if (failure) return failure;
    for (const Item* at = items_; at != items_ + size_;) {
      const Group group = GroupAt(at);
      at = group.past;
      if (deadline_.Over()) return kTooLate;
      if (group.Any(Entry::kPrivate)) continue;
      if ((failure = Socket(group))) return failure;
    }
    return {};
  }

  Failure Socket(const Group& group) {
    const uint64_t inode = group.first->inode;
    bool foreign = false, mains = false;
    for (const Item& item : group) {
      foreign = foreign || IsForeign(*item.entry, inode);
      mains = mains || (item.entry->Has(Entry::kMain) && !IsResolvers(*item.entry));
    }
    foreign = foreign || (!mains && IsWorkers(group));
    if (!foreign) {
      return mains ? Failure{} : MayBeSomebodys(group);
    }
    if (group.Any(Entry::kReads | Entry::kWrites)) Remember(inode, Verdict::kForeign);
    bool paired = false;
    Failure failure = Pair(group, paired);
    return failure || paired || mains ? failure : Sever(group);
  }

  bool IsWorkers(const Group& group) const {
    return workers_ && std::all_of(group.first, group.past,
                                   [](const Item& i) { return MayBeWorkers(*i.entry); });
  }

  // Both ends are in this process, so the messages are for this process only, whichever thread
  // waits at the other end.
  Failure Pair(const Group& group, bool& paired) {
    const Entry& one = *group.first->entry;
    if (SocketOption(one.fd, SO_DOMAIN) != AF_UNIX) return {};
    const Group other = GroupOf(peers_.Of(one.fd, group.first->inode));
    if (other.first == other.past || other.Any(Entry::kPrivate)) return {};
    SocketPair pair{};
    bool carried = true;
    Failure failure = DescribePair(one, *other.first->entry, arena_, pair, carried);
    if (failure) return failure;
    if (!carried) {  // then both ends: what the child writes at one must not arrive in the parent
      paired = true;
      failure = Sever(group);
      return failure ? failure : Sever(other);
    }
    SocketPair* kept = found_.pairs.Add(arena_);
    if (kept == nullptr) return kArenaFull;
    *kept = pair;
    paired = true;
    failure = Repeat(group, group.first, Entry::kPrivate, true);
    return failure ? failure : Repeat(other, other.first, Entry::kPrivate, true);
  }

  Failure Sever(const Group& group) {
    const Item* first = group.first;
    while (first != group.past && IsOutput(first->entry->fd)) ++first;
    if (first == group.past) return {};
    Severed description{};
    if (!DescribeSevered(*first->entry, table_.descriptors(), description)) return {};
    Severed* kept = found_.severed.Add(arena_);
    if (kept == nullptr) return kArenaFull;
    *kept = description;
    return Repeat(group, first, Entry::kPrivate | Entry::kSevered, false);
  }

  // Handles the other numbers of the object at `first`.
  Failure Repeat(const Group& group, const Item* first, unsigned marks, bool outputs) {
    for (const Item& item : group) {
      Entry& entry = *item.entry;
      if (IsOutput(entry.fd) && !outputs) continue;
      entry.marks = static_cast<uint16_t>(entry.marks | marks);
      if (&item == first) continue;
      Duplicate* duplicate = found_.duplicates.Add(arena_);
      if (duplicate == nullptr) return kArenaFull;
      *duplicate = {first->entry->fd, entry.fd, ClosesOnExec(entry.fd)};
    }
    return {};
  }

  // Neither the main loop nor a waiting thread uses it: perhaps a running thread does.
  Failure MayBeSomebodys(const Group& group) {
    const Item& item = *group.first;
    if (doubts_ == nullptr || item.entry->fd <= 2 || !ClosesOnExec(item.entry->fd)) return {};
    return doubts_->Add(item.inode, arena_);
  }

  // Pipes whose other end is in another process, or that are meant to be shared. All others are
  // private.
  Failure Pipes() {
    auto wanted = [](const Entry& e) { return e.kind == Kind::kPipe && !e.Has(Entry::kPrivate); };
    if (Failure failure = Collect(wanted)) return failure;
    for (const Item* at = items_; at != items_ + size_;) {
      const Group group = GroupAt(at);
      at = group.past;
      if (deadline_.Over()) return kTooLate;
      if (group.Any(Entry::kMain)) continue;
      const uint64_t id = group.first->inode;
      const bool writes = group.first->writes;
      bool foreign = IsWorkers(group) || (!writes && Remembered(id) == Verdict::kForeign);
      for (const Item& item : group) {
        const unsigned mark = writes ? Entry::kWrites : Entry::kReads;
        foreign = foreign || (item.entry->Has(mark) && !IsOutput(item.entry->fd));
      }
      if (foreign && !writes) Remember(id, Verdict::kForeign);
      Failure failure;
      if (foreign) {
        failure = Sever(group);
      } else if (!writes) {
        failure = MayBeSomebodys(group);
      }
      if (failure) return failure;
    }
    return {};
  }

  // Terminals, devices, FIFOs with a name. Each number is judged separately, because a terminal is
  // often 0, 1 and 2.
  Failure Others() {
    for (Entry& entry : table_) {
      const bool other = entry.kind == Kind::kOther || entry.kind == Kind::kUserfault;
      const bool used = entry.Has(Entry::kReads | Entry::kControls | Entry::kQueue);
      if (!other || !used || entry.Has(Entry::kMain) || IsOutput(entry.fd)) continue;
      if (deadline_.Over()) return kTooLate;
      const Item item{0, &entry, false};
      if (Failure failure = Sever({&item, &item + 1})) return failure;
    }
    return {};
  }

  const Table& table_;
  const Peers& peers_;
  const bool workers_;
  Arena& arena_;
  Deadline& deadline_;
  Conversations& found_;
  Item* items_ = nullptr;
  size_t size_ = 0;
  Doubts* doubts_ = nullptr;
};

}  // namespace

Failure FindConversations(const Table& table, const Peers& peers, bool workers, Doubts* doubts,
                          Arena& arena, Deadline& deadline, Conversations& found) {
  return Finder(table, peers, workers, arena, deadline, found).Run(doubts);
}

}  // namespace livefork
