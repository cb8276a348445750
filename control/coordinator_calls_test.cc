// What agents and operators ask of a running coordinator, and what it answers.

#include <fcntl.h>
#include <google/rpc/error_details.pb.h>
#include <sys/stat.h>
#include <unistd.h>

#include <optional>
#include <string>
#include <thread>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "control/process/incarnation.h"
#include "control/testing/coordinator_process.h"
#include "control/testing/rpc_client.h"
#include "control/testing/served_directory.h"
#include "control/testing/test_agent.h"
#include "gtest/gtest.h"
#include "mmapcore/page.h"
#include "mmapcore/testing/status_matchers.h"

namespace causeway {
namespace {

using testing::AdminClient;
using testing::AgentsClient;
using testing::CoordinatorProcess;
using ::testing::HasSubstr;
using testing::IsOk;
using ::testing::Not;
using testing::ReceivedEvent;
using testing::ServedDirectory;
using testing::StatusIs;
using testing::TestAgent;

constexpr auto kInvalidArgument = absl::StatusCode::kInvalidArgument;

template <typename Detail>
std::optional<Detail> DetailOf(const absl::Status& status) {
  const auto payload =
      status.GetPayload(absl::StrCat("type.googleapis.com/", Detail::descriptor()->full_name()));
  Detail detail;
  if (!payload.has_value() || !detail.ParseFromString(std::string(*payload))) return std::nullopt;
  return detail;
}

std::string FieldOf(const absl::Status& status) {
  const auto detail = DetailOf<google::rpc::BadRequest>(status);
  return detail.has_value() ? detail->field_violations(0).field() : "";
}

v1::OpenWriterRequest Writer(const std::string& stream) {
  v1::OpenWriterRequest request;
  request.set_stream(stream);
  request.set_create_if_missing(true);
  return request;
}

v1::OpenReaderRequest Reader(const std::string& stream) {
  v1::OpenReaderRequest request;
  request.set_stream(stream);
  request.set_create_if_missing(true);
  return request;
}

int RightsOf(const UniqueFd& descriptor) { return fcntl(descriptor.get(), F_GETFL) & O_ACCMODE; }

class CoordinatorCallsTest : public ::testing::Test {
 protected:
  CoordinatorCallsTest() { EXPECT_TRUE(coordinator_.ready()) << coordinator_.Log(); }

  ServedDirectory temporary_;
  const std::string directory_ = temporary_.path();
  CoordinatorProcess coordinator_{directory_, {"--ephemeral"}};
  AdminClient admin_{directory_};
};

TEST_F(CoordinatorCallsTest, ListsWhoAttached) {
  TestAgent agent(directory_, "camera 1");
  ASSERT_TRUE(agent.attached()) << agent.refusal().message();
  EXPECT_EQ(agent.token().size(), 32u);
  EXPECT_FALSE(agent.welcome().resumed());
  const absl::StatusOr<v1::ListAgentsResponse> agents = admin_.ListAgents();
  ASSERT_THAT(agents, IsOk());
  ASSERT_EQ(agents->agents_size(), 1);
  EXPECT_EQ(agents->agents(0).name(), "camera 1");
  EXPECT_EQ(agents->agents(0).pid(), getpid());
  EXPECT_EQ(agents->agents(0).uid(), getuid());
  EXPECT_EQ(agents->agents(0).session_id(), agent.session_id());
}

TEST_F(CoordinatorCallsTest, RefusesAgentsWithoutAProperName) {
  TestAgent nameless(directory_, "");
  EXPECT_EQ(nameless.refusal().code(), static_cast<int>(kInvalidArgument));
  TestAgent garbling(directory_, "a\nb");
  EXPECT_EQ(garbling.refusal().code(), static_cast<int>(kInvalidArgument));
}

TEST_F(CoordinatorCallsTest, HandsDescriptorsOverBeforeItAnswers) {
  TestAgent writer(directory_, "writer"), reader(directory_, "reader");
  AgentsClient writer_calls(directory_, writer.token()), reader_calls(directory_, reader.token());

  const absl::StatusOr<v1::OpenWriterResponse> lane = writer_calls.OpenWriter(Writer("video"));
  ASSERT_THAT(lane, IsOk());
  EXPECT_GE(lane->segments_size(), 2);
  ReceivedEvent granted = writer.Receive();
  EXPECT_EQ(granted.event.descriptor_granted().file_id(), lane->file_id());
  EXPECT_EQ(RightsOf(granted.descriptor), O_RDWR);
  EXPECT_THAT(granted.event.descriptor_granted().label(), HasSubstr("lane-"));
  struct stat attributes;
  ASSERT_EQ(fstat(granted.descriptor.get(), &attributes), 0);
  for (const v1::Extent& segment : lane->segments()) {
    EXPECT_LE(segment.offset() + segment.length(), static_cast<uint64_t>(attributes.st_size));
  }
  EXPECT_GE(static_cast<uint64_t>(attributes.st_blocks) * 512,
            static_cast<uint64_t>(attributes.st_size));  // Backed, every byte.

  const absl::StatusOr<v1::OpenReaderResponse> opened = reader_calls.OpenReader(Reader("video"));
  ASSERT_THAT(opened, IsOk());
  granted = reader.Receive();
  EXPECT_EQ(granted.event.descriptor_granted().file_id(), opened->file_id());
  EXPECT_EQ(RightsOf(granted.descriptor), O_RDWR);
  const ReceivedEvent process = reader.Receive();
  EXPECT_EQ(process.event.peer_process().session_id(), writer.session_id());
  EXPECT_FALSE(HasExited(process.descriptor.get()));  // It is of this process.
  const ReceivedEvent lane_opened = reader.Receive();
  EXPECT_EQ(lane_opened.event.lane_opened().writer_session_id(), writer.session_id());
  EXPECT_EQ(lane_opened.event.lane_opened().lane_id(), lane->lane_id());
  EXPECT_EQ(lane_opened.event.lane_opened().reader_id(), opened->reader_id());
  EXPECT_EQ(RightsOf(lane_opened.descriptor), O_RDONLY);
  const ReceivedEvent reader_process = writer.Receive();
  EXPECT_EQ(reader_process.event.peer_process().session_id(), reader.session_id());
  EXPECT_FALSE(HasExited(reader_process.descriptor.get()));
  const ReceivedEvent joined = writer.Receive();
  EXPECT_EQ(joined.event.reader_joined().reader_session_id(), reader.session_id());
  EXPECT_EQ(joined.event.reader_joined().reader_id(), opened->reader_id());
  EXPECT_EQ(RightsOf(joined.descriptor), O_RDONLY);
  EXPECT_EQ(joined.event.reader_joined().roster_version(),
            lane_opened.event.lane_opened().roster_version());

  v1::CloseWriterRequest close;
  close.set_lane_id(lane->lane_id());
  EXPECT_THAT(writer_calls.CloseWriter(close), IsOk());
  const ReceivedEvent ended = reader.ReceiveUntil(v1::HandoffEvent::kLaneEnded);
  EXPECT_EQ(ended.event.lane_ended().lane_id(), lane->lane_id());
  EXPECT_EQ(ended.event.lane_ended().cause(), v1::END_CAUSE_CLOSED);
  v1::ReleaseLaneRequest release;
  release.set_reader_id(opened->reader_id());
  release.set_lane_id(lane->lane_id());
  EXPECT_THAT(reader_calls.ReleaseLane(release), IsOk());
  EXPECT_THAT(reader_calls.Detach(), IsOk());
  EXPECT_THAT(writer_calls.Detach(), IsOk());
  EXPECT_EQ(admin_.ListFiles()->files_size(), 0);
  EXPECT_EQ(admin_.DescribeCoordinator()->granted_bytes(), 0u);
}

TEST_F(CoordinatorCallsTest, RefusesCallsWithoutItsToken) {
  TestAgent agent(directory_);
  for (const std::string& token : {std::string(), std::string(32, 'x'), agent.token() + "x",
                                   agent.token().substr(1), std::string("short")}) {
    const absl::Status status =
        AgentsClient(directory_, token).OpenWriter(Writer("video")).status();
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kUnauthenticated)) << status;
  }
  // Nothing was made.
  EXPECT_THAT(admin_.DescribeStream("video"), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(CoordinatorCallsTest, DoesNotResumeAStolenSession) {
  testing::ForkedAgent victim(directory_);
  TestAgent thief(directory_, victim.session_id(), victim.token());
  EXPECT_EQ(thief.refusal().code(), static_cast<int>(absl::StatusCode::kPermissionDenied));
  TestAgent guesser(directory_, victim.session_id(), std::string(32, 'x'));
  EXPECT_EQ(guesser.refusal().code(), static_cast<int>(absl::StatusCode::kUnauthenticated));
}

TEST_F(CoordinatorCallsTest, ResumesWithEverythingTheSessionHas) {
  TestAgent agent(directory_);
  AgentsClient calls(directory_, agent.token());
  const absl::StatusOr<v1::OpenWriterResponse> lane = calls.OpenWriter(Writer("video"));
  ASSERT_THAT(lane, IsOk());
  ASSERT_THAT(calls.OpenReader(Reader("video")), IsOk());
  agent.Disconnect();

  TestAgent again(directory_, agent);
  ASSERT_TRUE(again.attached()) << again.refusal().message();
  EXPECT_TRUE(again.welcome().resumed());
  EXPECT_EQ(again.token(), agent.token());
  int descriptors = 0, joined = 0, opened = 0;
  while (true) {
    const ReceivedEvent received = again.Receive();
    if (received.event.has_snapshot_done()) break;
    ASSERT_NE(received.event.event_case(), v1::HandoffEvent::EVENT_NOT_SET);
    EXPECT_TRUE(received.descriptor.valid());
    descriptors += received.event.has_descriptor_granted();
    joined += received.event.has_reader_joined();
    opened += received.event.has_lane_opened();
  }
  EXPECT_EQ(descriptors, 2);
  EXPECT_EQ(joined, 1);
  EXPECT_EQ(opened, 1);
  EXPECT_THAT(calls.OpenWriter(Writer("video")), IsOk());
}

TEST_F(CoordinatorCallsTest, AnswersARetryWithTheFirstCallsLane) {
  TestAgent agent(directory_);
  AgentsClient calls(directory_, agent.token());
  v1::OpenWriterRequest request = Writer("video");
  request.set_idempotency_key("k1");
  const absl::StatusOr<v1::OpenWriterResponse> first = calls.OpenWriter(request);
  const absl::StatusOr<v1::OpenWriterResponse> second = calls.OpenWriter(request);
  ASSERT_THAT(first, IsOk());
  ASSERT_THAT(second, IsOk());
  EXPECT_EQ(first->lane_id(), second->lane_id());
}

TEST_F(CoordinatorCallsTest, RefusesAKeyThatIsTooLongWithItsField) {
  TestAgent agent(directory_);
  AgentsClient calls(directory_, agent.token());
  v1::OpenWriterRequest request = Writer("video");
  request.set_idempotency_key(std::string(1000, 'k'));
  const absl::Status status = calls.OpenWriter(request).status();
  EXPECT_THAT(status, StatusIs(kInvalidArgument));
  EXPECT_EQ(FieldOf(status), "idempotency_key") << status;
}

TEST_F(CoordinatorCallsTest, RefusesAPolicyThatItDoesNotKnowWithItsField) {
  TestAgent agent(directory_);
  AgentsClient calls(directory_, agent.token());
  v1::OpenReaderRequest request = Reader("video");
  request.set_policy(static_cast<v1::ReaderPolicy>(77));
  const absl::Status status = calls.OpenReader(request).status();
  EXPECT_THAT(status, StatusIs(kInvalidArgument));
  EXPECT_EQ(FieldOf(status), "policy") << status;
  EXPECT_THAT(admin_.DescribeStream("video"), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(CoordinatorCallsTest, NamesWhatItDoesNotKnow) {
  TestAgent agent(directory_);
  AgentsClient calls(directory_, agent.token());
  v1::GrantSegmentRequest grant;
  grant.set_lane_id(999);
  const absl::Status status = calls.GrantSegment(grant).status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kNotFound));
  const auto resource = DetailOf<google::rpc::ResourceInfo>(status);
  ASSERT_TRUE(resource.has_value());
  EXPECT_EQ(resource->resource_type(), "causeway.v1.Lane");
  EXPECT_EQ(resource->resource_name(), "999");

  v1::CloseReaderRequest close;
  close.set_reader_id(999);
  EXPECT_THAT(calls.CloseReader(close), StatusIs(absl::StatusCode::kNotFound));
  v1::TakeExtentRequest take;
  take.set_name("no such job");
  EXPECT_THAT(calls.TakeExtent(take), StatusIs(absl::StatusCode::kNotFound));
  v1::OpenWriterRequest missing = Writer("missing");
  missing.set_create_if_missing(false);
  EXPECT_THAT(calls.OpenWriter(missing), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(admin_.EvictAgent(999, "x"), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(CoordinatorCallsTest, DoesNotTouchAnotherAgentsLane) {
  TestAgent owner(directory_), other(directory_);
  const absl::StatusOr<v1::OpenWriterResponse> lane =
      AgentsClient(directory_, owner.token()).OpenWriter(Writer("video"));
  ASSERT_THAT(lane, IsOk());
  AgentsClient calls(directory_, other.token());
  v1::GrantSegmentRequest grant;
  grant.set_lane_id(lane->lane_id());
  EXPECT_THAT(calls.GrantSegment(grant), StatusIs(absl::StatusCode::kNotFound));
  v1::CloseWriterRequest close;
  close.set_lane_id(lane->lane_id());
  EXPECT_THAT(calls.CloseWriter(close), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(CoordinatorCallsTest, RefusesNamesWithTheRuleTheyBreak) {
  TestAgent agent(directory_);
  AgentsClient calls(directory_, agent.token());
  for (const std::string& name :
       {std::string(), std::string("."), std::string(".."), std::string("/"), std::string("a/b"),
        std::string("a\0b", 3), std::string(4096, 'x'), std::string("\x1b[2J"), std::string("a\nb"),
        std::string("\u202e")}) {
    const absl::Status writer = calls.OpenWriter(Writer(name)).status();
    EXPECT_THAT(writer, StatusIs(kInvalidArgument)) << name;
    EXPECT_EQ(FieldOf(writer), "stream") << writer;
    EXPECT_THAT(calls.OpenReader(Reader(name)), StatusIs(kInvalidArgument)) << name;
    v1::CreateStreamRequest create;
    create.set_name(name);
    v1::OpenSplitRequest split;
    split.set_name(name);
    v1::TakeExtentRequest take;
    take.set_name(name);
    for (const absl::Status& named :
         {admin_.CreateStream(create).status(), admin_.DescribeStream(name).status(),
          admin_.DeleteStream(name), calls.OpenSplit(split).status(),
          calls.TakeExtent(take).status()}) {
      EXPECT_THAT(named, StatusIs(kInvalidArgument)) << name;
      EXPECT_EQ(FieldOf(named), "name") << named;
    }
    const TestAgent refused(directory_, name);
    EXPECT_EQ(refused.refusal().code(), static_cast<int>(kInvalidArgument)) << name;
    EXPECT_THAT(std::string(refused.refusal().message()), HasSubstr("agent name")) << name;
  }
}

// Strings of the contract are UTF-8: what is not never gets as far as a call.
TEST_F(CoordinatorCallsTest, RefusesNamesThatAreNotUtf8) {
  TestAgent agent(directory_);
  AgentsClient calls(directory_, agent.token());
  const std::string name = "caf\xff";
  EXPECT_THAT(calls.OpenWriter(Writer(name)), Not(IsOk()));
  EXPECT_THAT(calls.OpenReader(Reader(name)), Not(IsOk()));
  v1::CreateStreamRequest create;
  create.set_name(name);
  EXPECT_THAT(admin_.CreateStream(create), Not(IsOk()));
  EXPECT_THAT(admin_.DeleteStream(name), Not(IsOk()));
  EXPECT_FALSE(TestAgent(directory_, name).attached());
  EXPECT_EQ(admin_.ListFiles()->files_size(), 0);
  EXPECT_EQ(admin_.ListAgents()->agents_size(), 1);
}

TEST_F(CoordinatorCallsTest, RefusesRangesAndChangesNothing) {
  TestAgent agent(directory_);
  AgentsClient calls(directory_, agent.token());
  const absl::StatusOr<v1::OpenWriterResponse> lane = calls.OpenWriter(Writer("video"));
  ASSERT_THAT(lane, IsOk());
  const uint64_t granted = admin_.DescribeCoordinator()->granted_bytes();

  for (uint64_t length :
       {uint64_t{1}, ~uint64_t{0}, ~uint64_t{0} - 4095, uint64_t{1} << 63, uint64_t{1} << 40}) {
    v1::GrantSegmentRequest grant;
    grant.set_lane_id(lane->lane_id());
    grant.set_length(length);
    const absl::Status status = calls.GrantSegment(grant).status();
    EXPECT_THAT(status.code(), ::testing::AnyOf(kInvalidArgument, absl::StatusCode::kOutOfRange,
                                                absl::StatusCode::kResourceExhausted))
        << length << ": " << status;
  }
  for (uint64_t offset : {uint64_t{1}, ~uint64_t{0} - 4095, lane->segments(0).offset() + PageSize(),
                          lane->lane_page().offset(), uint64_t{1} << 40}) {
    v1::ReturnSegmentRequest give_back;
    give_back.set_lane_id(lane->lane_id());
    give_back.set_offset(offset);
    EXPECT_THAT(calls.ReturnSegment(give_back), Not(IsOk())) << offset;
  }
  EXPECT_EQ(admin_.DescribeCoordinator()->granted_bytes(), granted);

  v1::OpenWriterRequest odd = Writer("odd");
  odd.mutable_create_options()->set_segment_bytes(5000);
  const absl::Status status = calls.OpenWriter(odd).status();
  EXPECT_THAT(status, StatusIs(kInvalidArgument, HasSubstr("5000")));
  EXPECT_EQ(FieldOf(status), "create_options");
  EXPECT_THAT(admin_.DescribeStream("odd"), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(CoordinatorCallsTest, GrantsAndTakesBackSegments) {
  TestAgent agent(directory_);
  AgentsClient calls(directory_, agent.token());
  const absl::StatusOr<v1::OpenWriterResponse> lane = calls.OpenWriter(Writer("video"));
  ASSERT_THAT(lane, IsOk());
  const uint64_t before = admin_.DescribeCoordinator()->granted_bytes();
  v1::GrantSegmentRequest grant;
  grant.set_lane_id(lane->lane_id());
  const absl::StatusOr<v1::GrantSegmentResponse> segment = calls.GrantSegment(grant);
  ASSERT_THAT(segment, IsOk());
  EXPECT_EQ(segment->segment().length(), lane->options().segment_bytes());
  EXPECT_EQ(admin_.DescribeCoordinator()->granted_bytes(), before + segment->segment().length());
  v1::ReturnSegmentRequest give_back;
  give_back.set_lane_id(lane->lane_id());
  give_back.set_offset(segment->segment().offset());
  EXPECT_THAT(calls.ReturnSegment(give_back), IsOk());
  EXPECT_THAT(calls.ReturnSegment(give_back), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_EQ(admin_.DescribeCoordinator()->granted_bytes(), before);
}

TEST_F(CoordinatorCallsTest, FencesWhomItEvicts) {
  TestAgent agent(directory_);
  AgentsClient calls(directory_, agent.token());
  ASSERT_THAT(calls.OpenWriter(Writer("video")), IsOk());
  ASSERT_THAT(admin_.EvictAgent(agent.session_id(), "too greedy"), IsOk());
  EXPECT_EQ(agent.ReceiveUntil(v1::HandoffEvent::kEvicted).event.evicted().reason(), "too greedy");
  const absl::Status status = calls.OpenWriter(Writer("video")).status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("too greedy")));
  TestAgent again(directory_, agent);
  EXPECT_EQ(again.refusal().code(), static_cast<int>(absl::StatusCode::kFailedPrecondition));
}

TEST_F(CoordinatorCallsTest, RefusesAMessageThatIsTooLong) {
  TestAgent agent(directory_);
  AgentsClient calls(directory_, agent.token());
  v1::OpenWriterRequest request = Writer("video");
  request.set_idempotency_key(std::string(100 << 20, 'x'));
  EXPECT_THAT(calls.OpenWriter(request), StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(calls.OpenWriter(Writer("video")), IsOk());
}

TEST_F(CoordinatorCallsTest, SplitsAFileThatAUserBrought) {
  TestAgent owner(directory_), worker(directory_);
  AgentsClient owner_calls(directory_, owner.token()), worker_calls(directory_, worker.token());
  const std::string source_path = temporary_.parent() + "/source";
  const std::string target_path = temporary_.parent() + "/target";
  UniqueFd source(open(source_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  UniqueFd target(open(target_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  const uint64_t length = 3 * PageSize() + 100;
  ASSERT_EQ(ftruncate(source.get(), static_cast<off_t>(length)), 0);
  ASSERT_EQ(ftruncate(target.get(), static_cast<off_t>(length)), 0);
  const v1::FileBrought brought_source =
      owner.BringFile(source.get(), v1::PROTECTION_READ, source_path);
  const v1::FileBrought brought_target =
      owner.BringFile(target.get(), v1::PROTECTION_READ_WRITE, target_path);
  ASSERT_NE(brought_source.file_id(), 0u) << brought_source.message();
  ASSERT_NE(brought_target.file_id(), 0u) << brought_target.message();

  v1::OpenSplitRequest open_split;
  open_split.set_name("copy");
  open_split.set_source_file_id(brought_source.file_id());
  open_split.set_target_file_id(brought_target.file_id());
  open_split.set_length(length);
  open_split.set_extent_bytes(100);
  EXPECT_EQ(FieldOf(owner_calls.OpenSplit(open_split).status()), "extent_bytes");
  open_split.set_extent_bytes(2 * PageSize());
  open_split.set_length(length + 1);
  EXPECT_EQ(FieldOf(owner_calls.OpenSplit(open_split).status()), "length");
  open_split.set_length(length);
  open_split.set_target_file_id(brought_source.file_id());
  EXPECT_EQ(FieldOf(owner_calls.OpenSplit(open_split).status()), "target_file_id");
  open_split.set_target_file_id(brought_target.file_id());
  const absl::StatusOr<v1::OpenSplitResponse> split = owner_calls.OpenSplit(open_split);
  ASSERT_THAT(split, IsOk());
  EXPECT_EQ(split->extent_count(), 2u);

  v1::TakeExtentRequest take;
  take.set_name("copy");
  const absl::StatusOr<v1::TakeExtentResponse> first = worker_calls.TakeExtent(take);
  ASSERT_THAT(first, IsOk());
  ASSERT_EQ(first->state(), v1::TakeExtentResponse::STATE_GRANTED);
  EXPECT_EQ(RightsOf(worker.Receive().descriptor), O_RDONLY);
  EXPECT_EQ(RightsOf(worker.Receive().descriptor), O_RDWR);
  const absl::StatusOr<v1::TakeExtentResponse> second = worker_calls.TakeExtent(take);
  ASSERT_THAT(second, IsOk());
  EXPECT_EQ(second->source().length(), PageSize() + 100);

  // The owner waits until the worker is done.
  absl::StatusOr<v1::TakeExtentResponse> last;
  std::thread waiting([&] {
    v1::TakeExtentRequest patient = take;
    patient.set_wait_ms(60'000);
    do {
      last = owner_calls.TakeExtent(patient);
    } while (last.ok() && last->state() == v1::TakeExtentResponse::STATE_WAIT);
  });
  for (const auto& taken : {first, second}) {
    v1::CompleteExtentRequest complete;
    complete.set_split_id(split->split_id());
    complete.set_extent_index(taken->extent_index());
    complete.set_epoch(taken->epoch());
    EXPECT_THAT(worker_calls.CompleteExtent(complete), IsOk());
  }
  waiting.join();
  ASSERT_THAT(last, IsOk());
  EXPECT_EQ(last->state(), v1::TakeExtentResponse::STATE_FINISHED);
}

TEST_F(CoordinatorCallsTest, RefusesFilesThatCannotBeMappedAsAsked) {
  TestAgent agent(directory_);
  UniqueFd read_only(open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(agent.BringFile(read_only.get(), v1::PROTECTION_READ_WRITE, "exe").code(),
            static_cast<int>(absl::StatusCode::kPermissionDenied));
  EXPECT_EQ(agent.BringFile(read_only.get(), v1::PROTECTION_UNSPECIFIED, "exe").code(),
            static_cast<int>(kInvalidArgument));
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  UniqueFd reading(ends[0]), writing(ends[1]);
  const v1::FileBrought pipe = agent.BringFile(reading.get(), v1::PROTECTION_READ, "pipe");
  EXPECT_EQ(pipe.code(), static_cast<int>(kInvalidArgument));
  EXPECT_EQ(pipe.file_id(), 0u);
}

TEST_F(CoordinatorCallsTest, LimitsAnAgentThatFloodsAndServesTheOthers) {
  TestAgent flooder(directory_), other(directory_);
  UniqueFd file(open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  int refused = 0;
  for (int i = 0; i < 200; ++i) {
    const v1::FileBrought answer = flooder.BringFile(file.get(), v1::PROTECTION_READ, "exe");
    refused += answer.code() == static_cast<int>(absl::StatusCode::kResourceExhausted);
  }
  EXPECT_EQ(refused, 200 - 64);  // max_brought_files_per_agent
  EXPECT_NE(other.BringFile(file.get(), v1::PROTECTION_READ, "exe").file_id(), 0u);
}

TEST_F(CoordinatorCallsTest, ShowsOperatorsStreamsAndKeepsThoseInUse) {
  TestAgent agent(directory_);
  AgentsClient calls(directory_, agent.token());
  ASSERT_THAT(calls.OpenWriter(Writer("video")), IsOk());
  v1::OpenReaderRequest dropping = Reader("video");
  dropping.set_policy(v1::READER_POLICY_DROP);
  const absl::StatusOr<v1::OpenReaderResponse> reader = calls.OpenReader(dropping);
  ASSERT_THAT(reader, IsOk());
  EXPECT_EQ(reader->policy(), v1::READER_POLICY_DROP);
  const absl::StatusOr<v1::DescribeStreamResponse> stream = admin_.DescribeStream("video");
  ASSERT_THAT(stream, IsOk());
  EXPECT_EQ(stream->lanes_size(), 1);
  EXPECT_EQ(stream->cursors_size(), 1);
  EXPECT_EQ(stream->cursors(0).lag_bytes(), 0u);
  EXPECT_EQ(stream->cursors(0).policy(), v1::READER_POLICY_DROP);
  EXPECT_THAT(admin_.DeleteStream("video"), StatusIs(absl::StatusCode::kFailedPrecondition));
  ASSERT_THAT(calls.Detach(), IsOk());
  EXPECT_THAT(admin_.DeleteStream("video"), IsOk());
  EXPECT_THAT(admin_.DeleteStream("video"), StatusIs(absl::StatusCode::kNotFound));
}

}  // namespace
}  // namespace causeway
