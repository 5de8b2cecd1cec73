#include "fork/freeze/descriptors.h"

#include <fcntl.h>

#include "fork/base/sort.h"
#include "fork/freeze/claims.h"
#include "fork/freeze/file_requests.h"
#include "fork/freeze/main_loop.h"
#include "fork/objects/objects.h"
#include "fork/objects/queued.h"

namespace livefork {
namespace {

constexpr unsigned Bit(Kind kind) {
  return 1U << static_cast<unsigned>(kind);
}

constexpr uint64_t kNotInode = uint64_t{1} << 63;  // eventfds have their own numbers

class Reader {
 public:
  Reader(ProcFiles& files, Mappings& mappings, Arena& arena, uint64_t deadline, Snapshot& snapshot)
      : files_(files),
        mappings_(mappings),
        arena_(arena),
        deadline_(deadline),
        snapshot_(snapshot) {}

  Failure Run(const Park& park, const ForkRequest& request) {
    void* const loop = request.loop;
    const bool move = request.move;
    HandleMarks handles;
    if (!handles.Read(loop, arena_)) return kArenaFull;
    Failure failure = table_.Read(files_, snapshot_.peers.fd(), handles, arena_, deadline_);
    if (failure) return failure;
    if ((failure = Epolls(BackendOf(loop)))) return failure;
    if (!move && (failure = Awaited(park))) return failure;
    running_ = AnyUnclear(park);
    unclear_ = !move && running_;
    for (auto step : {&Reader::Nameless, &Reader::Rings, &Reader::Pipes}) {
      if ((failure = (this->*step)())) return failure;
    }
    if ((failure = RefuseUserfaults(table_, files_.fdinfo.get())) || move) return failure;
    if (InMiddle(loop, request.workers) && (failure = InUse(park, loop))) return failure;
    failure =
        FindConversations(table_, snapshot_.peers, request.workers, unclear_ ? &doubts_ : nullptr,
                          arena_, deadline_, snapshot_.conversations);
    return failure ? failure : doubts_.Settle(deadline_.ns());
  }

 private:
  Failure Awaited(const Park& park) {
    List<Wait> waits;
    Failure failure = ListWaits(park, files_, arena_, waits);
    MarkAwaited(table_, waits);
    return failure;
  }

  Failure InUse(const Park& park, void* loop) {
    Failure failure = ListWrites(park, files_, loop, arena_, snapshot_.writes);
    if (failure) return failure;
    return ListFilesInUse(table_, files_, snapshot_.writes, arena_, deadline_,
                          snapshot_.files_in_use);
  }

  // Whether a thread other than the caller may be reading a file now. V8's own threads, whose
  // activity is unknown too, read no files. A Worker reads none only while its loop waits for
  // events: anywhere else, as in a wait for a lock of V8's, it may have opened one.
  bool InMiddle(void* loop, bool workers_go_on) const {
    bool workers = false;
    bool awake = false;
    for (const Epoll& epoll : snapshot_.epolls) {
      if (epoll.entry->Has(Entry::kMain)) continue;
      workers = true;
      awake = awake || !epoll.entry->Has(Entry::kAwaited);
    }
    return HasRequests(loop) || (workers && unclear_) || (workers_go_on && awake);
  }

  // An epoll is always private, because a reader takes the events of the other.
  Failure Epolls(int backend) {
    Objects epolls;
    Failure failure =
        epolls.Read(table_, files_.fdinfo.get(), Bit(Kind::kEpoll), arena_, deadline_);
    if (failure) return failure;
    for (const Object* at = epolls.begin(); at != epolls.end();) {
      const Object* end = epolls.EndOf(at);
      for (const Object* o = at; o != end; ++o) {
        const bool mains = o->entry->fd == backend || o->entry->Has(Entry::kMain);
        if (mains) at->entry->marks |= Entry::kMain;
      }
      if ((failure = Keep(*at, end))) return failure;
      Epoll* epoll = snapshot_.epolls.Add(arena_);
      if (epoll == nullptr) return kArenaFull;
      epoll->entry = at->entry;
      failure = ReadRegistrations(files_, table_, arena_, deadline_, *epoll);
      if (failure) return failure;
      at = end;
    }
    MarkWatched(snapshot_.epolls);
    return {};
  }

  // An object that survives exec is meant to be shared, as by fork(2), unless this process uses it
  // to wake its own threads.
  Failure Nameless() {
    Objects objects;
    const unsigned kinds =
        Bit(Kind::kEventfd) | Bit(Kind::kInotify) | Bit(Kind::kTimerfd) | Bit(Kind::kSignalfd);
    Failure failure = objects.Read(table_, files_.fdinfo.get(), kinds, arena_, deadline_);
    if (failure) return failure;
    for (const Object* at = objects.begin(); at != objects.end();) {
      const Object* end = objects.EndOf(at);
      if (deadline_.Over()) return kTooLate;
      const uint64_t id = at->facts.id == 0 ? 0 : at->facts.id | kNotInode;
      bool used = Remembered(id) == Verdict::kForeign, closes = true;
      for (const Object* o = at; o != end; ++o) {
        used = used || o->entry->Has(Entry::kWatched | Entry::kAwaited);
        closes = closes && ClosesOnExec(o->entry->fd);
      }
      if (used && !closes) Remember(id, Verdict::kForeign);
      if (used || closes) {
        failure = Keep(*at, end);
      } else if (unclear_ && id != 0) {
        failure = doubts_.Add(id, arena_);
      }
      if (failure) return failure;
      at = end;
    }
    return {};
  }

  Failure Keep(const Object& first, const Object* end) {
    Descriptor* d = snapshot_.descriptors.Add(arena_);
    if (d == nullptr) return kArenaFull;
    d->fd = first.entry->fd;
    d->kind = first.entry->kind;
    d->closes_on_exec = ClosesOnExec(d->fd);
    const long status = Sys(SYS_fcntl, d->fd, F_GETFL);
    if (status < 0) return Check(status, "fcntl");
    d->status = static_cast<int>(status);
    for (const Object* o = &first; o != end; ++o) {
      if (Failure failure = Repeat(d->fd, *o->entry)) return failure;
    }
    return Describe(first, *d);
  }

  // A further descriptor of the object that the child gets at `first`.
  Failure Repeat(int first, Entry& entry) {
    entry.marks = static_cast<uint16_t>(entry.marks | Entry::kPrivate);
    if (entry.fd == first) return {};
    Duplicate* duplicate = snapshot_.duplicates.Add(arena_);
    if (duplicate == nullptr) return kArenaFull;
    *duplicate = {first, entry.fd, ClosesOnExec(entry.fd)};
    return {};
  }

  Failure Describe(const Object& object, Descriptor& d) {
    ObjectFacts facts = object.facts;
    if (d.kind == Kind::kTimerfd) return DescribeTimer(files_.fdinfo.get(), d.fd, d.timer);
    if (d.kind == Kind::kSignalfd) {
      if (Failure failure = ReadFacts(files_.fdinfo.get(), d.fd, facts)) return failure;
    }
    d.value = facts.value;
    d.semaphore = facts.semaphore;
    return {};
  }

  Failure Rings() {
    Objects rings;
    Failure failure = rings.Read(table_, files_.fdinfo.get(), Bit(Kind::kRing), arena_, deadline_);
    if (failure) return failure;
    for (const Object* at = rings.begin(); at != rings.end();) {
      const Object* end = rings.EndOf(at);
      Ring* ring = snapshot_.rings.Add(arena_);
      if (ring == nullptr) return kArenaFull;
      ring->fd = at->entry->fd;
      ring->inode = table_.Inode(*at->entry);
      if ((failure = DescribeRing(*ring, files_, mappings_, arena_))) return failure;
      const Entry* watcher = table_.Find(EpollOf(*ring));
      // The thread of the main loop is the one that forks.
      ring->exact = running_ && (watcher == nullptr || !watcher->Has(Entry::kMain));
      MarkQueued(*ring);
      for (; at != end; ++at) {
        if ((failure = Repeat(ring->fd, *at->entry))) return failure;
      }
    }
    return {};
  }

  // Descriptors that an epoll of another loop is about to watch: libuv submits these requests when
  // it waits.
  void MarkQueued(const Ring& ring) {
    EachQueued(ring, [&](int epoll, int fd) {
      const Entry* watcher = table_.Find(epoll);
      Entry* entry = table_.Find(fd);
      if (watcher == nullptr || entry == nullptr || watcher->Has(Entry::kMain)) return;
      entry->marks = static_cast<uint16_t>(entry->marks | Entry::kReads);
    });
  }

  struct PipeItem {
    Entry* entry;
    int status;
  };

  // A pipe with both ends in this process is private if neither end survives exec, or if another
  // thread, or an addon on the main loop by uv_poll_t, waits for it. A pipe that is a stream of the
  // main loop is one that a script means to share.
  Failure Pipes() {
    auto is_pipe = [](const Entry& e) { return e.kind == Kind::kPipe; };
    auto* items = arena_.Take<PipeItem>(table_.Count(is_pipe));
    if (items == nullptr) return kArenaFull;
    size_t n = 0;
    for (Entry& entry : table_) {
      if (!is_pipe(entry)) continue;
      const long status = Sys(SYS_fcntl, entry.fd, F_GETFL);
      if (status < 0) return Check(status, "fcntl");
      items[n++] = {&entry, static_cast<int>(status)};
    }
    Sort(items, items + n, [](const PipeItem& a, const PipeItem& b) {
      if (a.entry->inode != b.entry->inode) return a.entry->inode < b.entry->inode;
      return a.entry->fd < b.entry->fd;
    });
    for (PipeItem* at = items; at != items + n;) {
      PipeItem* end = at;
      while (end != items + n && end->entry->inode == at->entry->inode) ++end;
      if (deadline_.Over()) return kTooLate;
      if (Failure failure = OnePipe(at, end)) return failure;
      at = end;
    }
    return {};
  }

  Failure OnePipe(PipeItem* first, PipeItem* end) {
    Pipe pipe{};
    bool closes = true, foreign = false, stream = false, polled = false, both = false;
    for (PipeItem* i = first; i != end; ++i) {
      const int mode = i->status & O_ACCMODE;
      PipeEnd& ours = mode == O_WRONLY ? pipe.writer : pipe.reader;
      both = both || mode == O_RDWR;  // reopened through /proc: no twin can have such an end
      const bool closes_this = ClosesOnExec(i->entry->fd);
      if (ours.fd < 0) ours = {i->entry->fd, i->status, closes_this};
      closes = closes && closes_this;
      foreign = foreign || i->entry->Has(Entry::kReads | Entry::kWrites | Entry::kAwaited);
      stream = stream || i->entry->Has(Entry::kMainStream);
      polled = polled || i->entry->Has(Entry::kMainPoll);
    }
    if (both || pipe.reader.fd < 0 || pipe.writer.fd < 0) return {};
    const uint64_t inode = first->entry->inode;
    foreign = foreign || Remembered(inode) == Verdict::kForeign;
    if (!closes && !foreign && (!polled || stream)) {
      return unclear_ && !stream ? doubts_.Add(inode, arena_) : Failure{};
    }
    if (foreign) Remember(inode, Verdict::kForeign);
    if (Failure failure = DescribePipe(files_, arena_, pipe)) return failure;
    Pipe* kept = snapshot_.pipes.Add(arena_);
    if (kept == nullptr) return kArenaFull;
    *kept = pipe;
    for (PipeItem* i = first; i != end; ++i) {
      const bool writes = (i->status & O_ACCMODE) == O_WRONLY;
      Failure failure = Repeat((writes ? pipe.writer : pipe.reader).fd, *i->entry);
      if (failure) return failure;
    }
    return {};
  }

  ProcFiles& files_;
  Mappings& mappings_;
  Arena& arena_;
  Deadline deadline_;
  Snapshot& snapshot_;
  Table table_;
  bool running_ = false;  // a thread was stopped while it ran
  bool unclear_ = false;
  Doubts doubts_;
};

}  // namespace

long PrepareSnapshot(Snapshot& snapshot, const char*& syscall) {
  syscall = "socket";
  return snapshot.peers.Open();
}

Failure TakeSnapshot(ProcFiles& files, const Park& park, const ForkRequest& request,
                     uint64_t deadline, Mappings& mappings, Arena& arena, Snapshot& snapshot) {
  files.spare.Close();
  snapshot.inotify.loop = request.loop;
  snapshot.inotify.arena = &arena;
  return Reader(files, mappings, arena, deadline, snapshot).Run(park, request);
}

}  // namespace livefork
