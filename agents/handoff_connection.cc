#include "agents/handoff_connection.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "agents/socket_path.h"
#include "control/api/seqpacket/seqpacket.h"
#include "mmapcore/errno_status.h"

namespace causeway {
namespace {

bool CarriesDescriptor(v1::HandoffEvent::EventCase event) {
  return event == v1::HandoffEvent::kDescriptorGranted ||
         event == v1::HandoffEvent::kReaderJoined || event == v1::HandoffEvent::kLaneOpened ||
         event == v1::HandoffEvent::kPeerProcess;
}

}  // namespace

absl::StatusOr<HandoffConnection> HandoffConnection::Connect(const std::string& dir) {
  absl::StatusOr<SocketPath> path = SocketPath::Resolve(dir, "handoff.sock");
  if (!path.ok()) return path.status();
  UniqueFd fd(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return StatusFromErrno(errno, {.operation = "socket", .path = path->label()});
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path->path().c_str(), path->path().size() + 1);
  if (connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
    const int error = errno;
    if (error == ENOENT || error == ECONNREFUSED || error == EAGAIN || error == ECONNRESET) {
      return absl::UnavailableError(absl::StrCat("no coordinator answers at ", path->label(), ": ",
                                                 std::strerror(error),
                                                 "; start one, or check the directory"));
    }
    return StatusFromErrno(error, {.operation = "connect", .path = path->label()});
  }
  return HandoffConnection(std::move(fd), path->label());
}

absl::Status HandoffConnection::Send(const v1::HandoffRequest& request, int fd) const {
  absl::Status status = SendDatagram(socket_.get(), request.SerializeAsString(), fd);
  if (!absl::IsAborted(status)) return status;
  return absl::UnavailableError(absl::StrCat("the coordinator at ", label_, " has gone"));
}

absl::StatusOr<std::optional<HandoffMessage>> HandoffConnection::Receive() const {
  absl::StatusOr<Datagram> datagram = ReceiveDatagram(socket_.get());
  switch (datagram.status().code()) {
    case absl::StatusCode::kOk:
      break;
    case absl::StatusCode::kUnavailable:
      return std::nullopt;
    case absl::StatusCode::kInvalidArgument:
      return Malformed(datagram.status().message());
    case absl::StatusCode::kResourceExhausted:
      return datagram.status();
    default:
      return absl::UnavailableError(
          absl::StrCat("lost the coordinator at ", label_, ": ", datagram.status().message()));
  }
  if (datagram->end()) {
    return absl::UnavailableError(absl::StrCat("the coordinator at ", label_, " has gone"));
  }
  HandoffMessage message;
  if (!message.event.ParseFromString(datagram->bytes)) return Malformed("it does not parse");
  message.fd = std::move(datagram->descriptor);
  const bool expected = CarriesDescriptor(message.event.event_case());
  if (expected && !message.fd.valid()) return Malformed("its descriptor is missing");
  // What a newer coordinator says may have one.
  if (message.event.event_case() == v1::HandoffEvent::EVENT_NOT_SET) message.fd.Reset();
  if (!expected && message.fd.valid()) {
    return Malformed("it carries a descriptor that it has no use for");
  }
  return std::optional<HandoffMessage>(std::move(message));
}

absl::Status HandoffConnection::Malformed(absl::string_view why) const {
  return absl::DataLossError(absl::StrFormat("event from %s refused: %s", label_, why));
}

}  // namespace causeway
