// Each system call of each operation on files and mappings fails, once and for ever.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gtest/gtest.h"
#include "mmapcore/allocate.h"
#include "mmapcore/mapped_file.h"
#include "mmapcore/mapping.h"
#include "mmapcore/page.h"
#include "mmapcore/testing/refusal_trial.h"

namespace causeway::testing {
namespace {

const uint64_t kBytes = 4 * PageSize();

// A file of `kBytes` in the directory, allocated.
std::shared_ptr<MappedFile> MakeFile(const std::string& path) {
  absl::StatusOr<MappedFile> file = MappedFile::Create(path, 0600);
  if (!file.ok() || !AllocateExtent(*file, 0, kBytes).ok()) return nullptr;
  return std::make_shared<MappedFile>(*std::move(file));
}

TEST(SystemCallRefusal, CreatingAFile) {
  const int tried = TryEachRefusal("Create", [](const std::string& directory) {
    const std::string path = directory + "/file";
    return RefusalTrial{.run = [path] { return MappedFile::Create(path, 0600).status(); },
                        .done = [path] { return std::filesystem::exists(path); }};
  });
  EXPECT_GE(tried, 6);
}

TEST(SystemCallRefusal, OpeningAFile) {
  const int tried = TryEachRefusal("Open", [](const std::string& directory) {
    const std::string path = directory + "/file";
    MakeFile(path);
    return RefusalTrial{.run =
                            [path] {
                              absl::StatusOr<MappedFile> file =
                                  MappedFile::Open(path, Protection::kReadWrite);
                              return file.ok() ? file->OpenReadOnly().status() : file.status();
                            },
                        .done = [] { return true; }};
  });
  EXPECT_GE(tried, 12);
}

TEST(SystemCallRefusal, AllocatingAnExtentThatMakesTheFileLonger) {
  const int tried = TryEachRefusal("AllocateExtent", [](const std::string& directory) {
    const auto file = MakeFile(directory + "/file");
    return RefusalTrial{.run = [file] { return AllocateExtent(*file, kBytes, kBytes); },
                        .done = [file] { return *file->Size() == 2 * kBytes; }};
  });
  EXPECT_GE(tried, 4);
}

TEST(SystemCallRefusal, PopulatingAnExtent) {
  const int tried = TryEachRefusal("PopulateExtent", [](const std::string& directory) {
    const auto file = MakeFile(directory + "/file");
    return RefusalTrial{.run = [file] { return PopulateExtent(*file, 0, kBytes); },
                        .done = [] { return true; }};
  });
  EXPECT_GE(tried, 6);
}

TEST(SystemCallRefusal, ResizingAndSyncingAFile) {
  const int tried = TryEachRefusal("Resize and Sync", [](const std::string& directory) {
    const auto file = MakeFile(directory + "/file");
    return RefusalTrial{.run =
                            [file] {
                              const absl::Status resized = file->Resize(kBytes / 2);
                              return resized.ok() ? file->Sync() : resized;
                            },
                        .done = [file] { return *file->Size() == kBytes / 2; },
                        .may_leave_files = true};
  });
  EXPECT_GE(tried, 4);
}

TEST(SystemCallRefusal, MappingWritingAndFlushing) {
  const int tried = TryEachRefusal("Map and Flush", [](const std::string& directory) {
    const auto file = MakeFile(directory + "/file");
    return RefusalTrial{
        .run = [file]() -> absl::Status {
          absl::StatusOr<Mapping> mapping = Mapping::Map(
              *file, 0, kBytes,
              {.protection = Protection::kReadWrite, .populate = Populate::kForWriting});
          if (!mapping.ok()) return mapping.status();
          std::memset(mapping->mutable_data(), 7, kBytes);
          const absl::Status flushed = mapping->Flush(0, kBytes, FlushMode::kSync);
          const absl::Status unmapped = mapping->Unmap();
          return flushed.ok() ? unmapped : flushed;
        },
        .done = [] { return true; }};
  });
  EXPECT_GE(tried, 8);
}

}  // namespace
}  // namespace causeway::testing
