// Extents: who may map what, and what of each file is free.

#ifndef CAUSEWAY_CONTROL_STATE_EXTENT_TABLE_H_
#define CAUSEWAY_CONTROL_STATE_EXTENT_TABLE_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "control/extents/extent_allocator.h"
#include "control/state/index.h"
#include "control/state/records.pb.h"
#include "control/state/table.h"

namespace causeway {

// Extents of one file never overlap: Put() of one that does is a broken caller (CHECKed). Users of
// FindSpace() get a range that does not; whoever chooses a range himself asks Overlapping() first.
class ExtentTable : public Table<records::Extent> {
 public:
  // Address space of a file: far more than what limits let an agent use at a time, so that a file
  // never runs out of offsets by fragmentation. Files are sparse; only extents have blocks.
  static constexpr uint64_t kFileSpaceBytes = uint64_t{1} << 42;

  using Table::Table;

  // Where an extent of `length` bytes (whole pages) would go in the file, which may have none yet:
  // at a multiple of `alignment`, which is one of the page size.
  // RESOURCE_EXHAUSTED: the address space is used up.
  absl::StatusOr<uint64_t> FindSpace(uint64_t file_id, uint64_t length, uint64_t alignment);

  // The first extent of the file that shares a byte with [offset, offset + length), or null.
  const records::Extent* Overlapping(uint64_t file_id, uint64_t offset, uint64_t length) const;

  // Extent ids by offset.
  const std::map<uint64_t, uint64_t>& OfFile(uint64_t file_id) const;
  // Of a lane, a reader or a split.
  const std::set<uint64_t>& OfOwner(uint64_t owner_id) const { return by_owner_.Of(owner_id); }
  const std::set<uint64_t>& OfSession(uint64_t session_id) const {
    return by_session_.Of(session_id);
  }

  // The segment that the lane was granted under this key, or null; null for the empty key.
  const records::Extent* FindByKey(uint64_t lane_id, std::string_view idempotency_key) const;

  // What a session may write of the coordinator's files; files that users brought do not count.
  uint64_t WritableBytes(uint64_t session_id) const;
  uint64_t TotalWritableBytes() const { return total_writable_bytes_; }
  const absl::flat_hash_map<uint64_t, uint64_t>& WritableBytesBySession() const {
    return writable_bytes_;
  }
  // Segments of a lane in all states.
  uint64_t SegmentBytes(uint64_t lane_id) const;

 protected:
  void OnChange(const records::Extent* before, const records::Extent* after) override;

 private:
  struct FileSpace {
    std::map<uint64_t, uint64_t> by_offset;
    // Nothing for a file that a user brought, whose extents are not placed but counted off.
    std::optional<ExtentAllocator> allocator;
  };

  void AddSpace(const records::Extent& extent);
  void RemoveSpace(const records::Extent& extent);
  void Count(const records::Extent& extent, bool add);

  absl::flat_hash_map<uint64_t, FileSpace> files_;
  Index<uint64_t, uint64_t> by_owner_;
  Index<uint64_t, uint64_t> by_session_;
  absl::flat_hash_map<std::pair<uint64_t, std::string>, uint64_t> by_key_;
  absl::flat_hash_map<uint64_t, uint64_t> writable_bytes_;
  absl::flat_hash_map<uint64_t, uint64_t> segment_bytes_;
  uint64_t total_writable_bytes_ = 0;
};

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_STATE_EXTENT_TABLE_H_
