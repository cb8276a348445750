// How far the agents of an exchange are, redrawn in place on a terminal.

#ifndef CAUSEWAY_AGENTS_CLI_PROGRESS_H_
#define CAUSEWAY_AGENTS_CLI_PROGRESS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace causeway {

// Keeps each agent's count of bytes and draws a line for each. The first agent is the producer: a
// consumer's lag is what it has read less than the producer had sent, as far as both have told. Not
// thread-safe.
class Progress {
 public:
  // `total_bytes`: how much there is to send, if that is known.
  Progress(std::vector<std::string> names, std::optional<uint64_t> total_bytes);

  // Agent `index` has come to `bytes` at `now`.
  void Update(size_t index, uint64_t bytes, absl::Time now);

  // The lines, each at most `width` columns wide and with its newline. Rates are those between
  // the last two updates that were at least a tenth of a second apart.
  std::string Render(size_t width) const;

  // What a terminal needs to replace the last Draw() by the present lines.
  std::string Draw(size_t width);

  // What a terminal needs to be rid of the last Draw(); empty if there was none.
  std::string Erase();

 private:
  struct Agent {
    std::string name;
    uint64_t bytes = 0;
    uint64_t marked_bytes = 0;  // at `marked`
    absl::Time marked = absl::InfinitePast();
    double bytes_per_second = 0;
  };

  std::vector<Agent> agents_;
  const std::optional<uint64_t> total_bytes_;
  size_t drawn_lines_ = 0;
};

// Writes what Draw() and Erase() give to standard error, which should be a terminal. What it does
// not take is lost: a terminal that is gone misses nothing.
void ShowProgress(const std::string& text);

}  // namespace causeway

#endif  // CAUSEWAY_AGENTS_CLI_PROGRESS_H_
