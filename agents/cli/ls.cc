#include "agents/cli/ls.h"

#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "agents/cli/admin_client.h"
#include "agents/cli/command_line.h"
#include "agents/cli/listing.h"
#include "agents/cli/table.h"

namespace causeway {
namespace {

constexpr char kCommand[] = "ls";

constexpr char kExamples[] =
    "  causeway ls\n"
    "  causeway ls extents --limit=0\n"
    "  causeway ls --json | jq '.streams[] | select(.readers == 0).name'\n";

struct LsFlags {
  std::string what = "all";
  std::string dir;
  uint64_t limit = 200;
  bool json = false;
};

// Every reader of these streams, lane by lane, up to `limit`; zero: all.
absl::StatusOr<std::vector<ListedReader>> ListReaders(const AdminClient& admin,
                                                      const std::vector<v1::Stream>& streams,
                                                      size_t limit) {
  std::vector<ListedReader> readers;
  for (const v1::Stream& stream : streams) {
    if (stream.readers() == 0) continue;
    const auto details = admin.DescribeStream(stream.name());
    if (absl::IsNotFound(details.status())) continue;  // Deleted meanwhile.
    if (!details.ok()) return details.status();
    for (const v1::Cursor& cursor : details->cursors()) {
      if (limit != 0 && readers.size() == limit) return readers;
      readers.push_back({stream.name(), cursor});
    }
  }
  return readers;
}

absl::StatusOr<Listing> Ask(const LsFlags& flags) {
  const bool all = flags.what == "all";
  Listing listing = {.has_streams = all || flags.what == "streams",
                     .has_readers = all || flags.what == "readers",
                     .has_agents = all || flags.what == "agents",
                     .has_extents = all || flags.what == "extents",
                     .limit = flags.limit};
  if (!listing.has_streams && !listing.has_readers && !listing.has_agents && !listing.has_extents) {
    return absl::InvalidArgumentError(absl::StrCat(
        "there is no list of ", flags.what, "; ask for streams, readers, agents or extents"));
  }
  const absl::StatusOr<AdminClient> admin = AdminClient::Connect(flags.dir);
  if (!admin.ok()) return admin.status();
  auto coordinator = admin->DescribeCoordinator();
  if (!coordinator.ok()) return coordinator.status();
  listing.coordinator = *std::move(coordinator);
  // One more than is shown tells whether there are more.
  const size_t limit = flags.limit == 0 ? 0 : flags.limit + 1;
  if (listing.has_streams || listing.has_readers) {
    // Whichever streams the readers are of.
    auto streams = admin->ListStreams(listing.has_readers ? 0 : limit);
    if (!streams.ok()) return streams.status();
    if (listing.has_readers) {
      auto readers = ListReaders(*admin, *streams, limit);
      if (!readers.ok()) return readers.status();
      listing.readers = *std::move(readers);
    }
    listing.streams = *std::move(streams);
  }
  if (listing.has_agents) {
    auto agents = admin->ListAgents(limit);
    if (!agents.ok()) return agents.status();
    listing.agents = *std::move(agents);
  }
  if (listing.has_extents) {
    auto extents = admin->ListExtents(limit);
    if (!extents.ok()) return extents.status();
    listing.extents = *std::move(extents);
  }
  return listing;
}

}  // namespace

int LsMain(int argc, char** argv) {
  LsFlags flags;
  CommandLine line(kCommand, "Lists a coordinator's streams, readers, agents and extents.",
                   kExamples);
  line.OptionalPositional("WHAT", &flags.what,
                          "streams, readers, agents or extents (default: all)");
  line.Directory(&flags.dir);
  line.Count("limit", &flags.limit, "Most entries of each list (default 200); 0: all");
  line.Switch("json", &flags.json, "One JSON object instead of tables");
  const absl::StatusOr<bool> parsed = line.Parse(argc, argv);
  if (!parsed.ok()) return Fail(kCommand, parsed.status());
  if (!*parsed) return 0;
  const absl::StatusOr<Listing> listing = Ask(flags);
  if (!listing.ok()) return Fail(kCommand, listing.status());
  const std::string text = flags.json ? ListingJson(*listing)
                                      : RenderListing(*listing, TerminalWidth(STDOUT_FILENO),
                                                      absl::ToUnixMillis(absl::Now()));
  return std::fputs(text.c_str(), stdout) >= 0 && std::fflush(stdout) == 0 ? 0 : kExitFailure;
}

}  // namespace causeway
