// Each system call of what calls do to files fails, once and for ever.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "control/files/file_store.h"
#include "gtest/gtest.h"
#include "mmapcore/page.h"
#include "mmapcore/testing/refusal_trial.h"

namespace causeway::testing {
namespace {

FileRange NewFile(uint64_t file_id) {
  return {.file_id = file_id,
          .name = absl::StrCat("lane-", file_id),
          .durability = v1::DURABILITY_CACHED,
          .create = true,
          .offset = 0,
          .length = 4 * PageSize()};
}

// As for a lane that is opened: the file is made, backed and opened; if that fails, it is removed.
TEST(FileStoreRefusal, MakingALanesFile) {
  const int tried = TryEachRefusal("a lane's file", [](const std::string& directory) {
    auto files = std::make_shared<FileStore>(directory, directory);
    auto file_id = std::make_shared<uint64_t>(0);  // never used twice
    return RefusalTrial{
        .run = [=]() -> absl::Status {
          const FileRange range = NewFile(++*file_id);
          absl::Status status = files->Back(range);
          if (status.ok()) status = files->Open(*file_id, v1::PROTECTION_READ_WRITE).status();
          if (status.ok()) status = files->Open(*file_id, v1::PROTECTION_READ).status();
          if (status.ok()) return status;
          files->Forget(*file_id);
          files->Remove(range.name, range.durability, /*truncate=*/false).IgnoreError();
          return status;
        },
        .done =
            [=] {
              return std::filesystem::file_size(absl::StrCat(directory, "/lane-", *file_id)) ==
                     4 * PageSize();
            }};
  });
  EXPECT_GE(tried, 15);
}

TEST(FileStoreRefusal, GrowingAndFreeingALanesFile) {
  const int tried = TryEachRefusal("a segment", [](const std::string& directory) {
    auto files = std::make_shared<FileStore>(directory, directory);
    EXPECT_TRUE(files->Back(NewFile(1)).ok());
    FileRange segment = NewFile(1);
    segment.create = false;
    segment.offset = segment.length;
    return RefusalTrial{.run = [=]() -> absl::Status {
                          const absl::Status backed = files->Back(segment);
                          return backed.ok() ? files->Free(segment) : backed;
                        },
                        .done = [] { return true; },
                        // It may be longer, without blocks.
                        .may_leave_files = true};
  });
  EXPECT_GE(tried, 15);
}

TEST(FileStoreRefusal, RemovingALanesFile) {
  const int tried = TryEachRefusal("Remove", [](const std::string& directory) {
    auto files = std::make_shared<FileStore>(directory, directory);
    EXPECT_TRUE(files->Back(NewFile(1)).ok());
    return RefusalTrial{
        .run = [=] { return files->Remove("lane-1", v1::DURABILITY_CACHED, /*truncate=*/true); },
        .done = [=] { return !std::filesystem::exists(directory + "/lane-1"); },
        // Unlinked, and perhaps not cut.
        .may_leave_files = true};
  });
  EXPECT_GE(tried, 4);
}

}  // namespace
}  // namespace causeway::testing
