// Tables for people: as wide as the terminal allows, numbers to the right.

#ifndef CAUSEWAY_AGENTS_CLI_TABLE_H_
#define CAUSEWAY_AGENTS_CLI_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace causeway {

struct Column {
  enum class Kind {
    kText,      // left; never cut
    kLongText,  // left; cut where the terminal is too narrow
    kNumber,    // right; never cut
  };
  std::string title;
  Kind kind = Kind::kText;
};

// Rows of text under column titles. Not thread-safe.
class TextTable {
 public:
  explicit TextTable(std::vector<Column> columns) : columns_(std::move(columns)) {}

  // `cells` in order of the columns; missing ones are empty, surplus ones are dropped. Control
  // characters and bytes that are not UTF-8 are shown escaped.
  void AddRow(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }

  // Lines, each ended by a newline, at most `width` columns wide if the cells that may be cut allow
  // it. Zero: nothing is cut, as for a pipe or a file.
  std::string Render(size_t width) const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

// Columns of the terminal that `fd` is; zero if it is none.
size_t TerminalWidth(int fd);

// "1.07 GB", "64 B": three significant digits, powers of 1000.
std::string HumanBytes(double bytes);

// "12.3 us", "1.20 ms": three significant digits.
std::string HumanDuration(double nanoseconds);

// 1234567 as "1,234,567".
std::string GroupDigits(uint64_t number);

}  // namespace causeway

#endif  // CAUSEWAY_AGENTS_CLI_TABLE_H_
