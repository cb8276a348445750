#include "control/state/extent_table.h"

#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <utility>

#include "absl/status/status.h"
#include "mmapcore/page.h"

namespace causeway {
namespace {

bool IsSplit(const records::Extent& extent) {
  return extent.purpose() == records::Extent::PURPOSE_SPLIT_SOURCE ||
         extent.purpose() == records::Extent::PURPOSE_SPLIT_TARGET;
}

// The books are wrong, and with them every later grant: better no coordinator than such a one.
// Agents live on without it.
void Check(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "extent table: %s\n", what);
  std::abort();
}

bool SameRange(const records::Extent& a, const records::Extent& b) {
  return a.file_id() == b.file_id() && a.offset() == b.offset() && a.length() == b.length();
}

}  // namespace

absl::StatusOr<uint64_t> ExtentTable::FindSpace(uint64_t file_id, uint64_t length,
                                                uint64_t alignment) {
  const auto it = files_.find(file_id);
  if (it == files_.end()) return 0;
  // The allocator knows best fit; what it gives is taken for good only by Put().
  ExtentAllocator& allocator = *it->second.allocator;
  const absl::StatusOr<uint64_t> offset = allocator.Allocate(length);
  if (offset.ok()) (void)allocator.Free(*offset, length);
  // Where an extent of this kind has been, another one fits, so this is rarely not aligned.
  if (!offset.ok() || *offset % alignment == 0) return offset;
  const uint64_t with_slack = length + alignment - PageSize();
  const absl::StatusOr<uint64_t> wider = allocator.Allocate(with_slack);
  if (!wider.ok()) return wider;
  (void)allocator.Free(*wider, with_slack);
  return (*wider + alignment - 1) / alignment * alignment;
}

const records::Extent* ExtentTable::Overlapping(uint64_t file_id, uint64_t offset,
                                                uint64_t length) const {
  const std::map<uint64_t, uint64_t>& extents = OfFile(file_id);
  auto it = extents.upper_bound(offset);
  if (it != extents.begin()) {
    const records::Extent* before = Find(std::prev(it)->second);
    if (offset - before->offset() < before->length()) return before;
  }
  if (it != extents.end() && it->first - offset < length) return Find(it->second);
  return nullptr;
}

const std::map<uint64_t, uint64_t>& ExtentTable::OfFile(uint64_t file_id) const {
  static const std::map<uint64_t, uint64_t>* const none = new std::map<uint64_t, uint64_t>;
  const auto it = files_.find(file_id);
  return it == files_.end() ? *none : it->second.by_offset;
}

const records::Extent* ExtentTable::FindByKey(uint64_t lane_id,
                                              std::string_view idempotency_key) const {
  const auto it = by_key_.find(std::make_pair(lane_id, std::string(idempotency_key)));
  return it == by_key_.end() ? nullptr : Find(it->second);
}

uint64_t ExtentTable::WritableBytes(uint64_t session_id) const {
  const auto it = writable_bytes_.find(session_id);
  return it == writable_bytes_.end() ? 0 : it->second;
}

uint64_t ExtentTable::SegmentBytes(uint64_t lane_id) const {
  const auto it = segment_bytes_.find(lane_id);
  return it == segment_bytes_.end() ? 0 : it->second;
}

void ExtentTable::OnChange(const records::Extent* before, const records::Extent* after) {
  const bool moves = before == nullptr || after == nullptr || !SameRange(*before, *after);
  if (before != nullptr) {
    if (moves) RemoveSpace(*before);
    Count(*before, /*add=*/false);
    by_owner_.Remove(before->owner_id(), before->extent_id());
    by_session_.Remove(before->session_id(), before->extent_id());
    if (!before->idempotency_key().empty()) {
      by_key_.erase(std::make_pair(before->owner_id(), before->idempotency_key()));
    }
  }
  if (after != nullptr) {
    if (moves) AddSpace(*after);
    Count(*after, /*add=*/true);
    by_owner_.Add(after->owner_id(), after->extent_id());
    by_session_.Add(after->session_id(), after->extent_id());
    if (!after->idempotency_key().empty()) {
      by_key_[std::make_pair(after->owner_id(), after->idempotency_key())] = after->extent_id();
    }
  }
}

void ExtentTable::AddSpace(const records::Extent& extent) {
  const records::Extent* other = Overlapping(extent.file_id(), extent.offset(), extent.length());
  Check(other == nullptr, "extents of one file overlap");
  FileSpace& space = files_[extent.file_id()];
  space.by_offset[extent.offset()] = extent.extent_id();
  if (IsSplit(extent)) return;
  if (!space.allocator.has_value()) {
    space.allocator = *ExtentAllocator::Create(kFileSpaceBytes, PageSize());
  }
  const absl::Status taken = space.allocator->Reserve(extent.offset(), extent.length());
  Check(taken.ok(), "the extent is outside of its file");
}

void ExtentTable::RemoveSpace(const records::Extent& extent) {
  const auto it = files_.find(extent.file_id());
  it->second.by_offset.erase(extent.offset());
  if (it->second.by_offset.empty()) {
    files_.erase(it);
  } else if (!IsSplit(extent)) {
    (void)it->second.allocator->Free(extent.offset(), extent.length());
  }
}

void ExtentTable::Count(const records::Extent& extent, bool add) {
  if (IsSplit(extent)) return;
  const auto change = [&](absl::flat_hash_map<uint64_t, uint64_t>& bytes, uint64_t key) {
    uint64_t& sum = bytes[key];
    sum = add ? sum + extent.length() : sum - extent.length();
    if (sum == 0) bytes.erase(key);
  };
  change(writable_bytes_, extent.session_id());
  if (extent.purpose() == records::Extent::PURPOSE_SEGMENT) {
    change(segment_bytes_, extent.owner_id());
  }
  total_writable_bytes_ =
      add ? total_writable_bytes_ + extent.length() : total_writable_bytes_ - extent.length();
}

}  // namespace causeway
