// The coordinator's lists as tables for people and as JSON for programs.

#ifndef CAUSEWAY_AGENTS_CLI_LISTING_H_
#define CAUSEWAY_AGENTS_CLI_LISTING_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "control/api/v1/admin.pb.h"

namespace causeway {

// One reader that follows one lane.
struct ListedReader {
  std::string stream;
  v1::Cursor cursor;
};

// What was asked for; a list that was not is not shown.
struct Listing {
  v1::DescribeCoordinatorResponse coordinator;
  bool has_streams = false;
  bool has_readers = false;
  bool has_agents = false;
  bool has_extents = false;
  std::vector<v1::Stream> streams;
  std::vector<ListedReader> readers;
  std::vector<v1::Agent> agents;
  std::vector<v1::GrantedExtent> extents;
  // Entries of a list that are shown; zero: all. A list that has more says so.
  size_t limit = 0;
};

// Lines, each with its newline. `width` as for TextTable::Render(); `now_unix_ms` for ages.
std::string RenderListing(const Listing& listing, size_t width, int64_t now_unix_ms);

// One object on one line, with its newline. Names are as in control/api/v1/admin.proto.
std::string ListingJson(const Listing& listing);

// "12 s", "3 min", "5 h", "9 d".
std::string HumanAge(int64_t ms);

}  // namespace causeway

#endif  // CAUSEWAY_AGENTS_CLI_LISTING_H_
