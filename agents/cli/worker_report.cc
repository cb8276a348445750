#include "agents/cli/worker_report.h"

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"

namespace causeway {
namespace {

using Json = nlohmann::json;

constexpr const char* kKindNames[] = {"progress", "result", "error"};

Json LatencyJson(const LatencySummary& latency) {
  return {{"count", latency.count},   {"samples", latency.samples}, {"p50_ns", latency.p50_ns},
          {"p99_ns", latency.p99_ns}, {"p999_ns", latency.p999_ns}, {"max_ns", latency.max_ns}};
}

LatencySummary LatencyFrom(const Json& json) {
  return {.count = json.value("count", uint64_t{0}),
          .samples = json.value("samples", uint64_t{0}),
          .p50_ns = json.value("p50_ns", int64_t{0}),
          .p99_ns = json.value("p99_ns", int64_t{0}),
          .p999_ns = json.value("p999_ns", int64_t{0}),
          .max_ns = json.value("max_ns", int64_t{0})};
}

}  // namespace

std::string EncodeWorkerReport(const WorkerReport& report) {
  Json json = {{"kind", kKindNames[static_cast<int>(report.kind)]}};
  if (report.kind == WorkerReport::Kind::kError) {
    json["code"] = static_cast<int>(report.error.code());
    json["message"] = std::string(report.error.message());
  } else {
    json["bytes"] = report.bytes;
    json["frames"] = report.frames;
  }
  if (report.kind == WorkerReport::Kind::kResult) {
    json["waits"] = report.waits;
    json["first_ns"] = report.first_ns;
    json["last_ns"] = report.last_ns;
    json["sha256"] = report.sha256;
    json["latency"] = LatencyJson(report.latency);
  }
  return json.dump(-1, ' ', /*ensure_ascii=*/true, Json::error_handler_t::replace);
}

absl::StatusOr<WorkerReport> DecodeWorkerReport(std::string_view line) {
  // The library throws where a value has another type than expected.
  try {
    const Json json = Json::parse(line);
    const std::string kind = json.at("kind");
    WorkerReport report;
    if (kind == "error") {
      report.kind = WorkerReport::Kind::kError;
      report.error = absl::Status(static_cast<absl::StatusCode>(json.at("code").get<int>()),
                                  json.at("message").get<std::string>());
      return report;
    }
    report.kind = kind == "result" ? WorkerReport::Kind::kResult : WorkerReport::Kind::kProgress;
    report.bytes = json.at("bytes");
    report.frames = json.at("frames");
    report.waits = json.value("waits", uint64_t{0});
    report.first_ns = json.value("first_ns", int64_t{0});
    report.last_ns = json.value("last_ns", int64_t{0});
    report.sha256 = json.value("sha256", std::string());
    if (json.contains("latency")) report.latency = LatencyFrom(json.at("latency"));
    return report;
  } catch (const Json::exception&) {
    return absl::InvalidArgumentError(
        absl::StrCat("not a worker's report: ", std::string(line.substr(0, 200))));
  }
}

}  // namespace causeway
