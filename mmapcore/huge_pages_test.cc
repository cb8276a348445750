#include "mmapcore/huge_pages.h"

#include <string>

#include "gtest/gtest.h"
#include "mmapcore/testing/status_matchers.h"

namespace causeway {
namespace {

using huge_pages_internal::OfferOf;
using testing::IsOk;
using testing::StatusIs;

constexpr char kMounts[] =
    "22 27 0:20 / /sys rw,nosuid - sysfs sysfs rw\n"
    "30 27 0:54 / /dev/shm rw shared:3 - tmpfs tmpfs rw,size=1048576k\n"
    "31 27 0:55 / /a rw,relatime shared:4 master:1 - tmpfs none rw,size=1k,huge=advise\n"
    "32 27 0:56 / /b rw - tmpfs none rw,huge=always,mode=700\n"
    "33 27 0:57 /sub /c\\040d rw - tmpfs none rw,huge=within_size\n"
    "34 27 0:58 / /e rw\n";
constexpr char kDefault[] = "always within_size advise [never] deny force";

TEST(HugePages, AreWhatTheMountSays) {
  EXPECT_EQ(OfferOf(kMounts, "0:54", kDefault), HugePageOffer::kNone);
  EXPECT_EQ(OfferOf(kMounts, "0:55", kDefault), HugePageOffer::kOnAdvice);
  EXPECT_EQ(OfferOf(kMounts, "0:56", kDefault), HugePageOffer::kUnasked);
  EXPECT_EQ(OfferOf(kMounts, "0:57", kDefault), HugePageOffer::kUnasked);
}

TEST(HugePages, AreNoneWhereNothingIsSaid) {
  EXPECT_EQ(OfferOf(kMounts, "0:58", kDefault), HugePageOffer::kNone);
  EXPECT_EQ(OfferOf(kMounts, "0:5", kDefault), HugePageOffer::kNone);
  EXPECT_EQ(OfferOf("", "0:55", kDefault), HugePageOffer::kNone);
  EXPECT_EQ(OfferOf("\n \n - \n", "0:55", kDefault), HugePageOffer::kNone);
}

TEST(HugePages, TheKernelsSettingOverrulesTheMount) {
  EXPECT_EQ(OfferOf(kMounts, "0:56", "always within_size advise never [deny] force"),
            HugePageOffer::kNone);
  EXPECT_EQ(OfferOf(kMounts, "0:54", "always within_size advise never deny [force]"),
            HugePageOffer::kUnasked);
  EXPECT_EQ(OfferOf(kMounts, "0:56", ""), HugePageOffer::kNone);
}

TEST(HugePages, OfADirectoryThatIsNotThereAreAnError) {
  EXPECT_THAT(HugePagesIn("/no/such/directory"), StatusIs(absl::StatusCode::kNotFound));
}

TEST(HugePages, OfWhatIsNoTmpfsAreNone) {
  const absl::StatusOr<HugePageOffer> offer = HugePagesIn("/proc");
  ASSERT_THAT(offer, IsOk());
  EXPECT_EQ(*offer, HugePageOffer::kNone);
}

}  // namespace
}  // namespace causeway
