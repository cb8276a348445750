#include "control/state/stream_operations.h"

#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "control/api/names/stream_name.h"
#include "control/state/events.h"
#include "control/state/stream_options.h"

namespace causeway {
namespace {

std::string Describe(const v1::StreamOptions& options) {
  return absl::StrCat("durability ", static_cast<int>(options.durability()), ", segment_bytes ",
                      options.segment_bytes(), ", capacity_bytes ", options.capacity_bytes(),
                      ", max_frame_bytes ", options.max_frame_bytes(),
                      options.timestamps() ? ", timestamps" : ", no timestamps");
}

}  // namespace

absl::StatusOr<records::Stream> StreamOperations::Create(std::string_view name,
                                                         const v1::StreamOptions& options,
                                                         int64_t now_unix_ms) {
  if (absl::Status status = ValidateStreamName(name); !status.ok()) return status;
  if (const records::Stream* stream = books_.streams.FindByName(name); stream != nullptr) {
    if (AgreesWith(options, stream->options())) return *stream;
    return absl::AlreadyExistsError(absl::StrCat(
        "stream ", QuotedName(name), " exists with ", Describe(stream->options()),
        "; asked for (0: any) ", Describe(options), "; use another name, or delete it first"));
  }
  absl::StatusOr<records::Stream> planned = Plan(name, options);
  if (!planned.ok()) return planned.status();
  return Ensure(*std::move(planned), now_unix_ms);
}

absl::Status StreamOperations::Delete(std::string_view name) {
  const records::Stream* stream = books_.streams.FindByName(name);
  if (stream == nullptr) {
    return absl::NotFoundError(absl::StrCat("no stream is named ", QuotedName(name)));
  }
  const std::set<uint64_t>& lanes = books_.lanes.OfStream(stream->stream_id());
  const std::set<uint64_t>& readers = books_.readers.OfStream(stream->stream_id());
  if (!lanes.empty() || !readers.empty()) {
    std::set<std::string> holders;
    for (const uint64_t lane_id : lanes) {
      holders.insert(DescribeSession(books_, books_.lanes.Find(lane_id)->session_id()));
    }
    for (const uint64_t reader_id : readers) {
      holders.insert(DescribeSession(books_, books_.readers.Find(reader_id)->session_id()));
    }
    return absl::FailedPreconditionError(absl::StrCat(
        "stream ", QuotedName(name), " has ", lanes.size(), " lanes and ", readers.size(),
        " readers, of ", absl::StrJoin(holders, ", "), "; close or evict them first"));
  }
  books_.streams.Erase(stream->stream_id());
  return absl::OkStatus();
}

absl::StatusOr<records::Stream> StreamOperations::Plan(
    std::string_view name, const std::optional<v1::StreamOptions>& create_options) const {
  if (absl::Status status = ValidateStreamName(name); !status.ok()) return status;
  const records::Stream* stream = books_.streams.FindByName(name);
  if (stream != nullptr) return *stream;
  if (!create_options.has_value()) {
    return absl::NotFoundError(absl::StrCat("no stream is named ", QuotedName(name),
                                            "; create it, or ask to have it created"));
  }
  absl::StatusOr<v1::StreamOptions> whole = CompleteStreamOptions(*create_options, books_.limits);
  if (!whole.ok()) return whole.status();
  if (books_.streams.size() >= books_.limits.max_streams) {
    return LimitMet("max_streams", books_.limits.max_streams,
                    absl::StrCat(books_.streams.size(), " streams exist"),
                    "delete streams that are not used");
  }
  records::Stream planned;
  planned.set_name(std::string(name));
  *planned.mutable_options() = *std::move(whole);
  return planned;
}

records::Stream StreamOperations::Ensure(records::Stream planned, int64_t now_unix_ms) {
  if (planned.stream_id() != 0) return planned;
  planned.set_stream_id(books_.NextId());
  planned.set_created_unix_ms(now_unix_ms);
  books_.streams.Put(planned);
  return planned;
}

}  // namespace causeway
