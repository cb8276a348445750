#include "control/handoff/outbound_queue.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "control/api/seqpacket/seqpacket.h"

namespace causeway {

absl::Status OutboundQueue::Push(std::string bytes, UniqueFd descriptor) {
  if (datagrams_.size() >= limits_.max_datagrams) {
    return absl::ResourceExhaustedError(absl::StrCat(
        datagrams_.size(), " events wait unread, the limit of one connection (max_datagrams)"));
  }
  if (bytes.size() > limits_.max_bytes - bytes_) {
    return absl::ResourceExhaustedError(
        absl::StrCat(bytes_ + bytes.size(), " bytes of events wait unread; the limit of one ",
                     "connection is ", limits_.max_bytes, " (max_bytes)"));
  }
  bytes_ += bytes.size();
  datagrams_.push_back({.bytes = std::move(bytes), .descriptor = std::move(descriptor)});
  return absl::OkStatus();
}

absl::Status OutboundQueue::Flush(int socket) {
  while (!datagrams_.empty()) {
    const Pending& front = datagrams_.front();
    const absl::Status sent = SendDatagram(socket, front.bytes, front.descriptor.get());
    if (absl::IsUnavailable(sent)) return absl::OkStatus();
    if (!sent.ok()) return sent;
    bytes_ -= front.bytes.size();
    datagrams_.pop_front();
  }
  return absl::OkStatus();
}

}  // namespace causeway
