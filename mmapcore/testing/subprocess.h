// Tests with more than one process.

#ifndef CAUSEWAY_MMAPCORE_TESTING_SUBPROCESS_H_
#define CAUSEWAY_MMAPCORE_TESTING_SUBPROCESS_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "mmapcore/unique_fd.h"

namespace causeway::testing {

// Runs `body` in a child made by fork(), and returns how the child ended in words: "exit 0",
// "signal 7 (SIGBUS)". The child ends with the value that `body` returns, without running the
// parent's destructors or exit handlers. Blocks until it has ended.
std::string RunInChild(const std::function<int()>& body);

// A program started with pipes for its standard input and output, spoken to in lines. Waiting for a
// line is the handshake of the tests that need one; nobody sleeps. The destructor closes the
// program's input, and waits for its end.
class Peer {
 public:
  static absl::StatusOr<Peer> Start(const std::vector<std::string>& command_line);

  Peer(Peer&& other) noexcept;
  Peer& operator=(Peer&&) = delete;
  ~Peer();

  // Sends `line` and returns the line that the program answers with, without its newline.
  // Unavailable: the program has ended.
  absl::StatusOr<std::string> Ask(const std::string& line);

  // Ends the program by SIGKILL, and waits for its end.
  void Kill();

 private:
  Peer(int pid, UniqueFd to_peer, UniqueFd from_peer);

  int pid_;
  UniqueFd to_peer_;
  UniqueFd from_peer_;
};

// The absolute path of a program that is a data dependency of the test: "mmapcore/sharing_peer".
std::string Runfile(const std::string& path_in_workspace);

}  // namespace causeway::testing

#endif  // CAUSEWAY_MMAPCORE_TESTING_SUBPROCESS_H_
