// A directory of the test's own.

#ifndef CAUSEWAY_MMAPCORE_TESTING_SCRATCH_DIRECTORY_H_
#define CAUSEWAY_MMAPCORE_TESTING_SCRATCH_DIRECTORY_H_

#include <string>

namespace causeway::testing {

// An empty directory under the test's temporary directory (TEST_TMPDIR), removed with all that is
// in it by the destructor. Ends the test program if it cannot be made.
class ScratchDirectory {
 public:
  ScratchDirectory();
  ~ScratchDirectory();
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;

  // Absolute, without a slash at its end.
  const std::string& path() const { return path_; }

  // The path of `name` in it.
  std::string File(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace causeway::testing

#endif  // CAUSEWAY_MMAPCORE_TESTING_SCRATCH_DIRECTORY_H_
