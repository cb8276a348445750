#include "control/api/seqpacket/seqpacket.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "mmapcore/errno_status.h"

namespace causeway {
namespace {

// Room for one descriptor more than the protocol has, so that a surplus one is seen and closed
// here. Of any beyond, the kernel makes no descriptor: it says MSG_CTRUNC.
constexpr size_t kReceivedDescriptors = 2;

struct Descriptors {
  std::array<UniqueFd, kReceivedDescriptors> owned;
  size_t count = 0;
};

// Takes every descriptor out of the control data, so that none leaks whatever is wrong with it.
Descriptors TakeDescriptors(msghdr& message) {
  Descriptors descriptors;
  for (cmsghdr* control = CMSG_FIRSTHDR(&message); control != nullptr;
       control = CMSG_NXTHDR(&message, control)) {
    if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (control->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int number;
      memcpy(&number, CMSG_DATA(control) + i * sizeof(int), sizeof(number));
      UniqueFd descriptor(number);
      if (descriptors.count < kReceivedDescriptors) {
        descriptors.owned[descriptors.count] = std::move(descriptor);
      }
      ++descriptors.count;
    }
  }
  return descriptors;
}

absl::Status StatusOfSocketError(int error, absl::string_view operation) {
  switch (error) {
    case EAGAIN:
      return absl::UnavailableError(absl::StrCat(operation, " would wait"));
    case EPIPE:
    case ECONNRESET:
    case ENOTCONN:
      return absl::AbortedError("the other end has closed the connection");
    case ETOOMANYREFS:
      return absl::ResourceExhaustedError(
          "too many descriptors of this user are on their way, unread (ETOOMANYREFS): raise the "
          "limit of open files (ulimit -n), or see which agent does not read");
    default:
      return StatusFromErrno(error, {.operation = operation});
  }
}

}  // namespace

absl::StatusOr<Datagram> ReceiveDatagram(int socket) {
  Datagram datagram;
  // One byte more than allowed, so that what is too long is told from what just fits.
  datagram.bytes.resize(kMaxDatagramBytes + 1);
  iovec part = {.iov_base = datagram.bytes.data(), .iov_len = datagram.bytes.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(kReceivedDescriptors * sizeof(int))] = {};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);

  ssize_t received;
  do {
    received = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  } while (received < 0 && errno == EINTR);
  if (received < 0) return StatusOfSocketError(errno, "recvmsg");

  Descriptors descriptors = TakeDescriptors(message);
  if (static_cast<size_t>(received) > kMaxDatagramBytes || (message.msg_flags & MSG_TRUNC) != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("a datagram has more than ", kMaxDatagramBytes, " bytes"));
  }
  if (descriptors.count > 1) {
    return absl::InvalidArgumentError("a datagram carries more than one descriptor");
  }
  if ((message.msg_flags & MSG_CTRUNC) != 0) {
    // There was room for two, so the one that came found no place in this process's table, or more
    // came than the protocol has and none found a place.
    return absl::ResourceExhaustedError(
        "a descriptor came and could not be taken: raise the limit of open files (ulimit -n)");
  }
  datagram.bytes.resize(static_cast<size_t>(received));
  datagram.descriptor = std::move(descriptors.owned[0]);
  return datagram;
}

absl::Status SendDatagram(int socket, std::string_view bytes, int descriptor) {
  if (bytes.empty() || bytes.size() > kMaxDatagramBytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a datagram of ", bytes.size(), " bytes; it must have 1 to ", kMaxDatagramBytes));
  }
  iovec part = {.iov_base = const_cast<char*>(bytes.data()), .iov_len = bytes.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (descriptor >= 0) {
    message.msg_control = control;
    message.msg_controllen = sizeof(control);
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &descriptor, sizeof(descriptor));
  }
  ssize_t sent;
  do {
    sent = sendmsg(socket, &message, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  if (sent < 0) return StatusOfSocketError(errno, "sendmsg");
  return absl::OkStatus();
}

}  // namespace causeway
