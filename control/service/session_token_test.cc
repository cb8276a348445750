#include "control/service/session_token.h"

#include <string>

#include "absl/strings/escaping.h"
#include "gtest/gtest.h"
#include "mmapcore/testing/status_matchers.h"

namespace causeway {
namespace {

using ::testing::HasSubstr;
using testing::StatusIs;

TEST(SessionToken, IsNeverTheSame) {
  const std::string token = *NewSessionToken();
  EXPECT_EQ(token.size(), kTokenBytes);
  EXPECT_NE(token, *NewSessionToken());
}

TEST(SessionToken, HashIsSha256) {
  EXPECT_EQ(absl::BytesToHexString(HashSessionToken("abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(SessionToken, IsSpelledInHexadecimalDigits) {
  const std::string token = *NewSessionToken();
  EXPECT_EQ(*HashTokenFromHex(absl::BytesToHexString(token)), HashSessionToken(token));
}

TEST(SessionToken, ThatIsMissingOrMisspelledIsRefusedWithWhatToDo) {
  for (const std::string& hex :
       {std::string(), std::string(63, 'a'), std::string(65, 'a'), std::string(64, 'g'),
        std::string(64, '\0'), std::string(1 << 20, 'a')}) {
    EXPECT_THAT(HashTokenFromHex(hex),
                StatusIs(absl::StatusCode::kUnauthenticated, HasSubstr("causeway-token")));
  }
}

}  // namespace
}  // namespace causeway
