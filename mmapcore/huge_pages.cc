#include "mmapcore/huge_pages.h"

#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include <cerrno>
#include <fstream>
#include <iterator>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "mmapcore/errno_status.h"

namespace causeway {
namespace {

constexpr char kSettings[] = "/sys/kernel/mm/transparent_hugepage/";

// Empty: there is none.
std::string Contents(const std::string& path) {
  std::ifstream file(path);
  return std::string(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
}

// Of a line of mountinfo: "267 27 0:55 / /mnt rw,relatime shared:1 - tmpfs none rw,huge=advise".
// The options of the file system are the last field.
HugePageOffer OfferInOptions(absl::string_view line) {
  const std::vector<absl::string_view> halves = absl::StrSplit(line, absl::MaxSplits(" - ", 1));
  if (halves.size() < 2) return HugePageOffer::kNone;
  const std::vector<absl::string_view> fields = absl::StrSplit(halves[1], ' ');
  for (absl::string_view option : absl::StrSplit(fields.back(), ',')) {
    if (option == "huge=advise") return HugePageOffer::kOnAdvice;
    if (option == "huge=always" || option == "huge=within_size") return HugePageOffer::kUnasked;
  }
  return HugePageOffer::kNone;
}

}  // namespace

namespace huge_pages_internal {

HugePageOffer OfferOf(const std::string& mountinfo, const std::string& device,
                      const std::string& shmem_enabled) {
  if (shmem_enabled.empty() || absl::StrContains(shmem_enabled, "[deny]")) {
    return HugePageOffer::kNone;
  }
  if (absl::StrContains(shmem_enabled, "[force]")) return HugePageOffer::kUnasked;
  for (absl::string_view line : absl::StrSplit(mountinfo, '\n')) {
    const std::vector<absl::string_view> fields = absl::StrSplit(line, absl::MaxSplits(' ', 3));
    // A file system that is mounted in several places has the same options in each.
    if (fields.size() > 3 && fields[2] == device) return OfferInOptions(line);
  }
  return HugePageOffer::kNone;
}

}  // namespace huge_pages_internal

absl::StatusOr<HugePageOffer> HugePagesIn(const std::string& directory) {
  struct statfs file_system;
  struct stat attributes;
  if (statfs(directory.c_str(), &file_system) != 0 || stat(directory.c_str(), &attributes) != 0) {
    return StatusFromErrno(errno, {.operation = "statfs", .path = directory});
  }
  if (file_system.f_type != TMPFS_MAGIC || HugePageBytes() == 0) return HugePageOffer::kNone;
  return huge_pages_internal::OfferOf(
      Contents("/proc/self/mountinfo"),
      absl::StrCat(major(attributes.st_dev), ":", minor(attributes.st_dev)),
      Contents(absl::StrCat(kSettings, "shmem_enabled")));
}

uint64_t HugePageBytes() {
  static const uint64_t bytes = [] {
    std::ifstream file(absl::StrCat(kSettings, "hpage_pmd_size"));
    uint64_t value = 0;
    file >> value;
    const bool is_power_of_two = (value & (value - 1)) == 0;
    return is_power_of_two ? value : 0;
  }();
  return bytes;
}

const char* HugePageOfferName(HugePageOffer offer) {
  switch (offer) {
    case HugePageOffer::kNone:
      return "none";
    case HugePageOffer::kOnAdvice:
      return "on advice";
    case HugePageOffer::kUnasked:
      return "unasked";
  }
  return "unknown";
}

}  // namespace causeway
