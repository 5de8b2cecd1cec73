#include <sys/prctl.h>

#include "sys/parentage.h"
#include "sys/result.h"

namespace sys {
namespace {

int Get(int option) {
  int value = 0;
  const int error = Result(prctl(option, &value));
  return error < 0 ? error : value;
}

}  // namespace

int SetChildSubreaper(bool on) {
  return Result(prctl(PR_SET_CHILD_SUBREAPER, on));
}

int GetChildSubreaper() {
  return Get(PR_GET_CHILD_SUBREAPER);
}

int SetParentDeathSignal(int signal) {
  return Result(prctl(PR_SET_PDEATHSIG, signal));
}

int GetParentDeathSignal() {
  return Get(PR_GET_PDEATHSIG);
}

}  // namespace sys
