// Whether files in memory are made of huge pages.

#ifndef CAUSEWAY_CONTROL_FILES_HUGE_PAGE_CHOICE_H_
#define CAUSEWAY_CONTROL_FILES_HUGE_PAGE_CHOICE_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace causeway {

// What whoever starts the coordinator wants.
enum class HugePages {
  kAuto,  // where the volatile directory's file system offers them
  kOn,    // wherever it may be: an error if it does not
  kOff,   // nowhere
};

// What is done about it.
struct HugePageChoice {
  // Of a huge page, where segments are made of them; 0: they are not.
  uint64_t bytes = 0;
  // The file system makes huge pages of small extents as well, unless it is told otherwise.
  bool advise_small = false;
  // For people: "2097152 bytes, on advice", or why there are none.
  std::string description;
};

// Looks at the file system of `volatile_directory`, which exists.
//
// FailedPrecondition: kOn, and it offers none; the message says how to mount one that does.
// Others: it cannot be examined.
absl::StatusOr<HugePageChoice> ChooseHugePages(HugePages wanted,
                                               const std::string& volatile_directory);

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_FILES_HUGE_PAGE_CHOICE_H_
