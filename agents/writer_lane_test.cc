#include "agents/writer_lane.h"

#include <sys/resource.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <thread>

#include "absl/strings/cord.h"
#include "agents/testing/local_stream.h"
#include "gtest/gtest.h"
#include "mmapcore/page.h"

namespace causeway {
namespace {

constexpr absl::Duration kLong = absl::Seconds(60);
constexpr absl::Duration kShort = absl::Milliseconds(5);

class WriterLaneTest : public ::testing::Test {
 protected:
  WriterLaneTest() { stream_.AddWriter(1); }

  WriterLane& writer() { return stream_.writer(1); }

  absl::Status Write(size_t bytes, absl::Duration timeout) {
    absl::StatusOr<Claim> claim = writer().ClaimUntil(bytes, timeout);
    if (!claim.ok()) return claim.status();
    std::memset(claim->data, 'x', bytes);
    return writer().lane()->Commit(bytes) ? absl::OkStatus() : writer().lane()->status();
  }

  // Fills the lane up to what its readers hold; returns why it ended.
  absl::Status Fill(absl::Duration timeout = kShort) {
    absl::Status status;
    while (status.ok()) status = Write(1000, timeout);
    return status;
  }

  LocalStream stream_;
};

TEST_F(WriterLaneTest, WithoutReadersNothingIsHeldBack) {
  stream_.set_grants(false);
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(Write(1000, absl::ZeroDuration()).ok());
}

TEST_F(WriterLaneTest, AReaderThatNeverReadsBlocksAndIsNamed) {
  stream_.AddReader(7);
  stream_.Introduce(1, 7);
  const absl::Status status = Fill();
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_NE(status.message().find("agent-7"), std::string::npos) << status;
}

TEST_F(WriterLaneTest, GrowsToItsCapacityWhileReadersLag) {
  stream_.AddReader(7);
  stream_.Introduce(1, 7);
  Fill().IgnoreError();
  EXPECT_EQ(writer().lane()->counters().segment_bytes, LocalStream::kCapacityBytes);
}

TEST_F(WriterLaneTest, AReaderThatLeavesIsWaitedForNoMore) {
  stream_.AddReader(7);
  stream_.Introduce(1, 7);
  Fill().IgnoreError();
  std::thread event([this] { EXPECT_TRUE(writer().Leave(7, 2)); });
  EXPECT_TRUE(Write(1000, kLong).ok());
  event.join();
  EXPECT_EQ(writer().readers(), 0);
}

TEST_F(WriterLaneTest, AReaderThatIsNotNamedAgainHasLeft) {
  stream_.AddReader(7);
  stream_.AddReader(8);
  stream_.Introduce(1, 7);
  stream_.Introduce(1, 8);
  writer().KeepOnly({8});
  EXPECT_EQ(writer().readers(), 1);
  EXPECT_EQ(writer().lane()->reader_count(), 1);
}

TEST_F(WriterLaneTest, AFenceEndsAWait) {
  stream_.AddReader(7);
  stream_.Introduce(1, 7);
  Fill().IgnoreError();
  std::thread event([this] { writer().Fence(absl::FailedPreconditionError("evicted: test")); });
  const absl::Status status = Write(1000, kLong);
  event.join();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(status.message().find("evicted: test"), std::string::npos) << status;
  EXPECT_EQ(Write(1, kLong).code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(WriterLaneTest, AFrameAboveTheLimitIsTheCallersMistake) {
  const absl::Status status = Write(LocalStream::kMaxFrameBytes + 1, kLong);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(status.message().find("65536"), std::string::npos) << status;
}

// Populated where it is granted: the application's thread finds every page in place.
TEST_F(WriterLaneTest, AGrantedSegmentCostsTheWritersThreadNoPageFaults) {
  stream_.AddReader(7);
  stream_.Introduce(1, 7);
  Fill().IgnoreError();
  constexpr uint64_t kBytes = uint64_t{8} << 20;
  std::thread events([this] { stream_.Grant(1, kBytes); });
  events.join();
  rusage before;
  getrusage(RUSAGE_THREAD, &before);
  Fill().IgnoreError();
  rusage after;
  getrusage(RUSAGE_THREAD, &after);
  EXPECT_GT(writer().counters().payload_bytes, kBytes / 2);
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
  return;  // Its shadow of a page is several pages, which fault.
#endif
#endif
  // Some may come from elsewhere, such as a sanitizer's shadow of those pages.
  EXPECT_LT(after.ru_minflt - before.ru_minflt, static_cast<int64_t>(kBytes / PageSize() / 4));
}

TEST_F(WriterLaneTest, AGrantThatCannotBeMappedIsARefusal) {
  const uint64_t nowhere = uint64_t{1} << 40;
  EXPECT_EQ(writer().SegmentGranted({nowhere, LocalStream::kSegmentBytes}).code(),
            absl::StatusCode::kOutOfRange);
  EXPECT_EQ(writer().counters().segments_granted, 0u);
  stream_.set_grants(false);
  stream_.AddReader(7);
  stream_.Introduce(1, 7);
  const absl::Status status = Fill();
  EXPECT_NE(status.message().find("past the file's end"), std::string::npos) << status;
}

TEST_F(WriterLaneTest, AFrameLargerThanASegmentAsksForOne) {
  EXPECT_TRUE(Write(LocalStream::kMaxFrameBytes, kLong).ok());
  bool asked = false;
  for (uint64_t bytes : stream_.requests()) asked |= bytes > LocalStream::kMaxFrameBytes;
  EXPECT_TRUE(asked);
}

TEST_F(WriterLaneTest, ARefusedSegmentForALargeFrameIsPassedOn) {
  stream_.set_grants(false);
  std::thread coordinator([this] {
    while (stream_.requests().empty()) std::this_thread::yield();
    absl::Status full = absl::ResourceExhaustedError("/dev/shm: needed 69632, free 0");
    full.SetPayload("type.googleapis.com/google.rpc.Status", absl::Cord("details"));
    writer().SegmentRefused(full);
  });
  const absl::Status status = Write(LocalStream::kMaxFrameBytes, kLong);
  coordinator.join();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_NE(status.message().find("needed 69632"), std::string::npos) << status;
  EXPECT_TRUE(status.GetPayload("type.googleapis.com/google.rpc.Status").has_value());
  EXPECT_TRUE(Write(1000, kLong).ok());  // Others still fit.
}

TEST_F(WriterLaneTest, WhatWasRefusedBeforeIsAskedForAgain) {
  stream_.set_grants(false);
  std::thread coordinator([this] {
    while (stream_.requests().empty()) std::this_thread::yield();
    writer().SegmentRefused(absl::ResourceExhaustedError("free 0"));
  });
  EXPECT_EQ(Write(LocalStream::kMaxFrameBytes, kLong).code(), absl::StatusCode::kResourceExhausted);
  coordinator.join();
  // Who has no time to wait for another answer is told the last one.
  EXPECT_EQ(Write(LocalStream::kMaxFrameBytes, absl::ZeroDuration()).code(),
            absl::StatusCode::kResourceExhausted);
  stream_.set_grants(true);  // There is space again.
  const absl::Status status = Write(LocalStream::kMaxFrameBytes, kLong);
  EXPECT_TRUE(status.ok()) << status;
}

TEST_F(WriterLaneTest, WithoutCoordinatorALargeFrameIsUnavailable) {
  stream_.set_grants(false);
  std::thread calls([this] {
    while (stream_.requests().empty()) std::this_thread::yield();
    writer().SegmentDelayed(absl::UnavailableError("the coordinator is away"));
  });
  EXPECT_EQ(Write(LocalStream::kMaxFrameBytes, kLong).code(), absl::StatusCode::kUnavailable);
  calls.join();
  // What comes late is used all the same.
  stream_.Grant(1, 72 * 1024);
  EXPECT_TRUE(Write(LocalStream::kMaxFrameBytes, kLong).ok());
}

TEST_F(WriterLaneTest, OneRequestIsUnderWayAtATime) {
  stream_.set_grants(false);
  stream_.AddReader(7);
  stream_.Introduce(1, 7);
  Fill().IgnoreError();
  Fill().IgnoreError();
  EXPECT_EQ(stream_.requests().size(), 1u);
}

TEST_F(WriterLaneTest, AReaderThatCannotBeMappedHoldsBackThoseBehindIt) {
  stream_.AddReader(7);
  stream_.Introduce(1, 7);
  absl::StatusOr<MappedFile> lane_file = stream_.lane_file(1).OpenReadOnly();
  ASSERT_TRUE(lane_file.ok());
  EXPECT_FALSE(writer()
                   .Join({.reader_id = 8,
                          .label = "broken",
                          .cursor_file = *std::move(lane_file),
                          .cursor = {uint64_t{1} << 40, 4096},
                          .roster_version = 2})
                   .ok());
  ReaderLanes& late = stream_.AddReader(9);
  stream_.Introduce(1, 9);
  stream_.Introduce(1, 9);  // Its version is 3 by now: behind the one that failed.
  ASSERT_TRUE(Write(10, kLong).ok());
  EXPECT_EQ(late.Next(absl::ZeroDuration())->kind, Delivery::Kind::kDeadline);
  EXPECT_TRUE(writer().Leave(8, 4));
  EXPECT_EQ(late.Next(kLong)->kind, Delivery::Kind::kFrame);
}

TEST_F(WriterLaneTest, CountersOutliveTheLane) {
  ASSERT_TRUE(Write(1000, kLong).ok());
  writer().Close();
  EXPECT_EQ(writer().counters().frames, 1);
  EXPECT_EQ(writer().counters().payload_bytes, 1000);
  EXPECT_EQ(writer().lane(), nullptr);
  writer().Fence(absl::FailedPreconditionError("late"));
  writer().Close();
}

TEST_F(WriterLaneTest, WaitsForReaders) {
  stream_.AddReader(7);
  EXPECT_EQ(writer().WaitForReaders(1, kShort).code(), absl::StatusCode::kDeadlineExceeded);
  std::thread event([this] { stream_.Introduce(1, 7); });
  EXPECT_TRUE(writer().WaitForReaders(1, kLong).ok());
  event.join();
}

}  // namespace
}  // namespace causeway
