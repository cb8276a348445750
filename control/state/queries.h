// What operators ask of the state. Reads only; run on the state thread like everything else.

#ifndef CAUSEWAY_CONTROL_STATE_QUERIES_H_
#define CAUSEWAY_CONTROL_STATE_QUERIES_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "control/state/books.h"
#include "control/state/records.pb.h"

namespace causeway {

inline constexpr uint32_t kDefaultPageSize = 1000;
inline constexpr uint32_t kMaxPageSize = 10000;

// A part of a list ordered by id. size 0 means kDefaultPageSize; more than kMaxPageSize is cut to
// it. A token is what the page before ended with; empty is the first page.
struct PageRequest {
  uint32_t size = 0;
  std::string token;
};

template <typename T>
struct Page {
  std::vector<T> items;
  std::string next_token;  // Empty: this is the last page.
};

struct AgentView {
  records::Session session;
  uint64_t granted_bytes = 0;  // Writable.
  uint32_t writers = 0;
  uint32_t readers = 0;
};

struct ExtentView {
  records::Extent extent;
  std::string agent_name;  // Empty if the holder's session is gone.
  std::string stream;      // Empty for an extent of a split.
};

struct StreamView {
  records::Stream stream;
  uint32_t lanes = 0;
  uint32_t readers = 0;
  uint64_t granted_bytes = 0;
};

struct LaneView {
  records::Lane lane;
  uint32_t segments = 0;
  uint64_t bytes = 0;
};

struct CursorView {
  records::Cursor cursor;
  v1::ReaderPolicy policy = v1::READER_POLICY_UNSPECIFIED;  // Of the reader.
  uint64_t session_id = 0;
  records::Extent page;  // In the reader's cursor file.
};

struct StreamDetails {
  StreamView view;
  std::vector<LaneView> lanes;
  std::vector<CursorView> cursors;
};

struct ExtentFilter {
  uint64_t file_id = 0;     // 0: of all files.
  uint64_t session_id = 0;  // 0: of all agents.
};

struct SpaceHolder {
  uint64_t session_id = 0;
  std::string agent_name;  // Empty if the session is gone and only readers keep its lanes.
  uint64_t bytes = 0;
};

// Lists. INVALID_ARGUMENT: a token that no page ended with.
absl::StatusOr<Page<AgentView>> ListAgents(const Books& books, const PageRequest& page);
absl::StatusOr<Page<records::File>> ListFiles(const Books& books, const PageRequest& page);
absl::StatusOr<Page<ExtentView>> ListExtents(const Books& books, const ExtentFilter& filter,
                                             const PageRequest& page);
absl::StatusOr<Page<StreamView>> ListStreams(const Books& books, const PageRequest& page);

// One thing. NOT_FOUND: it does not exist.
absl::StatusOr<AgentView> DescribeAgent(const Books& books, uint64_t session_id);
absl::StatusOr<records::File> DescribeFile(const Books& books, uint64_t file_id);
absl::StatusOr<StreamDetails> DescribeStream(const Books& books, std::string_view name);

// The sessions that hold most of the coordinator's space, largest first: for RESOURCE_EXHAUSTED.
std::vector<SpaceHolder> LargestHolders(const Books& books, size_t count);
// The same in words, in bytes: `session 5 "camera" 1073741824, session 9 "store" 4096`, or
// "nobody".
std::string DescribeLargestHolders(const Books& books, size_t count);

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_STATE_QUERIES_H_
