// What proves that two sides of an exchange saw the same bytes.

#ifndef CAUSEWAY_AGENTS_CLI_DIGEST_H_
#define CAUSEWAY_AGENTS_CLI_DIGEST_H_

#include <cstddef>
#include <memory>
#include <string>

#include "absl/status/statusor.h"

struct evp_md_ctx_st;  // OpenSSL's EVP_MD_CTX.

namespace causeway {

// A running SHA-256. Not thread-safe. Move-only; a moved-from Digest may only be destroyed.
class Digest {
 public:
  // Internal: this OpenSSL has no SHA-256.
  static absl::StatusOr<Digest> Sha256();

  // Adds `length` bytes, read once and in place.
  void Update(const void* data, size_t length);

  // The digest of everything added so far, in lower-case hex. More may be added afterwards.
  std::string Hex() const;

 private:
  struct FreeContext {
    void operator()(evp_md_ctx_st* context) const;
  };

  explicit Digest(evp_md_ctx_st* context) : context_(context) {}

  std::unique_ptr<evp_md_ctx_st, FreeContext> context_;
};

}  // namespace causeway

#endif  // CAUSEWAY_AGENTS_CLI_DIGEST_H_
