#include "control/files/huge_page_choice.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "mmapcore/huge_pages.h"

namespace causeway {

absl::StatusOr<HugePageChoice> ChooseHugePages(HugePages wanted,
                                               const std::string& volatile_directory) {
  const absl::StatusOr<HugePageOffer> offer = HugePagesIn(volatile_directory);
  if (!offer.ok()) return offer.status();
  if (*offer == HugePageOffer::kNone) {
    if (wanted != HugePages::kOn) return HugePageChoice{.description = "none offered"};
    return absl::FailedPreconditionError(
        absl::StrCat(volatile_directory, " offers no huge pages; name a --volatile_dir on a tmpfs ",
                     "that does (mount -t tmpfs -o huge=advise none DIR), or do without "
                     "(--huge_pages=auto)"));
  }
  const bool unasked = *offer == HugePageOffer::kUnasked;
  if (wanted == HugePages::kOff) {
    return HugePageChoice{.advise_small = unasked, .description = "switched off"};
  }
  return HugePageChoice{
      .bytes = HugePageBytes(),
      .advise_small = unasked,
      .description = absl::StrCat(HugePageBytes(), " bytes, ", HugePageOfferName(*offer))};
}

}  // namespace causeway
