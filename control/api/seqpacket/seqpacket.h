// Datagrams with descriptors: how both ends of handoff.sock send and receive.
//
// The socket is a connected SOCK_SEQPACKET Unix socket: one sendmsg() is one recvmsg(), in order,
// and a descriptor travels in the datagram that speaks of it (SCM_RIGHTS). What the messages mean
// is in control/api/v1/handoff.proto.

#ifndef CAUSEWAY_CONTROL_API_SEQPACKET_SEQPACKET_H_
#define CAUSEWAY_CONTROL_API_SEQPACKET_SEQPACKET_H_

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "mmapcore/unique_fd.h"

namespace causeway {

// No message of the protocol is longer, either way.
inline constexpr size_t kMaxDatagramBytes = 64 * 1024;

struct Datagram {
  std::string bytes;    // empty: the other end has closed the connection; nothing follows
  UniqueFd descriptor;  // the one that came with it, close-on-exec; may be absent

  bool end() const { return bytes.empty(); }
};

// Receives one datagram. Waits for it if the socket is blocking. A datagram without a byte, which
// the protocol has not, is taken for the end.
//
// Unavailable: the socket is non-blocking and nothing is there.
// InvalidArgument: what came breaks the protocol, and its descriptors are closed: more than
//   kMaxDatagramBytes, or more than one descriptor. The datagram is lost; the connection should be.
// ResourceExhausted: this process has no descriptor left for the one that came, which is lost.
// Aborted: the connection was reset.
absl::StatusOr<Datagram> ReceiveDatagram(int socket);

// Sends `bytes`, which is not empty, and a duplicate of `descriptor` unless it is negative. The
// caller keeps the descriptor. Waits for room if the socket is blocking. Raises no SIGPIPE.
//
// Unavailable: the socket is non-blocking and has no room now; nothing was sent.
// InvalidArgument: empty, or more than kMaxDatagramBytes.
// Aborted: the other end has closed the connection.
// ResourceExhausted: too many descriptors of this user are on their way, unread.
absl::Status SendDatagram(int socket, std::string_view bytes, int descriptor = -1);

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_API_SEQPACKET_SEQPACKET_H_
