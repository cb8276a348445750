#include "mmapcore/reader_segments.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "mmapcore/mapping.h"
#include "mmapcore/segment_format.h"
#include "mmapcore/sigbus_guard.h"

namespace causeway {
namespace {

// What the writer named is not in the file, or no segment: to the reader that is damage, not its
// own mistake, and not something to wait for.
absl::Status AsDamage(const absl::Status& status) {
  if (!absl::IsOutOfRange(status) && !absl::IsUnavailable(status)) return status;
  return absl::DataLossError(status.message());
}

}  // namespace

absl::StatusOr<const ReaderSegments::Segment*> ReaderSegments::Get(FileExtent extent,
                                                                   uint64_t named_at) {
  MappingOptions options = {.protection = Protection::kRead,
                            .populate = Populate::kForReading,
                            .guarded = SigbusGuard::installed()};
  PageIdentity expected = {
      .kind = PageKind::kSegment, .lane = lane_, .offset = extent.offset, .length = extent.length};
  if (extent.length == 0) {
    if (absl::Status status =
            CheckSegmentExtent(extent.offset, kMaxSegmentBytes, file_.label(), named_at);
        !status.ok()) {
      return status;
    }
    const absl::StatusOr<uint64_t> length = LengthAt(extent.offset, expected, options);
    if (!length.ok()) return length.status();
    extent.length = *length;
    expected.length = *length;
  }
  if (absl::Status status =
          CheckSegmentExtent(extent.offset, extent.length, file_.label(), named_at);
      !status.ok()) {
    return status;
  }

  const auto known = std::find_if(mapped_.begin(), mapped_.end(),
                                  [&](const auto& segment) { return segment->extent == extent; });
  if (known != mapped_.end()) {
    (*known)->last_use = ++uses_;
    return known->get();
  }

  MakeRoomFor(extent.length);
  absl::StatusOr<Mapping> mapping = Mapping::Map(file_, extent.offset, extent.length, options);
  if (!mapping.ok()) return AsDamage(mapping.status());
  auto segment = std::make_unique<Segment>(
      Segment{.extent = extent, .mapping = *std::move(mapping), .last_use = ++uses_});
  const absl::Status valid = ReadPage(segment->header().page, expected, file_.label()).status();
  if (segment->mapping.damaged()) return segment->mapping.damage();
  if (!valid.ok()) return AsDamage(valid);
  mapped_bytes_ += extent.length;
  mapped_.push_back(std::move(segment));
  return mapped_.back().get();
}

absl::StatusOr<uint64_t> ReaderSegments::LengthAt(uint64_t offset, const PageIdentity& expected,
                                                  const MappingOptions& options) const {
  const auto length_in = [&](const Mapping& mapping) -> absl::StatusOr<uint64_t> {
    const absl::StatusOr<PageIdentity> found =
        ReadPage(PageAt<PageHeader>(mapping.data()), expected, file_.label());
    if (mapping.damaged()) return mapping.damage();
    if (!found.ok()) return AsDamage(found.status());
    return found->length;
  };
  const auto known = std::find_if(mapped_.begin(), mapped_.end(), [&](const auto& segment) {
    return segment->extent.offset == offset;
  });
  // A reader that was lapped looks for its next segment in a hurry: no system call, if it can be.
  if (known != mapped_.end()) return length_in((*known)->mapping);
  const absl::StatusOr<Mapping> page = Mapping::Map(file_, offset, kHeaderPageBytes, options);
  if (!page.ok()) return AsDamage(page.status());
  return length_in(*page);
}

void ReaderSegments::MakeRoomFor(uint64_t length) {
  while (mapped_bytes_ + length > max_mapped_bytes_) {
    auto oldest = mapped_.end();
    for (auto it = mapped_.begin(); it != mapped_.end(); ++it) {
      if (it->get() == standing_) continue;
      if (oldest == mapped_.end() || (*it)->last_use < (*oldest)->last_use) oldest = it;
    }
    if (oldest == mapped_.end()) return;
    mapped_bytes_ -= (*oldest)->extent.length;
    mapped_.erase(oldest);
  }
}

}  // namespace causeway
