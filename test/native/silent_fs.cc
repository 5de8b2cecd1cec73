// silent_fs DIRECTORY: a file server in user space (fuse(4)) of one empty file, `file`, that stops
// answering. Prints "ready" when it is mounted, and again for each line of input: `silent`. Its
// end, or that of its standard input, unmounts it. Nothing here can be cached, so a request for the
// file's attributes waits.
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace {

int device = -1;

void Answer(const fuse_in_header& in, int error, const void* body, size_t size) {
  fuse_out_header out{static_cast<uint32_t>(sizeof out + size), -error, in.unique};
  const iovec parts[2] = {{&out, sizeof out}, {const_cast<void*>(body), size}};
  (void)!writev(device, parts, 2);
}

constexpr uint64_t kFile = 2;

fuse_attr Attributes(uint64_t node) {
  fuse_attr attributes{};
  attributes.ino = node;
  attributes.mode = node == kFile ? S_IFREG | 0644 : S_IFDIR | 0755;
  attributes.nlink = 1;
  return attributes;
}

void Serve(const char* request) {
  fuse_in_header in;
  memcpy(&in, request, sizeof in);
  if (in.opcode == FUSE_INIT) {
    fuse_init_out init{};
    init.major = FUSE_KERNEL_VERSION;
    init.minor = 31;
    init.max_write = 4096;
    Answer(in, 0, &init, sizeof init);
  } else if (in.opcode == FUSE_LOOKUP && strcmp(request + sizeof in, "file") == 0) {
    fuse_entry_out entry{};
    entry.nodeid = kFile;
    entry.attr = Attributes(kFile);
    Answer(in, 0, &entry, sizeof entry);
  } else if (in.opcode == FUSE_LOOKUP) {
    Answer(in, ENOENT, nullptr, 0);
  } else if (in.opcode == FUSE_GETATTR) {
    fuse_attr_out out{};
    out.attr = Attributes(in.nodeid);
    Answer(in, 0, &out, sizeof out);
  } else if (in.opcode == FUSE_OPEN) {
    const fuse_open_out out{};
    Answer(in, 0, &out, sizeof out);
  } else if (in.opcode != FUSE_FORGET && in.opcode != FUSE_BATCH_FORGET) {
    Answer(in, ENOSYS, nullptr, 0);  // to FLUSH as well, which close(2) then leaves out
  }
}

bool Mount(const char* directory) {
  device = open("/dev/fuse", O_RDWR | O_CLOEXEC);
  if (device < 0) return false;
  char options[128];
  snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=0,group_id=0", device);
  return mount("silent", directory, "fuse", MS_NOSUID | MS_NODEV, options) == 0;
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 2 || !Mount(arguments[1])) {
    perror("silent_fs");
    return 1;
  }
  puts("ready");
  fflush(stdout);
  bool silent = false;
  for (;;) {
    pollfd all[2] = {{0, POLLIN, 0}, {silent ? -1 : device, POLLIN, 0}};
    poll(all, 2, -1);
    static char request[1 << 17];
    if (all[1].revents != 0 && read(device, request, sizeof request) > 0) Serve(request);
    if (all[0].revents == 0) continue;
    if (read(0, request, sizeof request) <= 0) break;
    silent = true;
    puts("ready");
    fflush(stdout);
  }
  umount2(arguments[1], MNT_DETACH);
  return 0;  // closing the device fails all waiting requests
}
