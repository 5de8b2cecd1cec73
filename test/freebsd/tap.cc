#include "tap.h"

#include <sys/mman.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstring>
#include <string>

namespace tap {
namespace {

Test* first = nullptr;
Test** last = &first;

constexpr unsigned kSeconds = 60;
constexpr int kPassed = 0, kFailed = 1, kSkipped = 77;

// The report of a test's process; shared with the program.
struct Word {
  bool failed;
  char why[200];
};
Word* word = nullptr;

int RunApart(const Test& test) {
  *word = {};
  fflush(stdout);
  const pid_t pid = fork();
  if (pid == 0) {
    alarm(kSeconds);
    test.run();
    fflush(stdout);
    _exit(word->failed ? kFailed : kPassed);
  }
  int status = 0;
  waitpid(pid, &status, 0);
  if (WIFSIGNALED(status)) {
    printf("# ended by signal %d\n", WTERMSIG(status));
    return kFailed;
  }
  return WEXITSTATUS(status);
}

bool Chosen(const Test& test, int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    if (strstr(test.name, argv[i]) != nullptr) return true;
  }
  return argc < 2;
}

}  // namespace

Test::Test(const char* title, void (*body)()) : name(title), run(body) {
  *last = this;
  last = &next;
}

void Fail(const char* file, int line, const std::string& what) {
  word->failed = true;
  printf("# %s:%d: %s\n", file, line, what.c_str());
}

void Skip(const char* why) {
  snprintf(word->why, sizeof word->why, "%s", why);
  fflush(stdout);
  _exit(word->failed ? kFailed : kSkipped);
}

void NeedRoot() {
  if (geteuid() != 0) Skip("needs root");
}

int Main(int argc, char** argv) {
  word = static_cast<Word*>(
      mmap(nullptr, sizeof(Word), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANON, -1, 0));
  utsname system{};
  uname(&system);
  printf("TAP version 13\n# %s %s %s\n", system.sysname, system.release, system.machine);
  int number = 0;
  int failed = 0;
  for (Test* test = first; test != nullptr; test = test->next) {
    if (!Chosen(*test, argc, argv)) continue;
    const int result = RunApart(*test);
    const bool good = result == kPassed || result == kSkipped;
    if (!good) ++failed;
    printf("%s %d - %s", good ? "ok" : "not ok", ++number, test->name);
    if (result == kSkipped) printf(" # SKIP %s", word->why);
    printf("\n");
  }
  printf("1..%d\n", number);
  return failed == 0 ? 0 : 1;
}

}  // namespace tap

int main(int argc, char** argv) {
  return tap::Main(argc, argv);
}
