#include "control/process/testing/unix_connection.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <string>

namespace causeway::testing {
namespace {

sockaddr_un AddressOf(const char* path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
  return address;
}

void DieIf(bool failed, const char* what) {
  if (!failed) return;
  perror(what);
  abort();
}

}  // namespace

UniqueFd ConnectSeqpacket(const char* path) {
  UniqueFd connection(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  return Connect(connection.get(), path) ? std::move(connection) : UniqueFd();
}

bool Connect(int socket, const char* path) {
  const sockaddr_un address = AddressOf(path);
  return connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
}

UnixListener::UnixListener() {
  // Short, whatever TEST_TMPDIR is: the address of a Unix socket has room for 107 characters.
  char directory[] = "/tmp/causeway.XXXXXX";
  DieIf(mkdtemp(directory) == nullptr, "mkdtemp");
  directory_ = directory;
  path_ = directory_ + "/socket";
  listening_.Reset(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  const sockaddr_un address = AddressOf(path_.c_str());
  DieIf(bind(listening_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0,
        "bind");
  DieIf(listen(listening_.get(), 64) != 0, "listen");
}

UnixListener::~UnixListener() {
  unlink(path_.c_str());
  rmdir(directory_.c_str());
}

UniqueFd UnixListener::Accept() {
  UniqueFd accepted(accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  DieIf(!accepted.valid(), "accept4");
  return accepted;
}

}  // namespace causeway::testing
