// Streams: named, with options that never change.

#ifndef CAUSEWAY_CONTROL_STATE_STREAM_OPERATIONS_H_
#define CAUSEWAY_CONTROL_STATE_STREAM_OPERATIONS_H_

#include <cstdint>
#include <optional>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "control/api/v1/types.pb.h"
#include "control/state/books.h"
#include "control/state/records.pb.h"

namespace causeway {

class StreamOperations {
 public:
  explicit StreamOperations(Books* books) : books_(*books) {}

  // Creates the stream, with zero options completed from the limits' defaults. If it exists,
  // returns it, provided that every option that is not zero is the one in force.
  //
  // INVALID_ARGUMENT: a bad name, or options that break a rule. ALREADY_EXISTS: other options are
  // in force; the message has them. RESOURCE_EXHAUSTED: max_streams.
  absl::StatusOr<records::Stream> Create(std::string_view name, const v1::StreamOptions& options,
                                         int64_t now_unix_ms);

  // NOT_FOUND: no such stream. FAILED_PRECONDITION: it has lanes or readers; the message names
  // their holders.
  absl::Status Delete(std::string_view name);

  // The stream that an open would use: the one of that name, whatever its options, or the one that
  // Ensure() would create, with stream_id 0, if it is missing and `create_options` are given.
  // Changes nothing. Errors as Create; NOT_FOUND: missing, and not to be created.
  absl::StatusOr<records::Stream> Plan(
      std::string_view name, const std::optional<v1::StreamOptions>& create_options) const;

  // The planned stream, created if it was missing.
  records::Stream Ensure(records::Stream planned, int64_t now_unix_ms);

 private:
  Books& books_;
};

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_STATE_STREAM_OPERATIONS_H_
