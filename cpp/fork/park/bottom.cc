#include "fork/park/bottom.h"

#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <uv.h>

#include "fork/state.h"

namespace livefork {
namespace {

// From a function's entry to the end of its wait: 122 bytes in the longest of all Node lines.
constexpr uintptr_t kWaitSize = 160;

struct Search {
  uintptr_t place;
  LibcCode found;
};

int LookAt(dl_phdr_info* object, size_t, void* argument) {
  auto* search = static_cast<Search*>(argument);
  for (int i = 0; i < object->dlpi_phnum; ++i) {
    const auto& part = object->dlpi_phdr[i];
    const LibcCode code{object->dlpi_addr + part.p_vaddr,
                        object->dlpi_addr + part.p_vaddr + part.p_memsz};
    if (part.p_type != PT_LOAD || !code.Has(search->place)) continue;
    search->found = code;
    return 1;
  }
  return 0;
}

// The mapped part of the object that contains a function.
LibcCode CodeAround(uintptr_t place) {
  Search search{place, {}};
  dl_iterate_phdr(LookAt, &search);
  return search.found;
}

// Whether a word is a return address into one of the two functions. A pointer signature is masked
// out.
bool IsWait(uintptr_t word) {
  const WorkerCode& code = state.libc.workers;
  word &= kCodeMask;
  for (const uintptr_t wait : code.waits) {
    if (wait != 0 && word > wait && word < wait + kWaitSize) return true;
  }
  return false;
}

}  // namespace

Frames Frames::Between(uintptr_t stack, uintptr_t pointer) {
  constexpr uintptr_t kWord = sizeof(uintptr_t);
  if (stack % kWord != 0 || stack >= pointer || pointer - stack > kMost * kWord) return {};
  return {reinterpret_cast<const uintptr_t*>(stack), stack, (pointer - stack) / sizeof(uintptr_t)};
}

WorkerCode FindWorkerCode() {
  WorkerCode code;
  code.waits[0] = reinterpret_cast<uintptr_t>(uv_cond_wait);
  code.waits[1] = reinterpret_cast<uintptr_t>(uv_sem_wait);
  code.libuv = CodeAround(code.waits[0]);
  // Any function of Node itself: libuv may be a separate library (Debian).
  code.node = CodeAround(reinterpret_cast<uintptr_t>(dlsym(RTLD_DEFAULT, "napi_module_register")));
  code.threads = CodeAround(reinterpret_cast<uintptr_t>(pthread_create));
  return code;
}

// A frame record is the address of the caller's record, followed by the return address. node and
// libuv are built with frame pointers on every line. Without frame pointers no chain is found.
bool WaitsAtBottom(const Frames& frames) {
  constexpr size_t kMostWords = 96, kMostFrames = 5;
  const WorkerCode& code = state.libc.workers;
  const uintptr_t end = frames.at + frames.count * sizeof(uintptr_t);
  auto index = [&](uintptr_t record) { return (record - frames.at) / sizeof(uintptr_t); };
  auto is_record = [&](uintptr_t record, uintptr_t above) {
    return record >= above && record % sizeof(uintptr_t) == 0 && record < end &&
           end - record >= 2 * sizeof(uintptr_t);
  };
  auto is_nodes = [&](uintptr_t place) { return code.node.Has(place) || code.libuv.Has(place); };
  const size_t most = frames.count < kMostWords ? frames.count : kMostWords;
  size_t at = 0;
  while (at < most && !IsWait(frames.words[at])) ++at;
  // The record of libuv's function: the first one above that leads to another record and into Node.
  for (++at; at + 1 < most; ++at) {
    const uintptr_t next = frames.words[at];
    if (is_record(next, frames.at + (at + 2) * sizeof(uintptr_t)) &&
        is_nodes(frames.words[at + 1] & kCodeMask)) {
      break;
    }
  }
  if (at + 1 >= most) return false;
  uintptr_t record = frames.at + at * sizeof(uintptr_t);
  for (size_t i = 0; i < kMostFrames; ++i) {
    const uintptr_t place = frames.words[index(record) + 1] & kCodeMask;
    if (i > 0 && code.threads.Has(place)) return true;
    if (!is_nodes(place)) return false;
    const uintptr_t next = frames.words[index(record)];
    if (!is_record(next, record + 2 * sizeof(uintptr_t))) return false;
    record = next;
  }
  return false;
}

}  // namespace livefork
