#include "agents/cli/progress.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "agents/cli/table.h"

namespace causeway {
namespace {

constexpr absl::Duration kRateWindow = absl::Milliseconds(100);

}  // namespace

Progress::Progress(std::vector<std::string> names, std::optional<uint64_t> total_bytes)
    : total_bytes_(total_bytes) {
  for (std::string& name : names) agents_.push_back({.name = std::move(name)});
}

void Progress::Update(size_t index, uint64_t bytes, absl::Time now) {
  Agent& agent = agents_[index];
  agent.bytes = bytes;
  if (now - agent.marked < kRateWindow) return;
  if (agent.marked != absl::InfinitePast()) {
    agent.bytes_per_second =
        static_cast<double>(bytes - agent.marked_bytes) / absl::ToDoubleSeconds(now - agent.marked);
  }
  agent.marked = now;
  agent.marked_bytes = bytes;
}

std::string Progress::Render(size_t width) const {
  size_t name_width = 0;
  for (const Agent& agent : agents_) name_width = std::max(name_width, agent.name.size());
  std::string lines;
  for (size_t i = 0; i < agents_.size(); ++i) {
    const Agent& agent = agents_[i];
    std::string line = absl::StrFormat("%-*s  %9s", static_cast<int>(name_width), agent.name,
                                       HumanBytes(static_cast<double>(agent.bytes)));
    if (total_bytes_.value_or(0) > 0) {
      absl::StrAppendFormat(
          &line, "  %3.0f %%",
          100.0 * static_cast<double>(agent.bytes) / static_cast<double>(*total_bytes_));
    }
    absl::StrAppendFormat(&line, "  %9s/s", HumanBytes(agent.bytes_per_second));
    if (i > 0) {
      const uint64_t lag = agents_[0].bytes - std::min(agents_[0].bytes, agent.bytes);
      absl::StrAppendFormat(&line, "  lag %9s", HumanBytes(static_cast<double>(lag)));
    }
    absl::StrAppend(&lines, line.substr(0, width), "\n");
  }
  return lines;
}

std::string Progress::Draw(size_t width) {
  const std::string drawn = absl::StrCat(Erase(), Render(width));
  drawn_lines_ = agents_.size();
  return drawn;
}

std::string Progress::Erase() {
  if (drawn_lines_ == 0) return {};
  // ECMA-48: cursor to the start of an earlier line; erase to the end of the screen.
  return absl::StrCat("\x1b[", std::exchange(drawn_lines_, 0), "F\x1b[J");
}

void ShowProgress(const std::string& text) {
  static_cast<void>(!write(STDERR_FILENO, text.data(), text.size()));
}

}  // namespace causeway
