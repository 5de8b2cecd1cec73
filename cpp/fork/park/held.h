// The locks that a thread holds and that store its id, as libc lists them in the thread's record:
// musl mutexes of every type but the normal one, and streams (flockfile(3)); glibc robust mutexes.
#pragma once

#include <cstddef>
#include <cstdint>

namespace livefork {

struct HeldList {
  ptrdiff_t offset = 0;  // of the list's head, from the thread pointer; 0: only the kernel knows it
  ptrdiff_t lock = 0;    // of the lock's word, from its entry
};

struct HeldFiles {
  ptrdiff_t offset = 0;  // of the address of the stream locked last, from the thread pointer
  ptrdiff_t lock = 0, next = 0;  // of the lock's word and of the next stream's address, in a FILE
};

// Where libc's own code is. Zero until it is found, like all that is in State: an object of 144 kB
// that begins with other values is so large in the file.
struct LibcCode {
  uintptr_t begin = 0, end = 0;
  bool Has(uintptr_t place) const { return place >= begin && place < end; }
};

// musl's: all that is mapped of it. Everything, where it is not an object of its own.
LibcCode FindCode();

// Look on at locks of their own. A list that is not found has offset 0.
HeldList FindHeld();
HeldFiles FindHeldFiles();

// In the child. Locks in memory that is shared with other processes stay the parent's: they leave
// the list, whose neighbours write to each other, and all others get the new id.
void RenameHeld(uintptr_t pointer, void* robust_list, int old_id, int id);

}  // namespace livefork
