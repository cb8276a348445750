#include "agents/cli/payload.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace causeway {

absl::StatusOr<Payload> Payload::Create(Input input, const PayloadLimits& limits) {
  if (limits.rounds > 1 && !input.size().has_value()) {
    return absl::InvalidArgumentError(
        absl::StrCat(input.label(),
                     " is empty or no regular file, so it cannot be sent more than "
                     "once; leave out --bytes and --repeat"));
  }
  return Payload(std::move(input), limits);
}

absl::StatusOr<size_t> Payload::Read(std::span<std::byte> destination) {
  const size_t wanted = std::min<uint64_t>(destination.size(), left_.max_bytes);
  size_t filled = 0;
  while (filled < wanted && left_.rounds > 0) {
    const absl::StatusOr<size_t> got = input_.Read(destination.subspan(filled, wanted - filled));
    if (!got.ok()) return got.status();
    filled += *got;
    if (*got == 0) {
      if (--left_.rounds > 0) input_.Rewind();
    } else if (!input_.size().has_value()) {
      break;  // More may be long in coming.
    }
  }
  if (left_.max_bytes != PayloadLimits::kNone) left_.max_bytes -= filled;
  return filled;
}

}  // namespace causeway
