#include "sys/signal_flag.h"

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstring>
#include <ctime>

#include "sys/result.h"
#include "sys/signal_action.h"
#include "sys/signal_sender.h"

namespace sys {

namespace {

struct Record {
  int32_t number;
  int32_t pid;
  uint32_t uid;
  uint32_t count;
  double time;
};
static_assert(sizeof(Record) == 6 * sizeof(int32_t), "lib/ reads records of six words");

// Never freed and never moved, because a handler may be walking the list. A closed flag is reused.
struct Flag {
  Flag* next = nullptr;
  int id = 0;
  bool open = false;
  int32_t* memory = nullptr;
  int pipe[2] = {-1, -1};
  // The word of `memory` that counts the signal; 0: the flag does not have this signal.
  std::atomic<uint8_t> word[kSignals] = {};
  // The handlers that are using `memory` and `pipe` now.
  std::atomic<int> users{0};
};

struct Latest {
  std::atomic<bool> locked{false};
  Record record{};
};

static_assert(std::atomic<Flag*>::is_always_lock_free && std::atomic<int>::is_always_lock_free &&
                  std::atomic<uint8_t>::is_always_lock_free,
              "a lock in a signal handler deadlocks");

std::atomic<Flag*> flags{nullptr};
Latest latest[kSignals];
// How many deliveries at least one flag has seen.
std::atomic<int> seen[kSignals];
// The process that saw the last one. A fork has the same counts, but another pid.
std::atomic<pid_t> seen_by[kSignals];

Record Describe(int number, const siginfo_t* info) {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  const bool sent = HasSender(number, info->si_code);
  return {number, sent ? info->si_pid : 0, sent ? info->si_uid : 0, 0,
          static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6};
}

void Remember(const Record& record) {
  Latest& slot = latest[record.number];
  // Another thread's handler, or the code that this handler interrupts, holds it: its record is as
  // recent as ours.
  if (slot.locked.exchange(true)) return;
  slot.record = record;
  slot.locked = false;
}

// The order matters: a reader that sees the record or the raised word must also see the count.
void Raise(Flag* flag, int word, Record record) {
  record.count =
      static_cast<uint32_t>(__atomic_add_fetch(&flag->memory[word], 1, __ATOMIC_SEQ_CST));
  __atomic_store_n(&flag->memory[0], 1, __ATOMIC_SEQ_CST);
  // A full pipe refuses the record (EAGAIN). It already wakes the reader, and the count contains
  // the rest.
  [[maybe_unused]] ssize_t written = write(flag->pipe[1], &record, sizeof record);
}

void OnSignal(int number, siginfo_t* info, void* context) {
  const int saved = errno;
  // First, because a copy of this thread may continue from here in a child that got no signal.
  const pid_t self = getpid();
  const Record record = Describe(number, info);
  Remember(record);
  bool raised = false;
  for (Flag* flag = flags; flag != nullptr; flag = flag->next) {
    if (flag->word[number] == 0) continue;
    // Checked again after Detach() must wait for this handler, because Detach() may have run in
    // between.
    flag->users++;
    if (const int word = flag->word[number]) {
      // Before users decreases, so that a thread that has detached the flag finds it counted.
      if (!raised) {
        seen[number]++;
        seen_by[number] = self;
      }
      raised = true;
      Raise(flag, word, record);
    }
    flag->users--;
  }
  CallNext(number, info, context);
  // A flag that was closed meanwhile has given its signal back first.
  if (!raised) SendAgainIfGivenBack(number);
  errno = saved;
}

Flag* Find(int id) {
  Flag* flag = flags;
  while (flag->id != id) flag = flag->next;
  return flag;
}

Flag* Obtain() {
  for (Flag* flag = flags; flag != nullptr; flag = flag->next) {
    if (!flag->open) return flag;
  }
  auto* flag = new Flag;
  flag->next = flags;
  flag->id = flag->next == nullptr ? 0 : flag->next->id + 1;
  flags = flag;
  return flag;
}

// Waits only for handlers on other threads: a handler that interrupts this loop ends before the
// loop continues.
void AwaitHandlers(const Flag& flag) {
  while (flag.users != 0) sched_yield();
}

void Detach(Flag* flag) {
  for (auto& word : flag->word) word = 0;
  AwaitHandlers(*flag);
}

void Dismantle(Flag* flag) {
  Detach(flag);
  close(flag->pipe[1]);
  close(flag->pipe[0]);
  flag->open = false;
}

}  // namespace

int SignalFlagOpen(Int32Span memory, Int32Span numbers) {
  Flag* flag = Obtain();
  if (pipe2(flag->pipe, O_CLOEXEC | O_NONBLOCK) != 0) return -errno;
  flag->memory = memory.data;
  flag->open = true;
  // The flag is active before the handler is installed, so that no signal is lost.
  for (size_t i = 0; i < numbers.size; i++)
    flag->word[numbers.data[i]] = static_cast<uint8_t>(i + 1);
  for (size_t i = 0; i < numbers.size; i++) {
    const int error = TakeSignal(numbers.data[i], OnSignal);
    if (error == 0) continue;
    while (i-- > 0) GiveSignalBack(numbers.data[i]);
    Dismantle(flag);
    return error;
  }
  return flag->id;
}

int SignalFlagFd(int id) {
  return Find(id)->pipe[0];
}

int SignalFlagRead(int id, Int32Span into) {
  const size_t room = into.size * sizeof(int32_t) / sizeof(Record) * sizeof(Record);
  ssize_t got;
  do {
    got = read(Find(id)->pipe[0], into.data, room);
  } while (got == -1 && errno == EINTR);
  if (got == -1) return errno == EAGAIN ? 0 : -errno;
  // Each write is atomic (below PIPE_BUF) and each read requests whole records.
  return static_cast<int>(static_cast<size_t>(got) / sizeof(Record));
}

void SignalFlagLatest(int number, Int32Span into) {
  Latest& slot = latest[number];
  while (slot.locked.exchange(true)) sched_yield();
  std::memcpy(into.data, &slot.record, sizeof(Record));
  slot.locked = false;
}

int SignalFlagSeen(int number) {
  return seen[number];
}

bool SignalFlagCame(int number) {
  return seen_by[number] == getpid();
}

void SignalFlagSettle(int id) {
  AwaitHandlers(*Find(id));
}

void SignalFlagClose(int id) {
  Flag* flag = Find(id);
  for (int number = 1; number < kSignals; number++) {
    if (flag->word[number] != 0) GiveSignalBack(number);
  }
  Dismantle(flag);
}

void SignalFlagForgetAll() {
  for (Flag* flag = flags; flag != nullptr; flag = flag->next) Detach(flag);
}

int SignalRtMin() {
  return SIGRTMIN;
}
int SignalRtMax() {
  return SIGRTMAX;
}

}  // namespace sys
