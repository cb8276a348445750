// Ranges of every kind against a model in 128-bit arithmetic, which cannot wrap: the rules of
// Mapping::Map(), Flush() and Advise() refuse what the model refuses, with the same code, and what
// they accept can be read from end to end.

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <utility>

#include "mmapcore/mapped_file.h"
#include "mmapcore/mapping.h"
#include "mmapcore/page.h"
#include "mmapcore/protection.h"
#include "mmapcore/unique_fd.h"
#include "tools/fuzz/fuzz_input.h"

namespace causeway {
namespace {

using Wide = unsigned __int128;

constexpr uint64_t kFileBytes = 5 * 4096 + 123;

// A number near one of those where rules change, or any.
uint64_t TakeBound(FuzzInput& input) {
  const uint64_t near[] = {0, PageSize(), kFileBytes, uint64_t{1} << 63, UINT64_MAX};
  const uint8_t kind = input.Take<uint8_t>();
  if (kind % 8 >= 5) return input.Take<uint64_t>();
  const uint64_t pages = kind & 0x80 ? static_cast<uint64_t>(input.Take<int8_t>()) * PageSize() : 0;
  const uint64_t bytes = kind & 0x40 ? static_cast<uint64_t>(input.Take<int8_t>()) : 0;
  return near[kind % 8] + pages + bytes;
}

[[noreturn]] void Fail(const char* what, uint64_t begin, uint64_t length,
                       const absl::Status& status, absl::StatusCode expected) {
  std::cerr << what << " (" << begin << ", " << length << "): " << status << ", expected "
            << expected << "\n";
  abort();
}

absl::StatusCode ExpectedOfMap(uint64_t offset, uint64_t length, const MappingOptions& options,
                               Protection rights) {
  const Wide page = PageSize();
  const Wide end = Wide{offset} + (Wide{length} + page - 1) / page * page;
  if (length == 0 || offset % page != 0 || end >= Wide{1} << 63) {
    return absl::StatusCode::kInvalidArgument;
  }
  const bool writable = options.protection == Protection::kReadWrite;
  if (writable && options.sharing == Sharing::kShared && rights == Protection::kRead) {
    return absl::StatusCode::kPermissionDenied;
  }
  if (!writable && options.populate == Populate::kForWriting) {
    return absl::StatusCode::kInvalidArgument;
  }
  if (Wide{offset} + length > kFileBytes) return absl::StatusCode::kOutOfRange;
  return absl::StatusCode::kOk;
}

absl::StatusCode ExpectedOfPart(const Mapping& mapping, uint64_t begin, uint64_t length) {
  if (length == 0) return absl::StatusCode::kInvalidArgument;
  if (Wide{begin} + length > mapping.length()) return absl::StatusCode::kOutOfRange;
  return absl::StatusCode::kOk;
}

MappedFile NewFile() {
  absl::StatusOr<MappedFile> file =
      MappedFile::FromFd(UniqueFd(memfd_create("fuzz", MFD_CLOEXEC)), "fuzz");
  if (!file.ok() || !file->Resize(kFileBytes).ok()) abort();
  return *std::move(file);
}

MappedFile ReadOnly(const MappedFile& file) {
  absl::StatusOr<MappedFile> copy = file.OpenReadOnly();
  if (!copy.ok()) abort();
  return *std::move(copy);
}

void TryOne(FuzzInput& input) {
  static const MappedFile* const writable = new MappedFile(NewFile());
  static const MappedFile* const readable = new MappedFile(ReadOnly(*writable));
  const uint8_t choice = input.Take<uint8_t>();
  const MappedFile& file = choice & 1 ? *writable : *readable;
  const MappingOptions options = {
      .protection = choice & 2 ? Protection::kReadWrite : Protection::kRead,
      .sharing = choice & 4 ? Sharing::kPrivate : Sharing::kShared,
      .populate = static_cast<Populate>((choice >> 3) % 3)};
  const uint64_t offset = TakeBound(input);
  const uint64_t length = TakeBound(input);
  absl::StatusOr<Mapping> mapping = Mapping::Map(file, offset, length, options);
  const absl::StatusCode expected = ExpectedOfMap(offset, length, options, file.protection());
  if (mapping.status().code() != expected) Fail("Map", offset, length, mapping.status(), expected);
  if (!mapping.ok()) return;

  for (uint64_t i = 0; i < length; ++i) {
    if (*const_cast<const volatile std::byte*>(mapping->data() + i) != std::byte{0}) abort();
  }
  const uint64_t begin = TakeBound(input);
  const uint64_t part = TakeBound(input);
  const absl::StatusCode of_part = ExpectedOfPart(*mapping, begin, part);
  const absl::Status advised = mapping->Advise(begin, part, Advice::kSequential);
  if (advised.code() != of_part) Fail("Advise", begin, part, advised, of_part);
  if (options.sharing == Sharing::kPrivate) return;
  const absl::Status flushed = mapping->Flush(begin, part, FlushMode::kSync);
  if (flushed.code() != of_part) Fail("Flush", begin, part, flushed, of_part);
}

}  // namespace
}  // namespace causeway

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  causeway::FuzzInput input(data, size);
  causeway::TryOne(input);
  return 0;
}
