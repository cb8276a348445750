// A listening SOCK_SEQPACKET Unix socket in a temporary directory, and connections to it.

#ifndef CAUSEWAY_CONTROL_PROCESS_TESTING_UNIX_CONNECTION_H_
#define CAUSEWAY_CONTROL_PROCESS_TESTING_UNIX_CONNECTION_H_

#include <string>
#include <utility>

#include "mmapcore/unique_fd.h"

namespace causeway::testing {

// Connects to the SOCK_SEQPACKET socket at `path`; nothing if that fails, with errno set. Calls
// only what is safe after fork().
UniqueFd ConnectSeqpacket(const char* path);

// The same, for a socket that was made before.
bool Connect(int socket, const char* path);

class UnixListener {
 public:
  UnixListener();
  ~UnixListener();
  UnixListener(const UnixListener&) = delete;
  UnixListener& operator=(const UnixListener&) = delete;

  const std::string& path() const { return path_; }

  UniqueFd Connect() const { return ConnectSeqpacket(path_.c_str()); }

  // Hands the listening socket to the caller.
  UniqueFd TakeListening() { return std::move(listening_); }

  // Waits for the next connection.
  UniqueFd Accept();

 private:
  std::string directory_;
  std::string path_;
  UniqueFd listening_;
};

}  // namespace causeway::testing

#endif  // CAUSEWAY_CONTROL_PROCESS_TESTING_UNIX_CONNECTION_H_
