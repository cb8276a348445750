// A generated service answers over a real channel, reflects itself, and has a descriptor set.

#include <google/protobuf/descriptor.pb.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <fstream>
#include <memory>
#include <string>

#include "third_party/wiring/echo.grpc.pb.h"
#include "third_party/wiring/payload.pb.h"

namespace causeway::wiring {
namespace {

class EchoService final : public Echo::Service {
  grpc::Status Call(grpc::ServerContext*, const EchoRequest* request,
                    EchoResponse* response) override {
    *response->mutable_payload() = request->payload();
    response->mutable_received()->set_seconds(7);
    return grpc::Status::OK;
  }
};

TEST(Wiring, GeneratedServiceReturnsWhatItWasSent) {
  EchoService service;
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  builder.RegisterService(&service);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  ASSERT_NE(server, nullptr);
  const std::unique_ptr<Echo::Stub> stub = Echo::NewStub(server->InProcessChannel({}));

  const std::string bytes("\0\xff causeway", 11);
  EchoRequest request;
  request.mutable_payload()->set_content(bytes);
  EchoResponse response;
  grpc::ClientContext context;
  const grpc::Status status = stub->Call(&context, request, &response);

  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(response.payload().content(), bytes);
  EXPECT_EQ(response.received().seconds(), 7);
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
