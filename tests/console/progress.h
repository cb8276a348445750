// What goes on, for who waits for it, on standard error.

#ifndef CAUSEWAY_TESTS_CONSOLE_PROGRESS_H_
#define CAUSEWAY_TESTS_CONSOLE_PROGRESS_H_

#include <cstdint>
#include <string_view>

namespace causeway {

// Shows `text` in the place of what was shown before, if that is a terminal; empty: nothing.
void ShowProgress(std::string_view text);

// The same with "`done` of `all`: `text`". Where it is no terminal, a line without the text, each
// time that `done` is a multiple of `each`.
void ShowCount(uint64_t done, uint64_t all, uint64_t each, std::string_view text);

}  // namespace causeway

#endif  // CAUSEWAY_TESTS_CONSOLE_PROGRESS_H_
