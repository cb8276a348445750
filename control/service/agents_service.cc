#include <grpcpp/server_context.h>

#include <string>
#include <type_traits>

#include "absl/time/time.h"
#include "control/api/v1/agents.grpc.pb.h"
#include "control/service/rpc_status.h"
#include "control/service/services.h"
#include "control/service/session_token.h"

namespace causeway {
namespace {

absl::StatusOr<std::string> TokenHashOf(const grpc::ServerContext& context) {
  const auto [first, last] = context.client_metadata().equal_range(kTokenMetadataKey);
  if (first == last || std::next(first) != last) return HashTokenFromHex("");
  return HashTokenFromHex(std::string_view(first->second.data(), first->second.size()));
}

absl::Time DeadlineOf(const grpc::ServerContext& context) {
  return absl::FromChrono(context.deadline());
}

class AgentsService final : public v1::Agents::Service {
 public:
  explicit AgentsService(const AgentsCalls& calls) : calls_(calls) {}

  grpc::Status OpenWriter(grpc::ServerContext* context, const v1::OpenWriterRequest* request,
                          v1::OpenWriterResponse* response) override {
    return Answer(*context, response,
                  [&](const auto& token) { return calls_.writers->Open(token, *request); });
  }

  grpc::Status GrantSegment(grpc::ServerContext* context, const v1::GrantSegmentRequest* request,
                            v1::GrantSegmentResponse* response) override {
    return Answer(*context, response,
                  [&](const auto& token) { return calls_.writers->Grant(token, *request); });
  }

  grpc::Status ReturnSegment(grpc::ServerContext* context, const v1::ReturnSegmentRequest* request,
                             v1::ReturnSegmentResponse* response) override {
    return Answer(*context, response,
                  [&](const auto& token) { return calls_.writers->Return(token, *request); });
  }

  grpc::Status CloseWriter(grpc::ServerContext* context, const v1::CloseWriterRequest* request,
                           v1::CloseWriterResponse* response) override {
    return Answer(*context, response,
                  [&](const auto& token) { return calls_.writers->Close(token, *request); });
  }

  grpc::Status OpenReader(grpc::ServerContext* context, const v1::OpenReaderRequest* request,
                          v1::OpenReaderResponse* response) override {
    return Answer(*context, response,
                  [&](const auto& token) { return calls_.readers->Open(token, *request); });
  }

  grpc::Status ReleaseLane(grpc::ServerContext* context, const v1::ReleaseLaneRequest* request,
                           v1::ReleaseLaneResponse* response) override {
    return Answer(*context, response,
                  [&](const auto& token) { return calls_.readers->ReleaseLane(token, *request); });
  }

  grpc::Status CloseReader(grpc::ServerContext* context, const v1::CloseReaderRequest* request,
                           v1::CloseReaderResponse* response) override {
    return Answer(*context, response,
                  [&](const auto& token) { return calls_.readers->Close(token, *request); });
  }

  grpc::Status OpenSplit(grpc::ServerContext* context, const v1::OpenSplitRequest* request,
                         v1::OpenSplitResponse* response) override {
    return Answer(*context, response,
                  [&](const auto& token) { return calls_.splits->Open(token, *request); });
  }

  grpc::Status TakeExtent(grpc::ServerContext* context, const v1::TakeExtentRequest* request,
                          v1::TakeExtentResponse* response) override {
    return Answer(*context, response, [&](const auto& token) {
      return calls_.splits->Take(token, *request, DeadlineOf(*context));
    });
  }

  grpc::Status CompleteExtent(grpc::ServerContext* context,
                              const v1::CompleteExtentRequest* request,
                              v1::CompleteExtentResponse* response) override {
    return Answer(*context, response,
                  [&](const auto& token) { return calls_.splits->Complete(token, *request); });
  }

  grpc::Status DescribeSplit(grpc::ServerContext* context, const v1::DescribeSplitRequest* request,
                             v1::DescribeSplitResponse* response) override {
    return Answer(*context, response,
                  [&](const auto& token) { return calls_.splits->Describe(token, *request); });
  }

  grpc::Status CloseSplit(grpc::ServerContext* context, const v1::CloseSplitRequest* request,
                          v1::CloseSplitResponse* response) override {
    return Answer(*context, response,
                  [&](const auto& token) { return calls_.splits->Close(token, *request); });
  }

  grpc::Status Detach(grpc::ServerContext* context, const v1::DetachRequest*,
                      v1::DetachResponse* response) override {
    return Answer(*context, response, [&](const auto& token) {
      return RunFor(calls_.parts, token, [](Catalog& catalog, uint64_t session) -> absl::Status {
        return catalog.sessions().Detach(session);
      });
    });
  }

 private:
  // Runs `call` with the hash of the caller's token, unless it has none or too many calls running.
  template <typename Response, typename Call>
  grpc::Status Answer(const grpc::ServerContext& context, Response* response, Call call) {
    absl::StatusOr<std::string> token_sha256 = TokenHashOf(context);
    if (!token_sha256.ok()) return ToRpcStatus(token_sha256.status());
    absl::StatusOr<CallLimiter::Place> place = calls_.limiter->Enter(*token_sha256);
    if (!place.ok()) return ToRpcStatus(place.status());
    auto result = call(*token_sha256);
    if constexpr (std::is_same_v<decltype(result), absl::Status>) {
      return ToRpcStatus(result);
    } else {
      if (!result.ok()) return ToRpcStatus(result.status());
      *response = *std::move(result);
      return grpc::Status::OK;
    }
  }

  const AgentsCalls calls_;
};

}  // namespace

std::shared_ptr<grpc::Service> NewAgentsService(const AgentsCalls& calls) {
  return std::make_shared<AgentsService>(calls);
}

}  // namespace causeway
