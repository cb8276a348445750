#include "tests/console/progress.h"

#include <unistd.h>

#include <string_view>

#include "absl/strings/str_format.h"

namespace causeway {
namespace {

bool OnTerminal() { return isatty(STDERR_FILENO) != 0; }

}  // namespace

void ShowProgress(std::string_view text) {
  if (OnTerminal()) absl::FPrintF(stderr, "\r\033[K%s", text);
}

void ShowCount(uint64_t done, uint64_t all, uint64_t each, std::string_view text) {
  if (OnTerminal()) {
    ShowProgress(absl::StrFormat("%d of %d: %.100s", done, all, text));
  } else if (done % each == 0) {
    absl::FPrintF(stderr, "%d of %d\n", done, all);
  }
}

}  // namespace causeway
