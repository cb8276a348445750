// A volatile directory without room.

#include <memory>
#include <string>

#include "control/testing/coordinator_process.h"
#include "control/testing/rpc_client.h"
#include "control/testing/served_directory.h"
#include "control/testing/test_agent.h"
#include "gtest/gtest.h"
#include "mmapcore/testing/small_filesystem.h"
#include "mmapcore/testing/status_matchers.h"

namespace causeway {
namespace {

using testing::AdminClient;
using testing::AgentsClient;
using ::testing::AllOf;
using testing::CoordinatorProcess;
using ::testing::HasSubstr;
using testing::IsOk;
using testing::ServedDirectory;
using testing::SmallFilesystem;
using testing::StatusIs;
using testing::TestAgent;

constexpr auto kResourceExhausted = absl::StatusCode::kResourceExhausted;

v1::OpenWriterRequest Writer(const std::string& stream) {
  v1::OpenWriterRequest request;
  request.set_stream(stream);
  request.set_create_if_missing(true);
  return request;
}

// In a program of its own, for mounting comes before any thread.
TEST(CoordinatorFullDisk, SaysWhatIsNeededAndWhoHoldsTheSpaceAndRecovers) {
  absl::StatusOr<std::unique_ptr<SmallFilesystem>> small =
      SmallFilesystem::Mount(SmallFilesystem::Kind::kTmpfs, 8 << 20);
  if (!small.ok()) GTEST_SKIP() << small.status();
  ServedDirectory served;
  const std::string& directory = served.path();
  {
    CoordinatorProcess coordinator(directory,
                                   {"--ephemeral", "--volatile_dir=" + (*small)->File("volatile")});
    ASSERT_TRUE(coordinator.ready()) << coordinator.Log();
    TestAgent agent(directory, "greedy");
    AgentsClient calls(directory, agent.token());
    const absl::StatusOr<v1::OpenWriterResponse> lane = calls.OpenWriter(Writer("video"));
    ASSERT_THAT(lane, IsOk());

    v1::GrantSegmentRequest grant;
    grant.set_lane_id(lane->lane_id());
    absl::StatusOr<v1::GrantSegmentResponse> segment;
    uint64_t last = 0;
    while ((segment = calls.GrantSegment(grant)).ok()) last = segment->segment().offset();
    ASSERT_NE(last, 0u);
    EXPECT_THAT(segment, StatusIs(kResourceExhausted,
                                  AllOf(HasSubstr("lane-"), HasSubstr("needed 1048576 bytes"),
                                        HasSubstr("free "), HasSubstr("\"greedy\""))));

    // Nothing is half-made, and nobody else gets half of anything.
    AdminClient admin(directory);
    const uint64_t granted = admin.DescribeCoordinator()->granted_bytes();
    const uint64_t free = (*small)->FreeBytes();
    EXPECT_THAT(calls.OpenWriter(Writer("audio")), StatusIs(kResourceExhausted));
    EXPECT_THAT(calls.GrantSegment(grant), StatusIs(kResourceExhausted));
    EXPECT_EQ(admin.DescribeCoordinator()->granted_bytes(), granted);
    EXPECT_EQ(admin.ListFiles()->files_size(), 1);

    v1::ReturnSegmentRequest give_back;
    give_back.set_lane_id(lane->lane_id());
    give_back.set_offset(last);
    ASSERT_THAT(calls.ReturnSegment(give_back), IsOk());
    EXPECT_GE((*small)->FreeBytes(), free + (1 << 20));
    EXPECT_THAT(calls.GrantSegment(grant), IsOk());
    coordinator.Terminate();
    EXPECT_EQ(coordinator.Wait(), 0);
  }
}

}  // namespace
}  // namespace causeway
