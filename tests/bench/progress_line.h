// What goes on, for who waits for it.

#ifndef CAUSEWAY_TESTS_BENCH_PROGRESS_LINE_H_
#define CAUSEWAY_TESTS_BENCH_PROGRESS_LINE_H_

#include <unistd.h>

#include <cstdio>
#include <string_view>

namespace causeway::bench {

// Shows `text` on standard error in the place of what it showed before, if that is a terminal.
inline void ShowProgress(std::string_view text) {
  if (isatty(STDERR_FILENO) == 0) return;
  std::fprintf(stderr, "\r\033[K%.*s", static_cast<int>(text.size()), text.data());
}

}  // namespace causeway::bench

#endif  // CAUSEWAY_TESTS_BENCH_PROGRESS_LINE_H_
