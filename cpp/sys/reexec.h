// A program is started again, with no JavaScript between fork(2) and execve(2): as a daemon without
// live fork, or beside the caller, whose place it is to take.
#pragma once

#include <string>
#include <vector>

namespace sys {

// Starts `program` as a daemon: in a session of its own that it does not lead. Returns the pid of
// the first child, which has only to exit, or -errno if it could not be made.
//
// The rest is told over `channel` as cpp/sys/launcher.h has it: the grandchild's pid, or the call
// that failed. execve(2) closes the caller's end in the grandchild unless `pass` has it.
//
// `omit` has the names of environment variables that the program does not get, `numbered` texts of
// the form NAME=... that it gets with its own pid appended. It starts in `directory`, unless that
// is empty. `standard` has the three descriptors that become 0, 1 and 2; those in `pass` stay open
// at their numbers, and no others. All signals have their default action, and none is blocked.
int Reexec(const std::string& program, const std::vector<std::string>& argv,
           const std::vector<std::string>& omit, const std::vector<std::string>& numbered,
           const std::string& directory, const std::vector<int>& standard,
           const std::vector<int>& pass, int channel);

// Starts `program` as a child, in the session and the process group of the caller. Returns its pid,
// or -errno if it could not be made; a call that fails later is told over `channel` ("e", its
// errno, a space, its name), and the child exits with 1.
//
// The program gets `environment`, entries of the form NAME=..., and not the caller's; the rest is
// as above.
int StartBeside(const std::string& program, const std::vector<std::string>& argv,
                const std::vector<std::string>& environment,
                const std::vector<std::string>& numbered, const std::string& directory,
                const std::vector<int>& standard, const std::vector<int>& pass, int channel);

}  // namespace sys
