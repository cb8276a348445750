// Files that users bring: one process splits a source and a target file into extents, workers take
// them one after another, map them, and report each as completed.
//
// Here several processes write one inode. The coordinator gives an extent to another worker only
// after the first has completed it or its death is proven; nothing but the workers' own discipline
// keeps one from storing outside of the extent that it was given.
//
// Splits end with the coordinator: its restart fails the job cleanly, and the job starts anew.

#ifndef CAUSEWAY_AGENTS_SPLIT_H_
#define CAUSEWAY_AGENTS_SPLIT_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace causeway {

class Session;
class SplitGrant;

// The rights with which a file is handed to the coordinator, and by it to workers.
enum class FileAccess { kRead, kReadWrite };

// A file that the coordinator knows.
struct BroughtFile {
  uint64_t file_id = 0;
};

struct SplitOptions {
  std::string name;           // workers take extents by it; 1 to 255 bytes
  BroughtFile source;         // brought with either access; workers read it only
  BroughtFile target;         // brought with kReadWrite, and at least `length` bytes long
  uint64_t length = 0;        // bytes to split, from offset 0 of both files
  uint64_t extent_bytes = 0;  // a multiple of the page size; 0: the coordinator chooses
};

struct SplitProgress {
  struct Worker {
    uint64_t session_id = 0;
    uint64_t completed_bytes = 0;
  };
  uint64_t extent_count = 0;
  uint64_t completed = 0;
  uint64_t completed_bytes = 0;
  uint64_t regranted = 0;  // extents that went to another worker after a proven death
  std::string failure;     // not empty: a worker failed; the job is over
  std::vector<Worker> workers;
};

// The owner's end of a split. Thread-safe. Destroying it closes the split: workers then find no
// such split.
class Split {
 public:
  ~Split();
  Split(const Split&) = delete;
  Split& operator=(const Split&) = delete;

  // How far the workers are. Blocks for one call.
  // NotFound: the coordinator was restarted: the job has to start anew. Unavailable: it is away.
  absl::StatusOr<SplitProgress> Describe() const;

  // Ends the split. A second Close() does nothing. Errors as for Describe().
  absl::Status Close();

  const std::string& name() const { return name_; }
  uint64_t extent_count() const { return extent_count_; }
  uint64_t extent_bytes() const { return extent_bytes_; }

 private:
  friend class Session;
  Split(std::shared_ptr<Session> session, std::string name, uint64_t split_id,
        uint64_t extent_count, uint64_t extent_bytes);

  const std::shared_ptr<Session> session_;
  const std::string name_;
  const uint64_t split_id_;
  const uint64_t extent_count_;
  const uint64_t extent_bytes_;
  std::atomic<bool> closed_{false};
};

// What a worker was given. Move-only; belongs to one thread. Destroying it without Complete() or
// Fail() keeps the extent with this session: it goes to another worker when the session ends.
class TakenExtent {
 public:
  TakenExtent(TakenExtent&&) noexcept;
  TakenExtent& operator=(TakenExtent&&) noexcept;
  ~TakenExtent();

  // False if every extent of the split is completed: there is nothing left to do, and nothing in
  // this object.
  bool granted() const;

  uint64_t index() const;   // of the extent within the split
  uint64_t offset() const;  // in both files, bytes
  uint64_t length() const;  // bytes; the last extent may be shorter than the others

  // Maps the extent of the source, read-only. Valid until this object is destroyed or completed.
  // OutOfRange: the file is shorter than it was. Others as Mapping::Map().
  absl::StatusOr<std::span<const std::byte>> MapSource();

  // Maps the extent of the target for writing. As MapSource().
  absl::StatusOr<std::span<std::byte>> MapTarget();

  // Descriptors, for copy_file_range(), pread() and the like: the source's is read-only, the
  // target's is for reading and writing. Owned by the agent; valid until this object is destroyed
  // or completed. Keep to [offset(), offset() + length()).
  int source_fd() const;
  int target_fd() const;

  // Unmaps, and reports the extent as done; from now on it may not be touched any more.
  // FailedPrecondition: fenced, or the extent is not this session's any more.
  // DataLoss: a file was truncated while it was mapped; the extent is reported as failed.
  // NotFound: the split was closed. Unavailable: the coordinator is away; call again.
  absl::Status Complete();

  // Unmaps, and fails the whole split with this reason. Errors as for Complete().
  absl::Status Fail(std::string_view reason);

 private:
  friend class Session;
  explicit TakenExtent(std::unique_ptr<SplitGrant> grant);

  std::unique_ptr<SplitGrant> grant_;
};

}  // namespace causeway

#endif  // CAUSEWAY_AGENTS_SPLIT_H_
