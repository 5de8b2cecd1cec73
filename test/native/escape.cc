#include "escape.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <vector>

namespace {

using Results = std::vector<std::string>;

void Tell(Results& results, const char* what, long result) {
  results.push_back(std::string(what) + ' ' + std::to_string(result < 0 ? errno : 0));
}

// A new user namespace gives its maker every capability in it; only a process with one thread may
// make one.
int UnshareInChild() {
  pid_t child = fork();
  if (child == 0) _exit(unshare(CLONE_NEWUSER) == 0 ? 0 : errno);
  int status = 0;
  waitpid(child, &status, 0);
  errno = WEXITSTATUS(status);
  return errno == 0 ? 0 : -1;
}

bool SeesOutside(const std::string& where) {
  return access((where + "etc/passwd").c_str(), F_OK) == 0;
}

void TryDirectories(Results& results) {
  for (int fd = 0; fd < 1024; ++fd) {
    if (fchdir(fd) != 0) continue;
    results.push_back("directory " + std::to_string(fd));
    if (SeesOutside("../../../../../../../../")) results.push_back("outside by descriptor");
  }
  (void)!chdir("/");
}

// A second root directory leaves the working directory outside of it, and the way up is open.
void TryChroot(Results& results) {
  Tell(results, "chroot", chroot("proc"));
  if (SeesOutside("../../../../../../../../")) results.push_back("outside by chroot");
}

}  // namespace

napi_value Escape(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value argument;
  napi_get_cb_info(env, info, &count, &argument, nullptr, nullptr);
  int32_t outsider = 0;
  napi_get_value_int32(env, argument, &outsider);

  Results results;
  Tell(results, "kill", kill(outsider, 0));
  Tell(results, "ptrace", ptrace(PTRACE_SEIZE, outsider, nullptr, nullptr));
  const std::string proc = "/proc/" + std::to_string(outsider) + "/root/etc/passwd";
  Tell(results, "proc", access(proc.c_str(), F_OK));
  Tell(results, "mknod", mknod("disk", S_IFBLK | 0600, makedev(8, 0)));
  Tell(results, "mount", mount("none", "/", "tmpfs", MS_RDONLY, nullptr));
  Tell(results, "unshare", UnshareInChild());
  if (SeesOutside("../../../../../../../../")) results.push_back("outside by ..");
  TryDirectories(results);
  TryChroot(results);

  napi_value array;
  napi_create_array(env, &array);
  for (uint32_t i = 0; i < results.size(); ++i) {
    napi_value text;
    napi_create_string_utf8(env, results[i].c_str(), NAPI_AUTO_LENGTH, &text);
    napi_set_element(env, array, i, text);
  }
  return array;
}
