// What an exchange sends: an input, repeated and cut as the user asked.

#ifndef CAUSEWAY_AGENTS_CLI_PAYLOAD_H_
#define CAUSEWAY_AGENTS_CLI_PAYLOAD_H_

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>

#include "absl/status/statusor.h"
#include "agents/cli/input.h"

namespace causeway {

struct PayloadLimits {
  static constexpr uint64_t kNone = std::numeric_limits<uint64_t>::max();
  uint64_t rounds = 1;         // how often the input is sent from begin to end
  uint64_t max_bytes = kNone;  // where it is cut, if the rounds have not ended before
};

// Not thread-safe. Move-only.
class Payload {
 public:
  // InvalidArgument: several rounds of an input that cannot be read again (a pipe), or of nothing.
  static absl::StatusOr<Payload> Create(Input input, const PayloadLimits& limits);

  // Puts bytes into `destination`, which must not be empty, and returns their number: as many as
  // fit, from a file; as many as there are, from a pipe; zero at the end. Blocks and fails as
  // Input::Read().
  absl::StatusOr<size_t> Read(std::span<std::byte> destination);

 private:
  Payload(Input input, const PayloadLimits& limits) : input_(std::move(input)), left_(limits) {}

  Input input_;
  PayloadLimits left_;
};

}  // namespace causeway

#endif  // CAUSEWAY_AGENTS_CLI_PAYLOAD_H_
