#include "agents/cli/digest.h"

#include <gtest/gtest.h>

#include <string>

namespace causeway {
namespace {

// FIPS 180-2, appendix B.
constexpr char kEmpty[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
constexpr char kAbc[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
constexpr char kMillionA[] = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";

TEST(Digest, OfNothing) {
  auto digest = Digest::Sha256();
  ASSERT_TRUE(digest.ok()) << digest.status();
  EXPECT_EQ(digest->Hex(), kEmpty);
}

TEST(Digest, DoesNotDependOnHowTheBytesAreCut) {
  auto digest = Digest::Sha256();
  ASSERT_TRUE(digest.ok()) << digest.status();
  const std::string bytes(1'000'000, 'a');
  size_t begin = 0;
  for (size_t length = 1; begin < bytes.size(); length = length * 3 + 1) {
    const size_t take = std::min(length, bytes.size() - begin);
    digest->Update(bytes.data() + begin, take);
    begin += take;
  }
  EXPECT_EQ(digest->Hex(), kMillionA);
}

TEST(Digest, HexLeavesTheDigestRunning) {
  auto digest = Digest::Sha256();
  ASSERT_TRUE(digest.ok()) << digest.status();
  digest->Update("a", 1);
  EXPECT_NE(digest->Hex(), kAbc);
  digest->Update("bc", 2);
  EXPECT_EQ(digest->Hex(), kAbc);
  EXPECT_EQ(digest->Hex(), kAbc);
}

}  // namespace
}  // namespace causeway
