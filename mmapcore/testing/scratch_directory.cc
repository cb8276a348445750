#include "mmapcore/testing/scratch_directory.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <cstdio>
#include <filesystem>
#include <system_error>

namespace causeway::testing {

ScratchDirectory::ScratchDirectory() : path_(::testing::TempDir()) {
  if (path_.empty() || path_.back() != '/') path_ += '/';
  path_ += "scratch.XXXXXX";
  if (mkdtemp(path_.data()) == nullptr) {
    perror(path_.c_str());
    exit(1);
  }
}

ScratchDirectory::~ScratchDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace causeway::testing
