#include "agents/cli/report.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "agents/cli/table.h"

namespace causeway {
namespace {

// In the order in which they are added, for people who read it.
using Json = nlohmann::ordered_json;

std::string Line(const Json& json) {
  return json.dump(-1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace) + "\n";
}

double AgentSeconds(const ExchangeReport& report, const ExchangeReport::Agent& agent) {
  return static_cast<double>(agent.result.last_ns - report.producer.result.first_ns) / 1e9;
}

// Zero for no bytes in no time.
double Rate(uint64_t bytes, double seconds) {
  return seconds > 0 ? static_cast<double>(bytes) / seconds / 1e9 : 0;
}

double Microseconds(int64_t nanoseconds) { return static_cast<double>(nanoseconds) / 1e3; }

Json AgentJson(const ExchangeReport& report, const ExchangeReport::Agent& agent) {
  const WorkerReport& result = agent.result;
  Json json = {
      {"name", agent.name}, {"pid", agent.pid}, {"bytes", result.bytes}, {"frames", result.frames}};
  json["gb_per_s"] = Rate(result.bytes, AgentSeconds(report, agent));
  json["sha256"] = report.hashed ? Json(result.sha256) : Json(nullptr);
  return json;
}

std::string InputLine(const ExchangeReport& report) {
  const uint64_t sent = report.producer.result.bytes;
  std::string line = absl::StrCat("Sent ", GroupDigits(sent), " bytes of ", report.input);
  if (report.input_bytes != 0 && sent != report.input_bytes) {
    absl::StrAppend(&line, " (", GroupDigits(report.input_bytes), " bytes, ",
                    absl::StrFormat("%.2f", static_cast<double>(sent) /
                                                static_cast<double>(report.input_bytes)),
                    " times)");
  }
  return absl::StrCat(line, "\nthrough shared memory to ", report.consumers.size(),
                      report.consumers.size() == 1 ? " consumer" : " consumers", ", in frames of ",
                      GroupDigits(report.frame_bytes), " bytes.\n\n");
}

std::string LatencyLine(const ExchangeReport& report) {
  std::string line =
      "Latency: from just before a frame's commit until the consumer has it, waiting behind\n"
      "earlier frames included; ";
  const LatencySummary& latency = report.consumers.front().result.latency;
  if (latency.samples == latency.count) return absl::StrCat(line, "of every frame.\n");
  return absl::StrCat(line, "of a uniform sample of ", GroupDigits(latency.samples), " frames.\n");
}

std::string DigestLines(const ExchangeReport& report) {
  if (!report.hashed) {
    return "Not hashed: the consumers have read one word of every 64 bytes, and checked the "
           "number\n"
           "and the order of the frames.\n";
  }
  TextTable table({{"SHA-256 OF"}, {"WHAT WAS SENT, WHAT WAS READ"}});
  table.AddRow({report.producer.name, report.producer.result.sha256});
  for (const ExchangeReport::Agent& consumer : report.consumers) {
    table.AddRow({consumer.name, consumer.result.sha256});
  }
  return table.Render(0);
}

}  // namespace

double Seconds(const ExchangeReport& report) {
  double seconds = AgentSeconds(report, report.producer);
  for (const ExchangeReport::Agent& consumer : report.consumers) {
    seconds = std::max(seconds, AgentSeconds(report, consumer));
  }
  return seconds;
}

double GigabytesPerSecond(const ExchangeReport& report) {
  return Rate(report.producer.result.bytes, Seconds(report));
}

absl::Status CheckAgreement(const ExchangeReport& report) {
  const WorkerReport& sent = report.producer.result;
  for (const ExchangeReport::Agent& consumer : report.consumers) {
    const WorkerReport& read = consumer.result;
    if (read.bytes != sent.bytes || read.frames != sent.frames) {
      return absl::DataLossError(absl::StrCat(consumer.name, " has read ", read.bytes, " bytes in ",
                                              read.frames, " frames, but the producer sent ",
                                              sent.bytes, " bytes in ", sent.frames, " frames"));
    }
    if (report.hashed && read.sha256 != sent.sha256) {
      return absl::DataLossError(absl::StrCat("what ", consumer.name, " has read has SHA-256 ",
                                              read.sha256, ", but what was sent has ",
                                              sent.sha256));
    }
  }
  return absl::OkStatus();
}

std::string RenderTable(const ExchangeReport& report, size_t width) {
  using Kind = Column::Kind;
  TextTable table({{"AGENT"},
                   {"PID", Kind::kNumber},
                   {"BYTES", Kind::kNumber},
                   {"FRAMES", Kind::kNumber},
                   {"GB/S", Kind::kNumber},
                   {"P50", Kind::kNumber},
                   {"P99", Kind::kNumber},
                   {"P99.9", Kind::kNumber}});
  const auto add = [&](const ExchangeReport::Agent& agent, bool has_latency) {
    std::vector<std::string> row = {
        agent.name, absl::StrCat(agent.pid), GroupDigits(agent.result.bytes),
        GroupDigits(agent.result.frames),
        absl::StrFormat("%.2f", Rate(agent.result.bytes, AgentSeconds(report, agent)))};
    const LatencySummary& latency = agent.result.latency;
    if (has_latency && latency.count > 0) {
      for (const int64_t value : {latency.p50_ns, latency.p99_ns, latency.p999_ns}) {
        row.push_back(HumanDuration(static_cast<double>(value)));
      }
    } else {
      row.insert(row.end(), {"-", "-", "-"});
    }
    table.AddRow(std::move(row));
  };
  add(report.producer, false);
  for (const ExchangeReport::Agent& consumer : report.consumers) add(consumer, true);

  const absl::Status agreement = CheckAgreement(report);
  return absl::StrCat(InputLine(report), table.Render(width), "\n", LatencyLine(report), "\n",
                      DigestLines(report), "\n",
                      agreement.ok()
                          ? absl::StrFormat("All agree. %.2f GB/s to each consumer, %.3f s.\n",
                                            GigabytesPerSecond(report), Seconds(report))
                          : absl::StrCat("They do NOT agree: ", agreement.message(), ".\n"));
}

std::string RenderJson(const ExchangeReport& report) {
  const absl::Status agreement = CheckAgreement(report);
  const WorkerReport& sent = report.producer.result;
  Json json = {{"ok", agreement.ok()}};
  if (!agreement.ok()) json["error"] = std::string(agreement.message());
  json["bytes"] = sent.bytes;
  json["frames"] = sent.frames;
  json["seconds"] = Seconds(report);
  json["gb_per_s"] = GigabytesPerSecond(report);
  json["input"] = report.input;
  json["input_bytes"] = report.input_bytes;
  json["frame_bytes"] = report.frame_bytes;
  json["hashed"] = report.hashed;
  json["producer"] = AgentJson(report, report.producer);
  json["producer"]["waits"] = sent.waits;
  json["consumers"] = Json::array();
  for (const ExchangeReport::Agent& consumer : report.consumers) {
    Json entry = AgentJson(report, consumer);
    const LatencySummary& latency = consumer.result.latency;
    entry["p50_us"] = Microseconds(latency.p50_ns);
    entry["p99_us"] = Microseconds(latency.p99_ns);
    entry["p999_us"] = Microseconds(latency.p999_ns);
    entry["max_us"] = Microseconds(latency.max_ns);
    entry["latency_samples"] = latency.samples;
    json["consumers"].push_back(std::move(entry));
  }
  return Line(json);
}

std::string RenderJson(const absl::Status& error) {
  return Line({{"ok", false},
               {"error", std::string(error.message())},
               {"code", absl::StatusCodeToString(error.code())}});
}

}  // namespace causeway
