#include "agents/cli/table.h"

#include <libsmartcols/libsmartcols.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace causeway {
namespace {

struct UnrefTable {
  void operator()(libscols_table* table) const { scols_unref_table(table); }
};

// `unit_names` grow by factors of 1000, from `value` as it is.
std::string ThreeDigits(double value, const std::vector<const char*>& unit_names) {
  size_t unit = 0;
  // 999.5 would be rounded to 1000.
  while (value >= 999.5 && unit + 1 < unit_names.size()) {
    value /= 1000;
    ++unit;
  }
  const int decimals = unit == 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return absl::StrFormat("%.*f %s", decimals, value, unit_names[unit]);
}

}  // namespace

std::string TextTable::Render(size_t width) const {
  const std::unique_ptr<libscols_table, UnrefTable> table(scols_new_table());
  if (table == nullptr) return {};
  scols_table_set_termforce(table.get(),
                            width == 0 ? SCOLS_TERMFORCE_NEVER : SCOLS_TERMFORCE_ALWAYS);
  if (width != 0) scols_table_set_termwidth(table.get(), width);
  for (const Column& column : columns_) {
    int flags = 0;
    if (column.kind == Column::Kind::kNumber) flags = SCOLS_FL_RIGHT;
    if (column.kind == Column::Kind::kLongText && width != 0) flags = SCOLS_FL_TRUNC;
    scols_table_new_column(table.get(), column.title.c_str(), 0, flags);
  }
  for (const std::vector<std::string>& row : rows_) {
    libscols_line* line = scols_table_new_line(table.get(), nullptr);
    if (line == nullptr) return {};
    for (size_t i = 0; i < row.size() && i < columns_.size(); ++i) {
      scols_line_set_data(line, i, row[i].c_str());
    }
  }
  char* text = nullptr;
  if (scols_print_table_to_string(table.get(), &text) != 0 || text == nullptr) return {};
  std::string rendered = text;
  std::free(text);
  if (rendered.empty() || rendered.back() != '\n') rendered.push_back('\n');
  return rendered;
}

size_t TerminalWidth(int fd) {
  if (isatty(fd) == 0) return 0;
  winsize size = {};
  if (ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
  return size.ws_col;
}

std::string HumanBytes(double bytes) {
  return ThreeDigits(bytes, {"B", "kB", "MB", "GB", "TB", "PB", "EB"});
}

std::string HumanDuration(double nanoseconds) {
  if (nanoseconds < 0) return absl::StrCat("-", HumanDuration(-nanoseconds));
  return ThreeDigits(nanoseconds, {"ns", "us", "ms", "s"});
}

std::string GroupDigits(uint64_t number) {
  const std::string digits = absl::StrCat(number);
  std::string grouped;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) grouped.push_back(',');
    grouped.push_back(digits[i]);
  }
  return grouped;
}

}  // namespace causeway
