// Real file systems that are small enough to be filled by a test.

#ifndef CAUSEWAY_MMAPCORE_TESTING_SMALL_FILESYSTEM_H_
#define CAUSEWAY_MMAPCORE_TESTING_SMALL_FILESYSTEM_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "mmapcore/testing/scratch_directory.h"

namespace causeway::testing {

// A file system mounted for the test alone, in a mount namespace of the test's own: nothing of it
// is seen outside of the process, and the kernel takes it away with the process even after a crash.
//
// tmpfs needs root or unprivileged user namespaces; ext4 needs root, mkfs.ext4, mount and a free
// loop device, hence a test that is not in Bazel's sandbox (tags = ["no-sandbox"]).
//
//   absl::StatusOr<std::unique_ptr<SmallFilesystem>> small = SmallFilesystem::Mount(kind, bytes);
//   if (!small.ok()) GTEST_SKIP() << small.status();
class SmallFilesystem {
 public:
  enum class Kind { kTmpfs, kHugeTmpfs, kHugeOnAdviceTmpfs, kExt4 };  // huge=always, huge=advise

  // Makes and mounts a file system of `size_bytes` (ext4 keeps a part for itself; give it 4 MiB at
  // least). The first call of a process moves the calling thread, and the threads it starts later,
  // into a new mount namespace: call it from the main thread, before there are others.
  //
  // FailedPrecondition: what is missing here, in words fit for GTEST_SKIP().
  static absl::StatusOr<std::unique_ptr<SmallFilesystem>> Mount(Kind kind, uint64_t size_bytes);

  SmallFilesystem(const SmallFilesystem&) = delete;
  SmallFilesystem& operator=(const SmallFilesystem&) = delete;

  // Unmounts, even if files are still open (they stay usable).
  ~SmallFilesystem();

  // Where it is mounted.
  std::string path() const { return scratch_.File("mounted"); }

  // The path of `name` in it.
  std::string File(const std::string& name) const { return path() + "/" + name; }

  // Bytes that files can still take, as any user.
  uint64_t FreeBytes() const;

  // Takes space with one more file until at most `bytes` are free.
  absl::Status FillUntilFree(uint64_t bytes);

 private:
  SmallFilesystem() = default;

  ScratchDirectory scratch_;
  int fillers_ = 0;
};

// For the names of parameterised tests.
std::string Name(SmallFilesystem::Kind kind);

}  // namespace causeway::testing

#endif  // CAUSEWAY_MMAPCORE_TESTING_SMALL_FILESYSTEM_H_
