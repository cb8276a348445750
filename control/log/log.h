// The coordinator's log: one line per event, as key=value text on standard error.
//
//   time=2024-05-01T12:00:00.123456Z level=warning event="agent cut off" session=7 pid=4242
//   reason="4096 events wait unread"
//
// Values that are not plain words are quoted and escaped, so that a name somebody chose can neither
// break a line nor forge one.

#ifndef CAUSEWAY_CONTROL_LOG_LOG_H_
#define CAUSEWAY_CONTROL_LOG_LOG_H_

#include <concepts>
#include <initializer_list>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace causeway {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

// One key=value pair. The key must outlive the call that it is passed to.
struct LogField {
  LogField(std::string_view key, std::string_view value) : key(key), value(value) {}
  LogField(std::string_view key, const std::string& value) : key(key), value(value) {}
  LogField(std::string_view key, const char* value) : key(key), value(value) {}
  LogField(std::string_view key, const absl::Status& status) : key(key), value(status.ToString()) {}
  LogField(std::string_view key, std::integral auto number)
      : key(key), value(absl::StrCat(number)) {}

  std::string_view key;
  std::string value;
};

// Writes one line. Thread-safe. Does not throw; a line that cannot be written is lost.
void Log(LogLevel level, std::string_view event, std::initializer_list<LogField> fields = {});

// The text of an event, without time and level. For tests, and for those with a log of their own.
std::string FormatLogLine(std::string_view event, std::initializer_list<LogField> fields);

// Sends the log of the process to standard error in the form above, from `level` on. For programs;
// without it the lines go where the process's spdlog goes.
void LogToStandardError(LogLevel level);

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_LOG_LOG_H_
