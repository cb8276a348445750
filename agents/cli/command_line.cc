#include "agents/cli/command_line.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <numeric>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "control/api/names/utf8.h"

namespace causeway {
namespace {

constexpr size_t kMaxMessageBytes = 2000;

// How many letters have to be put in, left out, replaced, or swapped with their neighbour (optimal
// string alignment), by rows.
size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> before_last(b.size() + 1);
  std::vector<size_t> last(b.size() + 1);
  std::iota(last.begin(), last.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    std::vector<size_t> row(b.size() + 1, i);
    for (size_t j = 1; j <= b.size(); ++j) {
      row[j] =
          std::min({last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1), last[j] + 1, row[j - 1] + 1});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before_last[j - 2] + 1);
      }
    }
    before_last = std::exchange(last, std::move(row));
  }
  return last[b.size()];
}

// "--frame-bytes=4-4" as "--frame_bytes=4-4".
std::string WithUnderscores(std::string word) {
  if (word.size() < 3 || word.compare(0, 2, "--") != 0) return word;
  const size_t end = std::min(word.find('='), word.size());
  std::replace(word.begin() + 2, word.begin() + static_cast<ptrdiff_t>(end), '-', '_');
  return word;
}

bool ParseSize(std::string text, uint64_t* value) {
  // AsSizeValue takes a negative number for a very large one.
  if (text.find('-') != std::string::npos) return false;
  try {
    return CLI::AsSizeValue(/*kb_is_1000=*/false)(text).empty() && absl::SimpleAtoi(text, value);
  } catch (const CLI::ValidationError&) {
    return false;
  }
}

// Where the user left out an argument's value, CLI11 says "Size: 1 required missing" and the like;
// everything else it says is fine.
absl::Status UsageError(std::string_view what) { return absl::InvalidArgumentError(OneLine(what)); }

}  // namespace

int Fail(std::string_view command, const absl::Status& status) {
  const std::string message = OneLine(std::string(status.message()));
  std::fprintf(stderr, "causeway %.*s: %s\n", static_cast<int>(command.size()), command.data(),
               message.c_str());
  return absl::IsInvalidArgument(status) ? kExitUsage : kExitFailure;
}

std::string OneLine(std::string_view text) {
  std::string line;
  while (!text.empty()) {
    const Utf8Character next = DecodeUtf8(text);
    const bool control =
        next.code_point < 0x20 || (next.code_point >= 0x7f && next.code_point < 0xa0);
    const size_t taken = std::max<size_t>(next.bytes, 1);
    if (next.bytes != 0 && !control) {
      line += text.substr(0, taken);
    } else {
      for (const char byte : text.substr(0, taken)) {
        line += absl::StrFormat("\\x%02x", static_cast<unsigned char>(byte));
      }
    }
    text.remove_prefix(taken);
  }
  if (line.size() <= kMaxMessageBytes) return line;
  size_t head = kMaxMessageBytes / 2;
  size_t tail = line.size() - kMaxMessageBytes / 2;
  while ((static_cast<unsigned char>(line[head]) & 0xc0) == 0x80) --head;
  while ((static_cast<unsigned char>(line[tail]) & 0xc0) == 0x80) ++tail;
  return absl::StrCat(line.substr(0, head), " ... ", line.substr(tail));
}

std::optional<std::string> Nearest(std::string_view typed, const std::vector<std::string>& names) {
  std::optional<std::string> nearest;
  // A third of the letters may be wrong, and one in any case.
  size_t least = std::max<size_t>(1, typed.size() / 3) + 1;
  for (const std::string& name : names) {
    const size_t distance = EditDistance(typed, name);
    if (distance < least) {
      least = distance;
      nearest = name;
    }
  }
  return nearest;
}

std::string DefaultDirectory() {
  if (const char* dir = std::getenv("CAUSEWAY_DIR"); dir != nullptr && *dir != '\0') return dir;
  if (const char* run = std::getenv("XDG_RUNTIME_DIR"); run != nullptr && *run != '\0') {
    return absl::StrCat(run, "/causeway");
  }
  return absl::StrCat("/tmp/causeway-", getuid());
}

CommandLine::CommandLine(std::string_view command, std::string_view summary,
                         std::string_view examples)
    : command_(command), app_(std::make_unique<CLI::App>(std::string(summary))) {
  app_->name(absl::StrCat("causeway ", command_));
  app_->allow_extras();
  app_->get_formatter()->column_width(30);
  if (!examples.empty()) app_->footer(absl::StrCat("\nExamples:\n", std::string(examples)));
}

CommandLine::~CommandLine() = default;

void CommandLine::Positional(std::string_view name, std::string* value, std::string_view help) {
  app_->add_option(std::string(name), *value, std::string(help))->required()->type_name("");
}

void CommandLine::OptionalPositional(std::string_view name, std::string* value,
                                     std::string_view help) {
  app_->add_option(std::string(name), *value, std::string(help))->type_name("");
}

void CommandLine::Text(std::string_view flag, std::string* value, std::string_view help) {
  app_->add_option(absl::StrCat("--", std::string(flag)), *value, std::string(help));
}

void CommandLine::Switch(std::string_view flag, bool* value, std::string_view help) {
  app_->add_flag(absl::StrCat("--", std::string(flag)), *value, std::string(help));
}

void CommandLine::Count(std::string_view flag, uint64_t* value, std::string_view help) {
  const std::string name = absl::StrCat("--", std::string(flag));
  const auto parse = [name, value](const std::string& text) {
    if (!absl::SimpleAtoi(text, value)) {
      throw CLI::ValidationError(absl::StrCat(name, ": ", text, " is no number"));
    }
  };
  app_->add_option_function<std::string>(name, parse, std::string(help))->type_name("N");
}

void CommandLine::Size(std::string_view flag, uint64_t* value, std::string_view help) {
  const std::string name = absl::StrCat("--", std::string(flag));
  const auto parse = [name, value](const std::string& text) {
    if (!ParseSize(text, value)) {
      throw CLI::ValidationError(
          absl::StrCat(name, ": ", text, " is no size; write it as 4096, 64KiB, 1M or 2GiB"));
    }
  };
  app_->add_option_function<std::string>(name, parse, std::string(help))->type_name("SIZE");
}

void CommandLine::Duration(std::string_view flag, absl::Duration* value, std::string_view help) {
  const std::string name = absl::StrCat("--", std::string(flag));
  const auto parse = [name, value](const std::string& text) {
    const std::string with_unit =
        !text.empty() && text.back() >= '0' && text.back() <= '9' ? text + "s" : text;
    absl::Duration parsed;
    if (!absl::ParseDuration(with_unit, &parsed) || parsed < absl::ZeroDuration()) {
      throw CLI::ValidationError(
          absl::StrCat(name, ": ", text, " is no duration; write it as 500ms, 10s, 2m or inf"));
    }
    *value = parsed;
  };
  app_->add_option_function<std::string>(name, parse, std::string(help))->type_name("TIME");
}

void CommandLine::Directory(std::string* value) {
  *value = DefaultDirectory();
  Text("dir", value,
       "Directory of the coordinator (default $CAUSEWAY_DIR, else\n"
       "$XDG_RUNTIME_DIR/causeway, else /tmp/causeway-UID)");
}

absl::StatusOr<bool> CommandLine::Parse(int argc, char** argv) {
  // From the last to the first, as CLI11 wants them.
  std::vector<std::string> words;
  for (int i = argc - 1; i > 0; --i) {
    std::string word = WithUnderscores(argv[i]);
    if (word.size() > 3 && word.compare(0, 2, "--") == 0 && word.find('=') == word.size() - 1) {
      // CLI11 takes "--flag=" for a flag without a value, not for one whose value is empty.
      words.push_back("");
      word.pop_back();
    }
    words.push_back(std::move(word));
  }
  try {
    app_->parse(std::move(words));
  } catch (const CLI::CallForHelp&) {
    std::fputs(app_->help().c_str(), stdout);
    return false;
  } catch (const CLI::RequiredError& error) {
    if (app_->remaining().empty()) return UsageError(error.what());
  } catch (const CLI::ParseError& error) {
    return UsageError(error.what());
  }
  if (app_->remaining().empty()) return true;

  const std::string unknown = app_->remaining().front();
  if (unknown.size() < 2 || unknown[0] != '-') {
    return UsageError(
        absl::StrCat("unexpected argument ", unknown, "; see causeway ", command_, " --help"));
  }
  std::vector<std::string> flags;
  for (const CLI::Option* option : app_->get_options()) {
    for (const std::string& name : option->get_lnames()) flags.push_back(name);
  }
  const std::string flag = unknown.substr(0, unknown.find('='));
  const std::optional<std::string> nearest =
      Nearest(flag.substr(std::min(flag.find_first_not_of('-'), flag.size())), flags);
  return UsageError(
      nearest.has_value()
          ? absl::StrCat("unknown flag ", flag, "; did you mean --", *nearest, "?")
          : absl::StrCat("unknown flag ", flag, "; see causeway ", command_, " --help"));
}

bool CommandLine::Given(std::string_view flag) const {
  return app_->count(absl::StrCat("--", std::string(flag))) > 0;
}

}  // namespace causeway
