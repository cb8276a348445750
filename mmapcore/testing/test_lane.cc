#include "mmapcore/testing/test_lane.h"

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "mmapcore/allocate.h"
#include "mmapcore/segment_format.h"
#include "mmapcore/unique_fd.h"

namespace causeway::testing {
namespace {

void Check(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "test_lane: %s\n", status.ToString().c_str());
  std::abort();
}

template <typename T>
T Value(absl::StatusOr<T> value) {
  Check(value.status());
  return *std::move(value);
}

// Each reader's page stands behind a page of another lane, so that offsets are not all zero.
constexpr uint64_t kCursorOffset = kHeaderPageBytes;

std::byte PatternByte(uint64_t seed, size_t index) {
  return static_cast<std::byte>((seed * 131 + index * 7 + (index >> 8)) & 0xFF);
}

}  // namespace

std::optional<MappedSegment> FileSupply::TakeReady() {
  absl::MutexLock lock(&mutex_);
  if (ready_.empty()) return std::nullopt;
  MappedSegment segment = std::move(ready_.front());
  ready_.pop_front();
  return segment;
}

void FileSupply::MakeReady(uint64_t bytes) {
  ready_.push_back(Value(MapSegmentForWriting(file_, AllocateLocked(bytes))));
}

void FileSupply::RequestAhead(uint64_t bytes) {
  absl::MutexLock lock(&mutex_);
  requests_.push_back(bytes);
  if (mode_ == Mode::kServe && ready_.empty()) MakeReady(bytes);
  if (mode_ == Mode::kHold) held_request_ = bytes;
}

void FileSupply::Return(MappedSegment segment) {
  absl::MutexLock lock(&mutex_);
  returned_.push_back(segment.extent);
}

FileExtent FileSupply::Allocate(uint64_t bytes) {
  absl::MutexLock lock(&mutex_);
  return AllocateLocked(bytes);
}

FileExtent FileSupply::AllocateLocked(uint64_t bytes) {
  const FileExtent extent = {.offset = next_offset_, .length = bytes};
  Check(AllocateExtent(file_, extent.offset, extent.length));
  next_offset_ += bytes;
  return extent;
}

void FileSupply::set_mode(Mode mode) {
  absl::MutexLock lock(&mutex_);
  mode_ = mode;
}

int FileSupply::ServeRequests() {
  absl::MutexLock lock(&mutex_);
  if (!held_request_.has_value()) return 0;
  MakeReady(*held_request_);
  held_request_.reset();
  return 1;
}

std::vector<uint64_t> FileSupply::requests() const {
  absl::MutexLock lock(&mutex_);
  return requests_;
}

std::vector<FileExtent> FileSupply::returned() const {
  absl::MutexLock lock(&mutex_);
  return returned_;
}

void FileSupply::Offer(MappedSegment segment) {
  absl::MutexLock lock(&mutex_);
  ready_.push_front(std::move(segment));
}

TestLane::TestLane(const TestLaneOptions& options)
    : options_(options),
      lane_file_(AnonymousFile("lane", kHeaderPageBytes)),
      supply_(lane_file_, kHeaderPageBytes) {
  for (int i = 0; i < options.initial_segments; ++i) {
    initial_segments_.push_back(supply_.Allocate(options.segment_bytes));
  }
}

TestLane::~TestLane() = default;

LaneWriter& TestLane::writer() {
  if (writer_ == nullptr) {
    writer_ =
        Value(LaneWriter::Create(Value(MappedFile::FromFd(UniqueFd(dup(lane_file_.fd())), "lane")),
                                 kLanePageOffset, initial_segments_,
                                 {.identity = options_.identity,
                                  .segment_bytes = options_.segment_bytes,
                                  .capacity_bytes = options_.capacity_bytes,
                                  .max_frame_bytes = options_.max_frame_bytes,
                                  .keep_idle = options_.keep_idle,
                                  .grow_eagerly_bytes = options_.grow_eagerly_bytes,
                                  .grow_patience = options_.grow_patience,
                                  .lap_patience = options_.lap_patience,
                                  .wait_mode = options_.wait_mode,
                                  .timestamps = options_.timestamps,
                                  .sleep_watch = options_.sleep_watch},
                                 &supply_));
  }
  return *writer_;
}

std::unique_ptr<LaneReader> TestLane::OpenReader(uint64_t reader_id,
                                                 const TestReaderOptions& options) {
  return Value(TryOpenReader(reader_id, options));
}

absl::StatusOr<std::unique_ptr<LaneReader>> TestLane::TryOpenReader(
    uint64_t reader_id, const TestReaderOptions& options) {
  policies_[reader_id] = options.policy;
  cursor_files_[reader_id] =
      std::make_unique<MappedFile>(AnonymousFile("cursors", 2 * kHeaderPageBytes));
  join_versions_[reader_id] = roster_version_ + 1;
  return LaneReader::Create(Value(lane_file_.OpenReadOnly()), kLanePageOffset,
                            *cursor_files_[reader_id], kCursorOffset,
                            {.identity = options_.identity,
                             .reader_id = reader_id,
                             .roster_version = join_versions_[reader_id],
                             .max_frame_bytes = options_.max_frame_bytes,
                             .timestamps = options_.timestamps,
                             .policy = options.policy,
                             .start = options.start,
                             .max_mapped_bytes = options.max_mapped_bytes});
}

void TestLane::Admit(uint64_t reader_id) {
  roster_[reader_id] =
      Value(ReaderCursor::Map(Value(cursor_files_[reader_id]->OpenReadOnly()), kCursorOffset,
                              options_.identity, reader_id, policies_.at(reader_id)));
  ++roster_version_;
  SetRoster();
}

void TestLane::Dismiss(uint64_t reader_id) {
  roster_.erase(reader_id);
  ++roster_version_;
  SetRoster();
}

void TestLane::SetRoster() {
  std::vector<std::shared_ptr<ReaderCursor>> readers;
  for (const auto& [id, cursor] : roster_) readers.push_back(cursor);
  writer().SetRoster(std::move(readers), roster_version_);
}

std::unique_ptr<LaneReader> TestLane::Join(uint64_t reader_id, const TestReaderOptions& options) {
  std::unique_ptr<LaneReader> reader = OpenReader(reader_id, options);
  Admit(reader_id);
  return reader;
}

std::vector<std::byte> PatternFrame(uint64_t seed, size_t length) {
  std::vector<std::byte> payload(length);
  for (size_t i = 0; i < length; ++i) payload[i] = PatternByte(seed, i);
  return payload;
}

bool IsPatternFrame(uint64_t seed, std::span<const std::byte> payload) {
  for (size_t i = 0; i < payload.size(); ++i) {
    if (payload[i] != PatternByte(seed, i)) return false;
  }
  return true;
}

bool WritePattern(LaneWriter& writer, uint64_t seed, size_t length) {
  return writer.TryWrite(PatternFrame(seed, length)) == Refusal::kNone;
}

bool ReadsPattern(LaneReader& reader, uint64_t seed, size_t length) {
  const FrameView frame = reader.TryNext();
  return frame && frame.size == length && IsPatternFrame(seed, frame.payload());
}

MappedFile AnonymousFile(const std::string& label, uint64_t size) {
  MappedFile file =
      Value(MappedFile::FromFd(UniqueFd(memfd_create(label.c_str(), MFD_CLOEXEC)), label));
  Check(AllocateExtent(file, 0, size));
  return file;
}

}  // namespace causeway::testing
