#include "control/service/session_token.h"

#include <openssl/evp.h>
#include <sys/random.h>

#include <algorithm>
#include <cerrno>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "mmapcore/errno_status.h"

namespace causeway {

absl::StatusOr<std::string> NewSessionToken() {
  std::string token(kTokenBytes, '\0');
  // Up to 256 bytes come whole, and without an interruption once the kernel has been seeded.
  ssize_t count;
  do {
    count = getrandom(token.data(), token.size(), 0);
  } while (count < 0 && errno == EINTR);
  if (count != static_cast<ssize_t>(token.size())) {
    return absl::UnavailableError(StatusFromErrno(errno, {.operation = "getrandom"}).message());
  }
  return token;
}

std::string HashSessionToken(std::string_view token) {
  std::string hash(EVP_MAX_MD_SIZE, '\0');
  unsigned int size = 0;
  EVP_Digest(token.data(), token.size(), reinterpret_cast<unsigned char*>(hash.data()), &size,
             EVP_sha256(), nullptr);
  hash.resize(size);
  return hash;
}

absl::StatusOr<std::string> HashTokenFromHex(std::string_view hex) {
  if (hex.size() != 2 * kTokenBytes || !std::all_of(hex.begin(), hex.end(), absl::ascii_isxdigit)) {
    return absl::UnauthenticatedError(absl::StrCat(
        "the call needs the session's token, ", 2 * kTokenBytes, " hexadecimal digits, in the ",
        "metadata key ", kTokenMetadataKey, "; it comes with Welcome over handoff.sock"));
  }
  return HashSessionToken(absl::HexStringToBytes(absl::string_view(hex.data(), hex.size())));
}

}  // namespace causeway
