#include "agents/testing/local_stream.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "mmapcore/allocate.h"
#include "mmapcore/segment_format.h"
#include "mmapcore/unique_fd.h"

namespace causeway {
namespace {

MappedFile Anonymous(const std::string& label) {
  absl::StatusOr<MappedFile> file =
      MappedFile::FromFd(UniqueFd(memfd_create(label.c_str(), MFD_CLOEXEC)), label);
  EXPECT_TRUE(file.ok()) << file.status();
  return *std::move(file);
}

MappedFile Duplicate(const MappedFile& file) {
  absl::StatusOr<MappedFile> copy =
      MappedFile::FromFd(UniqueFd(fcntl(file.fd(), F_DUPFD_CLOEXEC, 0)), file.label());
  EXPECT_TRUE(copy.ok()) << copy.status();
  return *std::move(copy);
}

MappedFile ReadOnly(const MappedFile& file) {
  absl::StatusOr<MappedFile> copy = file.OpenReadOnly();
  EXPECT_TRUE(copy.ok()) << copy.status();
  return *std::move(copy);
}

LaneIdentity IdentityOf(uint64_t lane_id) {
  return {.stream_id = 1, .lane_id = lane_id, .epoch = 3};
}

}  // namespace

FileExtent LocalStream::Allocate(WriterSide& writer, uint64_t bytes) {
  const FileExtent extent = {writer.next_offset, bytes};
  const absl::Status status = AllocateExtent(*writer.file, extent.offset, extent.length);
  EXPECT_TRUE(status.ok()) << status;
  writer.next_offset += bytes;
  return extent;
}

WriterLane& LocalStream::AddWriter(uint64_t lane_id) {
  WriterSide& writer = writers_[lane_id];
  writer.file = std::make_shared<MappedFile>(Anonymous(absl::StrCat("lane-", lane_id)));
  Allocate(writer, kHeaderPageBytes);
  const std::vector<FileExtent> segments = {Allocate(writer, kSegmentBytes),
                                            Allocate(writer, kSegmentBytes)};
  LaneWriterOptions options;
  options.identity = IdentityOf(lane_id);
  options.segment_bytes = kSegmentBytes;
  options.capacity_bytes = kCapacityBytes;
  options.max_frame_bytes = kMaxFrameBytes;
  options.timestamps = timestamps_;
  absl::StatusOr<std::shared_ptr<WriterLane>> lane =
      WriterLane::Create(Duplicate(*writer.file), 0, segments, options,
                         {.request_segment =
                              [this, lane_id](uint64_t bytes) {
                                {
                                  absl::MutexLock lock(&mutex_);
                                  requests_.push_back(bytes);
                                }
                                if (grants_) Grant(lane_id, bytes);
                              },
                          .return_segment = [](const std::shared_ptr<MappedSegment>&) {}});
  EXPECT_TRUE(lane.ok()) << lane.status();
  writer.lane = *std::move(lane);
  return *writer.lane;
}

ReaderLanes& LocalStream::AddReader(uint64_t reader_id, WaitMode mode,
                                    const ReaderOptions& reading) {
  ReaderSide& reader = readers_[reader_id];
  reader.policy = reading.policy;
  reader.file = std::make_shared<MappedFile>(Anonymous(absl::StrCat("cursors-", reader_id)));
  reader.lanes =
      std::make_shared<ReaderLanes>(ReaderLanes::Options{.reader_id = reader_id,
                                                         .stream = "local",
                                                         .max_frame_bytes = kMaxFrameBytes,
                                                         .wait_mode = mode,
                                                         .policy = reading.policy,
                                                         .start = reading.start,
                                                         .start_positions = reading.start_positions,
                                                         .timestamps = timestamps_,
                                                         .merge = reading.merge,
                                                         .merge_patience = reading.merge_patience},
                                    Duplicate(*reader.file), [this](uint64_t lane_id) {
                                      absl::MutexLock lock(&mutex_);
                                      released_.push_back(lane_id);
                                    });
  return *reader.lanes;
}

uint64_t LocalStream::CursorOffset(uint64_t lane_id, uint64_t reader_id) {
  ReaderSide& reader = readers_.at(reader_id);
  const uint64_t next = reader.cursor_offsets.size() * kHeaderPageBytes;
  const auto [known, added] = reader.cursor_offsets.try_emplace(lane_id, next);
  if (added) {
    const absl::Status status = AllocateExtent(*reader.file, next, kHeaderPageBytes);
    EXPECT_TRUE(status.ok()) << status;
    ++version_;
  }
  return known->second;
}

void LocalStream::TellWriter(uint64_t lane_id, uint64_t reader_id) {
  const uint64_t offset = CursorOffset(lane_id, reader_id);
  const absl::Status status =
      writer(lane_id).Join({.reader_id = reader_id,
                            .label = absl::StrCat("agent-", reader_id),
                            .cursor_file = ReadOnly(*readers_.at(reader_id).file),
                            .cursor = {offset, kHeaderPageBytes},
                            .roster_version = version_,
                            .policy = readers_.at(reader_id).policy});
  EXPECT_TRUE(status.ok()) << status;
}

void LocalStream::TellReader(uint64_t lane_id, uint64_t reader_id) {
  const uint64_t offset = CursorOffset(lane_id, reader_id);
  const absl::Status status =
      reader(reader_id).AddLane({.identity = IdentityOf(lane_id),
                                 .label = absl::StrCat("agent-of-lane-", lane_id),
                                 .file = ReadOnly(*writers_.at(lane_id).file),
                                 .lane_page_offset = 0,
                                 .cursor_offset = offset,
                                 .roster_version = version_});
  EXPECT_TRUE(status.ok()) << status;
}

void LocalStream::Introduce(uint64_t lane_id, uint64_t reader_id) {
  TellWriter(lane_id, reader_id);
  TellReader(lane_id, reader_id);
}

void LocalStream::Grant(uint64_t lane_id, uint64_t bytes) {
  WriterSide& writer = writers_.at(lane_id);
  const absl::Status status = writer.lane->SegmentGranted(Allocate(writer, bytes));
  EXPECT_TRUE(status.ok()) << status;
}

std::vector<uint64_t> LocalStream::requests() const {
  absl::MutexLock lock(&mutex_);
  return requests_;
}

std::vector<uint64_t> LocalStream::released() const {
  absl::MutexLock lock(&mutex_);
  return released_;
}

}  // namespace causeway
