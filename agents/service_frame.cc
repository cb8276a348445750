#include "agents/service_frame.h"

#include <span>

#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "agents/request_format.h"

namespace causeway {

absl::StatusOr<std::byte*> ClaimFrame(Writer& writer, size_t frame_bytes, Deadline deadline) {
  if (std::byte* const room = writer.TryClaim(frame_bytes); room != nullptr) return room;
  const absl::StatusOr<std::span<std::byte>> room = writer.Claim(frame_bytes, TimeLeft(deadline));
  if (!room.ok()) return room.status();
  return room->data();
}

absl::Status WhyNotCommitted(Writer& writer, size_t bytes, std::string_view what) {
  // It says what is wrong with the lane, if that is it.
  const absl::Status why = writer.Claim(0, absl::ZeroDuration()).status();
  writer.Abandon();
  if (absl::IsFailedPrecondition(why) || absl::IsDataLoss(why)) return why;
  return absl::FailedPreconditionError(
      absl::StrFormat("less than %d bytes were claimed for the %s", bytes, what));
}

}  // namespace causeway
