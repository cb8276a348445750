#include "agents/cli/manage.h"

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "agents/cli/admin_client.h"
#include "agents/cli/command_line.h"
#include "control/api/names/stream_name.h"

namespace causeway {
namespace {

// Parses, connects, and makes one call of the coordinator.
template <typename Change>
int Run(const char* command, CommandLine& line, int argc, char** argv, const std::string& dir,
        Change change) {
  const absl::StatusOr<bool> parsed = line.Parse(argc, argv);
  if (!parsed.ok()) return Fail(command, parsed.status());
  if (!*parsed) return 0;
  const absl::StatusOr<AdminClient> admin = AdminClient::Connect(dir);
  if (!admin.ok()) return Fail(command, admin.status());
  const absl::Status status = change(*admin);
  return status.ok() ? 0 : Fail(command, status);
}

absl::StatusOr<v1::Durability> DurabilityFrom(const std::string& word) {
  if (word.empty()) return v1::DURABILITY_UNSPECIFIED;
  if (word == "memory") return v1::DURABILITY_MEMORY;
  if (word == "cached") return v1::DURABILITY_CACHED;
  return absl::InvalidArgumentError(
      absl::StrCat("--durability is ", word, "; it must be memory or cached"));
}

}  // namespace

int CreateMain(int argc, char** argv) {
  constexpr char kCommand[] = "create";
  std::string stream;
  std::string dir;
  std::string durability;
  uint64_t segment_bytes = 0;
  uint64_t capacity_bytes = 0;
  uint64_t max_frame_bytes = 0;
  bool timestamps = false;
  CommandLine line(kCommand,
                   "Makes a stream. It is no error if there is one with the same options.",
                   "  causeway create video --max_frame_bytes=32MiB --capacity_bytes=512MiB\n");
  line.Positional("STREAM", &stream, "Name of the stream");
  line.Directory(&dir);
  line.Text("durability", &durability, "memory (tmpfs) or cached (disk)");
  line.Size("segment_bytes", &segment_bytes, "Bytes of one segment of a lane");
  line.Size("capacity_bytes", &capacity_bytes, "Bytes of all segments of one lane");
  line.Size("max_frame_bytes", &max_frame_bytes, "Most bytes of one frame");
  line.Switch("timestamps", &timestamps, "Frames carry the time at which they were committed");
  return Run(kCommand, line, argc, argv, dir, [&](const AdminClient& admin) {
    const absl::StatusOr<v1::Durability> kind = DurabilityFrom(durability);
    if (!kind.ok()) return kind.status();
    if (absl::Status status = ValidateStreamName(stream); !status.ok()) return status;
    v1::StreamOptions options;
    options.set_durability(*kind);
    options.set_segment_bytes(segment_bytes);
    options.set_capacity_bytes(capacity_bytes);
    options.set_max_frame_bytes(max_frame_bytes);
    options.set_timestamps(timestamps);
    return admin.CreateStream(stream, options);
  });
}

int DeleteMain(int argc, char** argv) {
  constexpr char kCommand[] = "delete";
  std::string stream;
  std::string dir;
  CommandLine line(kCommand, "Deletes a stream that nobody has open.", "  causeway delete video\n");
  line.Positional("STREAM", &stream, "Name of the stream");
  line.Directory(&dir);
  return Run(kCommand, line, argc, argv, dir, [&](const AdminClient& admin) {
    if (absl::Status status = ValidateStreamName(stream); !status.ok()) return status;
    return admin.DeleteStream(stream);
  });
}

int EvictMain(int argc, char** argv) {
  constexpr char kCommand[] = "evict";
  std::string session;
  std::string dir;
  std::string reason = "evicted by an operator";
  CommandLine line(kCommand,
                   "Fences an agent: its files are retired, and whatever it still does with them\n"
                   "reaches nobody.",
                   "  causeway ls agents\n  causeway evict 17 --reason='stuck since noon'\n");
  line.Positional("SESSION", &session, "The agent's session, as causeway ls agents shows it");
  line.Directory(&dir);
  line.Text("reason", &reason, "What the agent is told");
  return Run(kCommand, line, argc, argv, dir, [&](const AdminClient& admin) {
    uint64_t session_id = 0;
    if (!absl::SimpleAtoi(session, &session_id)) {
      return absl::InvalidArgumentError(
          absl::StrCat(session, " is no session; causeway ls agents shows their numbers"));
    }
    return admin.EvictAgent(session_id, reason);
  });
}

}  // namespace causeway
