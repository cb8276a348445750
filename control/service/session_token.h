// The secret by which an agent's calls are known for its own.

#ifndef CAUSEWAY_CONTROL_SERVICE_SESSION_TOKEN_H_
#define CAUSEWAY_CONTROL_SERVICE_SESSION_TOKEN_H_

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace causeway {

inline constexpr size_t kTokenBytes = 32;

// The metadata key of a call's token, in hexadecimal digits.
inline constexpr char kTokenMetadataKey[] = "causeway-token";

// A new token: kTokenBytes random bytes of the kernel.
// Unavailable: the kernel has none to give.
absl::StatusOr<std::string> NewSessionToken();

// SHA-256 of a token's bytes. What is kept and compared is the hash, never the token: whoever reads
// the state cannot call with it, and the time that a look-up takes says nothing about a token.
std::string HashSessionToken(std::string_view token);

// The hash of the token that `hex` spells.
// Unauthenticated: not 2 * kTokenBytes hexadecimal digits; the message says what to do.
absl::StatusOr<std::string> HashTokenFromHex(std::string_view hex);

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_SERVICE_SESSION_TOKEN_H_
