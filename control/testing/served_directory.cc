#include "control/testing/served_directory.h"

#include <stdlib.h>

#include <filesystem>
#include <system_error>

namespace causeway::testing {

ServedDirectory::ServedDirectory() {
  char parent[] = "/tmp/causeway.XXXXXX";
  if (mkdtemp(parent) == nullptr) abort();
  parent_ = parent;
  path_ = parent_ + "/d";
}

ServedDirectory::~ServedDirectory() {
  std::error_code ignored;
  const std::filesystem::path in_memory =
      std::filesystem::read_symlink(path_ + "/volatile", ignored);
  if (!in_memory.empty()) std::filesystem::remove_all(in_memory, ignored);
  std::filesystem::remove_all(parent_, ignored);
}

}  // namespace causeway::testing
