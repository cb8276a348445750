// Each word of a lane's shared pages, and a process that stores to it what it should not.

#ifndef CAUSEWAY_TESTS_HOSTILE_HOSTILE_WORDS_H_
#define CAUSEWAY_TESTS_HOSTILE_HOSTILE_WORDS_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "mmapcore/mapped_file.h"
#include "mmapcore/mapping.h"
#include "tests/hostile/random.h"

namespace causeway::hostile {

// What a hostile process damages.
struct Target {
  enum class Place {
    kLanePage,
    kSegmentHeader,
    kFrameHeader,  // any header word, or what is taken for one
    kPayload,      // any word behind the segments' headers
    kCursorPage,
    kEverything,  // all words of the file, in turns
    kTruncation,  // the file is cut short and grows again, as a whole or to somewhere within
    kHoles,       // pages of the file are punched out
  };
  const char* name;
  Place place;
  size_t offset;  // in the page
  size_t bytes;   // 4 or 8
};

// What the writer of a lane can damage: its lane file.
std::span<const Target> WriterTargets();
// What a reader can damage: its cursor file.
std::span<const Target> ReaderTargets();

// Where pages stand in the file that is damaged.
struct Layout {
  std::vector<uint64_t> segments;  // offsets; of a lane file, whose lane page is at 0
  uint64_t segment_bytes = 0;
  std::vector<uint64_t> cursors;  // offsets; of a cursor file
  uint64_t file_bytes = 0;
};

// Damages one target of a file as fast as it can. One thread.
class Scribbler {
 public:
  // `file` is open for writing, and must outlive this object.
  Scribbler(MappedFile& file, const Layout& layout, const Target& target, uint64_t seed);

  // One store, or one change of the file's pages. About every other store puts back what was there
  // before, so that others get past this word now and then, and on to what lies behind.
  void Scribble();

 private:
  void StoreTo(size_t offset, size_t bytes);
  // Where in the file a word of the target stands.
  size_t PickWord();
  uint64_t PickValue(uint64_t present);
  void ChangePages();

  MappedFile& file_;
  const Layout& layout_;
  const Target& target_;
  Random random_;
  Mapping mapping_;
};

}  // namespace causeway::hostile

#endif  // CAUSEWAY_TESTS_HOSTILE_HOSTILE_WORDS_H_
