#include "agents/cli/digest.h"

#include <openssl/evp.h>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/string_view.h"

namespace causeway {

absl::StatusOr<Digest> Digest::Sha256() {
  Digest digest(EVP_MD_CTX_new());
  if (digest.context_ == nullptr ||
      EVP_DigestInit_ex(digest.context_.get(), EVP_sha256(), nullptr) != 1) {
    return absl::InternalError("OpenSSL cannot compute SHA-256 here; see its configuration");
  }
  return digest;
}

// Update, copy and final of an initialised SHA-256 cannot fail: they touch its own memory only.
void Digest::Update(const void* data, size_t length) {
  EVP_DigestUpdate(context_.get(), data, length);
}

std::string Digest::Hex() const {
  const std::unique_ptr<evp_md_ctx_st, FreeContext> copy(EVP_MD_CTX_new());
  unsigned char bytes[EVP_MAX_MD_SIZE];
  unsigned int length = 0;
  if (copy == nullptr || EVP_MD_CTX_copy_ex(copy.get(), context_.get()) != 1 ||
      EVP_DigestFinal_ex(copy.get(), bytes, &length) != 1) {
    return {};
  }
  return absl::BytesToHexString(absl::string_view(reinterpret_cast<const char*>(bytes), length));
}

void Digest::FreeContext::operator()(evp_md_ctx_st* context) const { EVP_MD_CTX_free(context); }

}  // namespace causeway
