#include "fork/objects/pipes.h"

#include <fcntl.h>
#include <sys/ioctl.h>

#include <cstring>

#include "fork/base/place.h"

namespace livefork {
namespace {

constexpr int kDontWait = 2;  // SPLICE_F_NONBLOCK

// Empties the scratch pipe; each read ends at the end of a packet.
Failure ReadPackets(int from, size_t size, Arena& arena, Pipe& pipe) {
  char* bytes = arena.Take<char>(size);
  if (bytes == nullptr) return kArenaFull;
  for (size_t left = size; left > 0;) {
    const long n = Sys(SYS_read, from, bytes, left);
    if (n <= 0) return Check(n < 0 ? n : -EIO, "read");
    Packet* packet = pipe.packets.Add(arena);
    if (packet == nullptr) return kArenaFull;
    *packet = {bytes, static_cast<size_t>(n)};
    bytes += n;
    left -= static_cast<size_t>(n);
  }
  return {};
}

// Data of a failed attempt must not count as the next pipe's.
void Drain(int from) {
  char rest[4096];
  while (Sys(SYS_read, from, rest, sizeof rest) > 0) {
  }
}

Failure PlaceEnd(int fresh, const PipeEnd& end) {
  Sys(SYS_fcntl, fresh, F_SETFL, end.status & (O_NONBLOCK | O_DIRECT));
  return Place(fresh, end.fd, end.closes_on_exec, "pipe2");
}

// Data is a packet if it was written with O_DIRECT. Data that was written before the flag was set,
// and is longer than a packet can be (PIPE_BUF), is not.
Failure Refill(int writer, const Pipe& pipe) {
  constexpr size_t kLongest = 4096;
  const bool direct = (pipe.writer.status & O_DIRECT) != 0 || pipe.packets.size() > 1;
  for (const Packet& packet : pipe.packets) {
    Sys(SYS_fcntl, writer, F_SETFL,
        O_NONBLOCK | (direct && packet.size <= kLongest ? O_DIRECT : 0));
    const long n = Sys(SYS_write, writer, packet.bytes, packet.size);
    if (n != static_cast<long>(packet.size)) {
      return {n < 0 ? static_cast<int>(-n) : EAGAIN, "write",
              "the child may not make a pipe as large as its parent's"};
    }
  }
  return {};
}

}  // namespace

// tee(2) copies without consuming, into our own pipe of the same size.
Failure DescribePipe(const ProcFiles& files, Arena& arena, Pipe& pipe) {
  const int fd = pipe.reader.fd, out = files.scratch_write.get(), in = files.scratch_read.get();
  pipe.capacity = Sys(SYS_fcntl, fd, F_GETPIPE_SZ);
  if (pipe.capacity < 0) return Check(pipe.capacity, "fcntl");
  long room = pipe.capacity;
  // Once is enough, unless another process has this pipe too and reads from it at the same time.
  for (int tries = 0; tries < 16; ++tries) {
    int size = 0;
    // If it counted as empty, libuv's lock, a byte in a pipe, would never be free in the child.
    if (long r = Sys(SYS_ioctl, fd, FIONREAD, &size); r < 0) return Check(r, "ioctl");
    if (size == 0) return {};
    room = Sys(SYS_fcntl, out, F_SETPIPE_SZ, pipe.capacity);
    const long n = Sys(SYS_tee, fd, out, size, kDontWait);
    if (n == size) return ReadPackets(in, static_cast<size_t>(size), arena, pipe);
    Drain(in);
    if (n < 0 && n != -EAGAIN) return Check(n, "tee");
    if (room < 0) break;
  }
  // This failure is permanent: fs.pipe-max-size, fs.pipe-user-pages-soft and similar limits
  // (pipe(7)).
  if (room < 0) {
    return {static_cast<int>(-room), "fcntl",
            "a pipe as large as one of this process cannot be made"};
  }
  return {EAGAIN, "tee", "another process reads a pipe that has both ends in this process"};
}

Failure MakePipe(const Pipe& pipe) {
  int ends[2] = {-1, -1};
  if (long r = Sys(SYS_pipe2, ends, O_CLOEXEC); r < 0) return Check(r, "pipe2");
  // If the size cannot be restored, an empty pipe is smaller, and a full one does not accept its
  // bytes.
  if (Sys(SYS_fcntl, ends[1], F_GETPIPE_SZ) != pipe.capacity) {
    Sys(SYS_fcntl, ends[1], F_SETPIPE_SZ, pipe.capacity);
  }
  if (Failure failure = Refill(ends[1], pipe)) return failure;
  if (Failure failure = PlaceEnd(ends[1], pipe.writer)) return failure;
  return PlaceEnd(ends[0], pipe.reader);
}

}  // namespace livefork
