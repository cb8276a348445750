// Any bytes as the request of any call, of agents and operators: a status comes back, the books
// keep every promise after it, and once all agents are dead nothing is left of what was granted.

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "control/api/v1/admin.pb.h"
#include "control/api/v1/agents.pb.h"
#include "control/files/granted_files.h"
#include "control/service/admin_calls.h"
#include "control/service/calls.h"
#include "control/service/obligations.h"
#include "control/service/reader_calls.h"
#include "control/service/split_calls.h"
#include "control/service/split_waiters.h"
#include "control/service/writer_calls.h"
#include "control/state/batch_runner.h"
#include "control/state/catalog.h"
#include "control/state/effect.h"
#include "control/state/invariants.h"
#include "control/state/limits.h"
#include "control/state/state_runner.h"
#include "control/store/memory_store.h"
#include "tools/fuzz/fuzz_input.h"

namespace causeway {
namespace {

constexpr int kMaxCalls = 60;
constexpr uint64_t kAgents = 2;
constexpr uint64_t kPage = 4096;
constexpr size_t kMaxIds = 32;

[[noreturn]] void Fail(std::string_view what, const absl::Status& status) {
  std::cerr << what << ": " << status << "\n";
  std::abort();
}

// Near, so that they are met.
Limits NearLimits() {
  Limits limits;
  limits.max_streams = 8;
  limits.max_lanes_per_stream = 4;
  limits.max_readers_per_stream = 4;
  limits.max_lanes_per_agent = 6;
  limits.max_readers_per_agent = 6;
  limits.max_writable_bytes_per_agent = 64 * kPage;
  limits.max_splits_per_agent = 2;
  limits.max_brought_files_per_agent = 4;
  limits.max_extents_per_split = 16;
  limits.default_segment_bytes = 2 * kPage;
  limits.default_capacity_bytes = 8 * kPage;
  limits.default_max_frame_bytes = kPage;
  limits.default_split_extent_bytes = 4 * kPage;
  return limits;
}

// Files that are only names.
class NamesOfFiles : public GrantedFiles {
 public:
  void Register(uint64_t, const std::string&, v1::Durability) override {}
  void Bring(uint64_t, MappedFile) override {}
  absl::Status Back(const FileRange& range) override {
    if ((range.length == 0 && !range.create) || range.offset % kPage != 0 ||
        range.length % kPage != 0 || range.offset + range.length < range.offset ||
        range.offset + range.length > INT64_MAX) {
      Fail("a range that is no pages is to be backed", absl::OkStatus());
    }
    if (range.create == names_.contains(range.name)) return absl::InternalError(range.name);
    names_[range.name] += range.length;
    return absl::OkStatus();
  }
  absl::Status Free(const FileRange&) override { return absl::OkStatus(); }
  absl::StatusOr<UniqueFd> Open(uint64_t, v1::Protection) const override {
    return absl::NotFoundError("no descriptors here");
  }
  std::string Label(uint64_t) const override { return "label"; }
  std::optional<uint64_t> ReadWord(uint64_t, uint64_t) const override { return ~uint64_t{0}; }
  void Forget(uint64_t) override {}
  absl::Status Remove(const std::string& name, v1::Durability, bool) override {
    names_.erase(name);
    return absl::OkStatus();
  }
  absl::StatusOr<size_t> RemoveUnregistered() override { return 0; }

  size_t size() const { return names_.size(); }

 private:
  std::map<std::string, uint64_t> names_;
};

// Unlinks what is retired; sends nothing.
class Sink : public EffectSink {
 public:
  explicit Sink(NamesOfFiles* files) : files_(*files) {}
  void Deliver(const Effect& effect) override {
    if (const auto* retired = std::get_if<RetireFile>(&effect)) {
      files_.Remove(retired->name, retired->durability, retired->truncate).IgnoreError();
    }
  }

 private:
  NamesOfFiles& files_;
};

// The state machine without its thread.
class Inline : public StateRunner {
 public:
  Inline(std::unique_ptr<Catalog> catalog, Store* store, EffectSink* sink)
      : runner_(std::move(catalog), store, sink) {}

  void Post(Operation operation, Done done) override {
    std::vector<StateTask> batch(1);
    batch[0].operation = std::move(operation);
    batch[0].done = std::move(done);
    runner_.Run(&batch);
    batch[0].done(batch[0].status);
  }
  const Books& books() const { return runner_.catalog().books(); }

 protected:
  absl::Status RunAndWait(absl::FunctionRef<absl::Status(Catalog&)> operation) override {
    absl::Status answer;
    Post([&](Catalog& catalog) { return operation(catalog); },
         [&](const absl::Status& status) { answer = status; });
    return answer;
  }

 private:
  BatchRunner runner_;
};

class Coordinator {
 public:
  explicit Coordinator(FuzzInput& input)
      : input_(input),
        sink_(&files_),
        store_(MemoryStore::OpenEmpty()),
        state_(*Catalog::FromRecords({}, NearLimits()), store_.get(), &sink_),
        obligations_(&state_, [] {}),
        parts_{.state = &state_, .files = &files_, .obligations = &obligations_},
        waiters_(1),
        writers_(parts_),
        readers_(parts_),
        splits_(parts_, &waiters_, absl::ZeroDuration()),
        admin_(parts_, {.limits = NearLimits()}) {
    Must(state_.Run([](Catalog& catalog) {
      catalog.BeginEpoch();
      return absl::OkStatus();
    }));
    for (uint64_t agent = 1; agent <= kAgents; ++agent) Attach(agent);
  }

  void Run() {
    for (int i = 0; i < kMaxCalls && !input_.empty(); ++i) CallOne();
    for (const uint64_t session : sessions_) Die(session);
    const Books& books = state_.books();
    if (books.sessions.size() != 0 || books.lanes.size() != 0 || books.readers.size() != 0 ||
        books.files.size() != 0 || books.extents.size() != 0 || files_.size() != 0) {
      Fail("something is left of the dead", absl::OkStatus());
    }
  }

 private:
  static void Must(const absl::Status& status) {
    if (!status.ok()) Fail("setting up", status);
  }
  static std::string TokenOf(uint64_t agent) {
    return std::string(32, static_cast<char>('a' + agent));
  }

  void Attach(uint64_t agent) {
    AttachRequest request{.connection_id = agent, .agent_name = "agent"};
    request.token_sha256 = TokenOf(agent);
    request.incarnation.set_nonce(std::string(16, static_cast<char>(agent)));
    request.incarnation.set_pid(static_cast<int64_t>(agent));
    const auto attached =
        state_.Run([&](Catalog& catalog) { return catalog.sessions().Attach(request); });
    Must(attached.status());
    sessions_.push_back(attached->session_id);
    ids_["session_id"].push_back(attached->session_id);
    for (int i = 0; i < 2; ++i) {
      const absl::StatusOr<uint64_t> file = state_.Run([&](Catalog& catalog) {
        return catalog.splits().Bring({.session_id = attached->session_id,
                                       .label = "/tmp/file",
                                       .protection = v1::PROTECTION_READ_WRITE,
                                       .size_bytes = 40 * kPage + 5});
      });
      Must(file.status());
      ids_["file_id"].push_back(*file);
    }
  }

  void Die(uint64_t session) {
    // Some have detached.
    state_
        .Run([&](Catalog& catalog) -> absl::Status {
          const records::Session* const row = catalog.books().sessions.Find(session);
          if (row == nullptr) return absl::OkStatus();
          absl::Status lost = catalog.sessions().ConnectionLost(session, row->connection_id());
          return lost.ok() ? catalog.sessions().ProcessExited(session) : lost;
        })
        .IgnoreError();
    Check("a death");
  }

  void Check(std::string_view after) {
    const absl::Status held = CheckInvariants(state_.books());
    if (!held.ok()) Fail(after, held);
  }

  // Parses the request, lets `aim` put in what is known to exist, calls, and looks.
  template <typename Request, typename Aim, typename Call>
  void Try(Aim aim, Call call) {
    Request request;
    const uint8_t aimed = input_.Take<uint8_t>();
    // What gRPC cannot parse, it refuses itself.
    if (aimed % 8 < 2 && !request.ParseFromString(input_.TakeBytes())) return;
    if (aimed % 8 != 0) aim(request);
    const std::string token =
        aimed / 8 % 8 == 0 ? input_.TakeBytes(64) : TokenOf(1 + aimed / 8 % kAgents);
    auto answer = call(token, request);
    absl::Status status;
    if constexpr (std::is_same_v<decltype(answer), absl::Status>) {
      status = answer;
    } else {
      status = answer.status();
      if (answer.ok()) Remember(*answer);
    }
    if (absl::IsInternal(status) || absl::IsUnknown(status) || absl::IsDataLoss(status)) {
      Fail(request.GetTypeName(), status);
    }
    Check(request.GetTypeName());
  }

  std::string Name() { return input_.Below<uint8_t>(4) == 0 ? "t" : "s"; }

  // One that an answer had in a field of this name; now and then one of any other.
  uint64_t Id(const std::string& field) {
    const uint8_t which = input_.Take<uint8_t>();
    auto found = ids_.find(field);
    if (found == ids_.end() || which % 8 == 0) {
      found = std::next(ids_.begin(), static_cast<std::ptrdiff_t>(which / 8 % ids_.size()));
    }
    return found->second[which / 8 % found->second.size()];
  }

  // Ids and epochs, which a later call may name.
  void Remember(const google::protobuf::Message& answer) {
    const google::protobuf::Descriptor& type = *answer.GetDescriptor();
    for (int i = 0; i < type.field_count(); ++i) {
      const google::protobuf::FieldDescriptor& field = *type.field(i);
      if (field.is_repeated()) continue;
      if (field.cpp_type() == field.CPPTYPE_MESSAGE) {
        Remember(answer.GetReflection()->GetMessage(answer, &field));
      } else if (field.cpp_type() == field.CPPTYPE_UINT64) {
        std::vector<uint64_t>& ids = ids_[field.name()];
        if (ids.size() < kMaxIds) ids.push_back(answer.GetReflection()->GetUInt64(answer, &field));
      }
    }
  }

  void CallOne();
  void CallAdmin(uint8_t which);

  FuzzInput& input_;
  NamesOfFiles files_;
  Sink sink_;
  const std::unique_ptr<Store> store_;
  Inline state_;
  Obligations obligations_;
  CallParts parts_;
  SplitWaiters waiters_;
  WriterCalls writers_;
  ReaderCalls readers_;
  SplitCalls splits_;
  AdminCalls admin_;
  std::vector<uint64_t> sessions_;
  std::map<std::string, std::vector<uint64_t>> ids_;  // by the name of their field
};

void Coordinator::CallOne() {
  const auto open = [&](auto& request) {
    request.set_stream(Name());
    request.set_create_if_missing(true);
    if (input_.Below<uint8_t>(2) == 0) request.clear_create_options();
  };
  const auto lane = [&](auto& request) { request.set_lane_id(Id("lane_id")); };
  const auto reader = [&](auto& request) { request.set_reader_id(Id("reader_id")); };
  const auto split = [&](auto& request) { request.set_split_id(Id("split_id")); };
  switch (const uint8_t which = input_.Below<uint8_t>(24)) {
    case 0:
      return Try<v1::OpenWriterRequest>(
          open, [&](const auto& token, const auto& r) { return writers_.Open(token, r); });
    case 1:
      return Try<v1::GrantSegmentRequest>(
          lane, [&](const auto& token, const auto& r) { return writers_.Grant(token, r); });
    case 2:
      return Try<v1::ReturnSegmentRequest>(
          [&](auto& r) {
            lane(r);
            r.set_offset(input_.Below<uint8_t>(2) == 0 ? Id("offset")
                                                       : kPage + input_.Below<uint8_t>(16) * kPage);
          },
          [&](const auto& token, const auto& r) { return writers_.Return(token, r); });
    case 3:
      return Try<v1::CloseWriterRequest>(
          lane, [&](const auto& token, const auto& r) { return writers_.Close(token, r); });
    case 4:
      return Try<v1::OpenReaderRequest>(
          open, [&](const auto& token, const auto& r) { return readers_.Open(token, r); });
    case 5:
      return Try<v1::ReleaseLaneRequest>(
          [&](auto& r) {
            lane(r);
            reader(r);
          },
          [&](const auto& token, const auto& r) { return readers_.ReleaseLane(token, r); });
    case 6:
      return Try<v1::CloseReaderRequest>(
          reader, [&](const auto& token, const auto& r) { return readers_.Close(token, r); });
    case 7:
      return Try<v1::OpenSplitRequest>(
          [&](auto& r) {
            r.set_name(Name());
            r.set_source_file_id(Id("file_id"));
            r.set_target_file_id(Id("file_id"));
            if (input_.Below<uint8_t>(2) == 0) r.set_length(input_.Below<uint16_t>(41) * kPage);
          },
          [&](const auto& token, const auto& r) { return splits_.Open(token, r); });
    case 8:
    case 9:
      return Try<v1::TakeExtentRequest>([&](auto& r) { r.set_name(Name()); },
                                        [&](const auto& token, const auto& r) {
                                          return splits_.Take(token, r, absl::InfinitePast());
                                        });
    case 10:
      return Try<v1::CompleteExtentRequest>(
          [&](auto& r) {
            split(r);
            r.set_extent_index(input_.Below<uint8_t>(12));
            r.set_epoch(Id("epoch"));
          },
          [&](const auto& token, const auto& r) { return splits_.Complete(token, r); });
    case 11:
      return Try<v1::DescribeSplitRequest>(
          split, [&](const auto& token, const auto& r) { return splits_.Describe(token, r); });
    case 12:
      return Try<v1::CloseSplitRequest>(
          split, [&](const auto& token, const auto& r) { return splits_.Close(token, r); });
    default:
      return CallAdmin(which);
  }
}

void Coordinator::CallAdmin(uint8_t which) {
  const auto page = [&](auto& request) { request.set_page_size(input_.Below<uint8_t>(4)); };
  switch (which) {
    case 13:
      return Try<v1::ListAgentsRequest>(
          page, [&](const auto&, const auto& r) { return admin_.ListAgents(r); });
    case 14:
      return Try<v1::DescribeAgentRequest>(
          [&](auto& r) { r.set_session_id(sessions_[0]); },
          [&](const auto&, const auto& r) { return admin_.DescribeAgent(r); });
    case 15:
      return Try<v1::EvictAgentRequest>(
          [&](auto& r) { r.set_session_id(Id("session_id")); },
          [&](const auto&, const auto& r) { return admin_.EvictAgent(r); });
    case 16:
      return Try<v1::ListFilesRequest>(
          page, [&](const auto&, const auto& r) { return admin_.ListFiles(r); });
    case 17:
      return Try<v1::DescribeFileRequest>(
          [&](auto& r) { r.set_file_id(Id("file_id")); },
          [&](const auto&, const auto& r) { return admin_.DescribeFile(r); });
    case 18:
      return Try<v1::ListExtentsRequest>(
          page, [&](const auto&, const auto& r) { return admin_.ListExtents(r); });
    case 19:
      return Try<v1::ListStreamsRequest>(
          page, [&](const auto&, const auto& r) { return admin_.ListStreams(r); });
    case 20:
      return Try<v1::DescribeStreamRequest>(
          [&](auto& r) { r.set_name(Name()); },
          [&](const auto&, const auto& r) { return admin_.DescribeStream(r); });
    case 21:
      return Try<v1::CreateStreamRequest>(
          [&](auto& r) { r.set_name(Name()); },
          [&](const auto&, const auto& r) { return admin_.CreateStream(r); });
    case 22:
      return Try<v1::DeleteStreamRequest>(
          [&](auto& r) { r.set_name(Name()); },
          [&](const auto&, const auto& r) { return admin_.DeleteStream(r); });
    default:
      return Try<v1::DescribeCoordinatorRequest>(
          [](auto&) {}, [&](const auto&, const auto&) { return admin_.DescribeCoordinator(); });
  }
}

}  // namespace
}  // namespace causeway

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  causeway::FuzzInput input(data, size);
  causeway::Coordinator(input).Run();
  return 0;
}
