#include "control/log/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"

namespace causeway {
namespace {

spdlog::level::level_enum SpdlogLevel(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

bool IsPlain(std::string_view value) {
  return !value.empty() && std::all_of(value.begin(), value.end(), [](unsigned char c) {
    return absl::ascii_isgraph(c) && c != '"' && c != '=' && c != '\\';
  });
}

void AppendField(std::string& line, std::string_view key, std::string_view value) {
  if (!line.empty()) line += ' ';
  line += key;
  line += '=';
  if (IsPlain(value)) {
    line += value;
  } else {
    line += '"';
    line += absl::Utf8SafeCHexEscape(absl::string_view(value.data(), value.size()));
    line += '"';
  }
}

}  // namespace

std::string FormatLogLine(std::string_view event, std::initializer_list<LogField> fields) {
  std::string line;
  AppendField(line, "event", event);
  for (const LogField& field : fields) AppendField(line, field.key, field.value);
  return line;
}

void Log(LogLevel level, std::string_view event, std::initializer_list<LogField> fields) {
  spdlog::logger* const logger = spdlog::default_logger_raw();
  const spdlog::level::level_enum spdlog_level = SpdlogLevel(level);
  if (!logger->should_log(spdlog_level)) return;
  logger->log(spdlog_level, FormatLogLine(event, fields));
}

void LogToStandardError(LogLevel level) {
  auto logger = std::make_shared<spdlog::logger>("causeway",
                                                 std::make_shared<spdlog::sinks::stderr_sink_mt>());
  logger->set_pattern("time=%Y-%m-%dT%H:%M:%S.%fZ level=%l %v", spdlog::pattern_time_type::utc);
  logger->set_level(SpdlogLevel(level));
  spdlog::set_default_logger(std::move(logger));
}

}  // namespace causeway
