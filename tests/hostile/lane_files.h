// The two files of one lane, and frames whose bytes tell whether they are whole.

#ifndef CAUSEWAY_TESTS_HOSTILE_LANE_FILES_H_
#define CAUSEWAY_TESTS_HOSTILE_LANE_FILES_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "mmapcore/deadline.h"
#include "mmapcore/lane_reader.h"
#include "mmapcore/lane_roster.h"
#include "mmapcore/lane_writer.h"
#include "mmapcore/mapped_file.h"
#include "mmapcore/reader_policy.h"
#include "mmapcore/segment_format.h"
#include "mmapcore/sleep_watch.h"
#include "tests/hostile/hostile_words.h"

namespace causeway::hostile {

inline constexpr uint64_t kMaxFrame = 2048;

// A lane has readers of two kinds, each with a cursor file of its own.
enum class Whose { kHonest, kHostile };

// Made before the processes are, which inherit the descriptors. Ends the program if it cannot be.
class LaneFiles {
 public:
  explicit LaneFiles(const std::string& name);

  MappedFile& lane() { return lane_; }
  MappedFile& cursors(Whose whose) { return whose == Whose::kHonest ? honest_ : hostile_; }
  const Layout& lane_layout() const { return lane_layout_; }
  const Layout& cursor_layout() const { return cursor_layout_; }
  size_t cursor_pages() const { return cursor_layout_.cursors.size(); }

  // Errors as for the functions of the same names in mmapcore.
  absl::StatusOr<std::unique_ptr<LaneWriter>> Write(SleepWatch* watch);
  absl::StatusOr<std::unique_ptr<LaneReader>> Read(Whose whose, size_t page,
                                                   uint64_t roster_version, ReaderPolicy policy,
                                                   LaneStart start);
  absl::StatusOr<std::shared_ptr<ReaderCursor>> Cursor(Whose whose, size_t page,
                                                       ReaderPolicy policy);
  // Makes the cursor page what it was before it was published.
  void Wipe(Whose whose, size_t page);

 private:
  MappedFile lane_;
  MappedFile honest_;
  MappedFile hostile_;
  Layout lane_layout_;
  Layout cursor_layout_;
};

// Writes the frame with this number: its length and its bytes follow from it.
Refusal WriteNumbered(LaneWriter& writer, uint64_t number, Deadline deadline);

// The number of a frame that is whole. Looks at every byte.
std::optional<uint64_t> NumberOf(const FrameView& frame);

}  // namespace causeway::hostile

#endif  // CAUSEWAY_TESTS_HOSTILE_LANE_FILES_H_
