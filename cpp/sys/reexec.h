// Starts a program again, without JavaScript between fork(2) and execve(2): as a daemon without
// live fork, or as the caller's successor.
#pragma once

#include <string>
#include <vector>

namespace sys {

// Starts `program` as a daemon: in a new session that it does not lead. Returns the pid of the
// first child, which only has to exit, or -errno if the fork failed.
//
// `channel` gets the other results in the form of cpp/sys/launcher.h: the grandchild's pid, or the
// failed call. execve(2) closes the caller's end in the grandchild unless it is in `pass`.
//
// `omit` lists environment variables that the program does not get, `numbered` texts of the form
// NAME=... that it gets with its own pid appended. It starts in `directory`, unless that is empty.
// `standard` has the three descriptors for 0, 1 and 2. Only those in `pass` stay open, at their
// numbers. All signals have their default action, and none is blocked.
int Reexec(const std::string& program, const std::vector<std::string>& argv,
           const std::vector<std::string>& omit, const std::vector<std::string>& numbered,
           const std::string& directory, const std::vector<int>& standard,
           const std::vector<int>& pass, int channel);

// Starts `program` as a child, in the session and the process group of the caller. Returns its pid,
// or -errno if the fork failed. If a later call fails, `channel` gets a record ("e", its errno, a
// space, its name), and the child exits with 1.
//
// The program gets `environment`, entries of the form NAME=..., instead of the caller's; the rest
// is as above.
int StartBeside(const std::string& program, const std::vector<std::string>& argv,
                const std::vector<std::string>& environment,
                const std::vector<std::string>& numbered, const std::string& directory,
                const std::vector<int>& standard, const std::vector<int>& pass, int channel);

}  // namespace sys
