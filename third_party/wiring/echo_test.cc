// A generated service answers over a real channel, with rich errors, and has a descriptor set.

#include <google/protobuf/descriptor.pb.h>
#include <google/rpc/error_details.pb.h>
#include <google/rpc/status.pb.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/support/error_details.h>
#include <gtest/gtest.h>

#include <fstream>
#include <memory>
#include <string>

#include "third_party/wiring/echo.grpc.pb.h"
#include "third_party/wiring/payload.pb.h"

namespace causeway::wiring {
namespace {

grpc::Status PayloadMissing() {
  google::rpc::BadRequest detail;
  detail.add_field_violations()->set_field("payload");
  google::rpc::Status rich;
  rich.set_code(grpc::StatusCode::INVALID_ARGUMENT);
  rich.add_details()->PackFrom(detail);
  grpc::Status status;
  EXPECT_TRUE(grpc::SetErrorDetails(rich, &status).ok());
  return status;
}

class EchoService final : public Echo::Service {
  grpc::Status Call(grpc::ServerContext*, const EchoRequest* request,
                    EchoResponse* response) override {
    if (!request->has_payload()) return PayloadMissing();
    *response->mutable_payload() = request->payload();
    response->mutable_received()->set_seconds(7);
    return grpc::Status::OK;
  }
};

class EchoTest : public testing::Test {
 protected:
  EchoTest() {
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
    grpc::ServerBuilder builder;
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
    stub_ = Echo::NewStub(server_->InProcessChannel({}));
  }

  EchoService service_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<Echo::Stub> stub_;
  grpc::ClientContext context_;
  EchoResponse response_;
};

TEST_F(EchoTest, GeneratedServiceReturnsWhatItWasSent) {
  const std::string bytes("\0\xff causeway", 11);
  EchoRequest request;
  request.mutable_payload()->set_content(bytes);

  const grpc::Status status = stub_->Call(&context_, request, &response_);

  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(response_.payload().content(), bytes);
  EXPECT_EQ(response_.received().seconds(), 7);
}

TEST_F(EchoTest, ErrorCarriesItsDetails) {
  const grpc::Status status = stub_->Call(&context_, EchoRequest(), &response_);

  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  google::rpc::Status rich;
  ASSERT_TRUE(grpc::ExtractErrorDetails(status, &rich).ok());
  google::rpc::BadRequest detail;
  ASSERT_EQ(rich.details_size(), 1);
  ASSERT_TRUE(rich.details(0).UnpackTo(&detail));
  EXPECT_EQ(detail.field_violations(0).field(), "payload");
}

TEST(Wiring, DescriptorSetNamesTheService) {
  std::ifstream file("third_party/wiring/echo_proto-descriptor-set.proto.bin", std::ios::binary);
  google::protobuf::FileDescriptorSet set;
  ASSERT_TRUE(set.ParseFromIstream(&file));
  ASSERT_EQ(set.file_size(), 1);
  ASSERT_EQ(set.file(0).service_size(), 1);
  EXPECT_EQ(set.file(0).service(0).name(), "Echo");
}

}  // namespace
}  // namespace causeway::wiring
