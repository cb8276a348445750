#include "control/handoff/handoff_server.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include <map>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "control/process/testing/child_process.h"
#include "control/process/testing/unix_connection.h"
#include "gtest/gtest.h"

namespace causeway {
namespace {

using testing::ChildProcess;
using testing::ConnectSeqpacket;
using testing::UnixListener;

// Remembers what the server reports.
class Recorder : public HandoffReceiver {
 public:
  void OnHello(ConnectionId connection, PeerProcess peer, const v1::Hello& hello) override {
    absl::MutexLock lock(&mutex_);
    hellos_.push_back({connection, std::move(peer), hello});
  }
  void OnBringFile(ConnectionId connection, const v1::BringFile& request,
                   UniqueFd descriptor) override {
    absl::MutexLock lock(&mutex_);
    files_.push_back({connection, request, std::move(descriptor)});
  }
  void OnClosed(ConnectionId connection, const std::string& reason) override {
    absl::MutexLock lock(&mutex_);
    closed_[connection] = reason;
  }

  struct HelloSeen {
    ConnectionId connection;
    PeerProcess peer;
    v1::Hello hello;
  };
  struct FileSeen {
    ConnectionId connection;
    v1::BringFile request;
    UniqueFd descriptor;
  };

  HelloSeen NextHello() {
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(+[](Recorder* self) { return !self->hellos_.empty(); }, this));
    HelloSeen seen = std::move(hellos_.front());
    hellos_.erase(hellos_.begin());
    return seen;
  }
  FileSeen NextFile() {
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(+[](Recorder* self) { return !self->files_.empty(); }, this));
    FileSeen seen = std::move(files_.front());
    files_.erase(files_.begin());
    return seen;
  }
  std::string WaitForClosed(ConnectionId connection) {
    absl::MutexLock lock(&mutex_);
    waiting_for_ = connection;
    mutex_.Await(absl::Condition(
        +[](Recorder* self) { return self->closed_.contains(self->waiting_for_); }, this));
    return closed_[connection];
  }
  bool IsClosed(ConnectionId connection) {
    absl::MutexLock lock(&mutex_);
    return closed_.contains(connection);
  }
  size_t Hellos() {
    absl::MutexLock lock(&mutex_);
    return hellos_.size();
  }

 private:
  absl::Mutex mutex_;
  std::vector<HelloSeen> hellos_;
  std::vector<FileSeen> files_;
  std::map<ConnectionId, std::string> closed_;
  ConnectionId waiting_for_ = 0;
};

v1::HandoffRequest HelloRequest(const std::string& name) {
  v1::HandoffRequest request;
  request.mutable_hello()->set_protocol_version(1);
  request.mutable_hello()->set_agent_name(name);
  return request;
}

size_t OpenDescriptors() {
  size_t count = 0;
  for (int fd = 0; fd < 20'000; ++fd) count += fcntl(fd, F_GETFD) >= 0;
  return count;
}

class HandoffServerTest : public ::testing::Test {
 protected:
  void Start(const HandoffLimits& limits = {}) {
    loop_ = *EventLoop::Start();
    server_ = *HandoffServer::Create(loop_.get(), limits);
    ASSERT_TRUE(server_->Serve(listener_.TakeListening(), &recorder_).ok());
  }
  ~HandoffServerTest() override { loop_.reset(); }

  UniqueFd ConnectAndSayHello(const std::string& name) {
    UniqueFd connection = listener_.Connect();
    EXPECT_TRUE(connection.valid());
    EXPECT_TRUE(SendDatagram(connection.get(), HelloRequest(name).SerializeAsString()).ok());
    return connection;
  }

  static v1::HandoffEvent ReceiveEvent(const UniqueFd& connection) {
    absl::StatusOr<Datagram> datagram = ReceiveDatagram(connection.get());
    EXPECT_TRUE(datagram.ok()) << datagram.status();
    v1::HandoffEvent event;
    EXPECT_TRUE(datagram.ok() && event.ParseFromString(datagram->bytes));
    return event;
  }

  // The server says why and hangs up.
  static void ExpectRefused(const UniqueFd& connection, absl::StatusCode code) {
    const v1::HandoffEvent event = ReceiveEvent(connection);
    EXPECT_EQ(event.refused().code(), static_cast<int>(code)) << event.refused().message();
    EXPECT_FALSE(event.refused().message().empty());
    EXPECT_TRUE(ReceiveDatagram(connection.get())->end());
  }

  static v1::HandoffEvent NumberedEvent(uint64_t number) {
    v1::HandoffEvent event;
    event.mutable_lane_ended()->set_lane_id(number);
    return event;
  }

  UnixListener listener_;
  Recorder recorder_;
  std::unique_ptr<EventLoop> loop_;
  std::unique_ptr<HandoffServer> server_;
};

TEST_F(HandoffServerTest, ReportsAHelloWithWhoTheKernelSaysItIs) {
  Start();
  ChildProcess child(
      [path = listener_.path().c_str(), hello = HelloRequest("camera").SerializeAsString()] {
        static UniqueFd connection = ConnectSeqpacket(path);
        SendDatagram(connection.get(), hello).IgnoreError();
      });

  const Recorder::HelloSeen seen = recorder_.NextHello();

  EXPECT_EQ(seen.hello.agent_name(), "camera");
  ASSERT_TRUE(seen.peer.identity.has_value());
  EXPECT_EQ(seen.peer.identity->pid, child.pid());
  EXPECT_TRUE(seen.peer.pidfd.valid());
}

TEST_F(HandoffServerTest, SendsEventsInOrderWithTheirDescriptors) {
  Start();
  UniqueFd connection = ConnectAndSayHello("a");
  const ConnectionId id = recorder_.NextHello().connection;
  for (uint64_t i = 1; i <= 100; ++i) {
    UniqueFd descriptor(i % 2 == 0 ? open("/dev/null", O_RDONLY | O_CLOEXEC) : -1);
    ASSERT_TRUE(server_->Send(id, NumberedEvent(i), std::move(descriptor)).ok());
  }
  for (uint64_t i = 1; i <= 100; ++i) {
    absl::StatusOr<Datagram> datagram = ReceiveDatagram(connection.get());
    ASSERT_TRUE(datagram.ok());
    EXPECT_EQ(datagram->descriptor.valid(), i % 2 == 0);
    EXPECT_EQ(datagram->bytes, NumberedEvent(i).SerializeAsString());
  }
}

TEST_F(HandoffServerTest, PassesOnABroughtFileWithItsDescriptor) {
  Start();
  UniqueFd connection = ConnectAndSayHello("a");
  const ConnectionId id = recorder_.NextHello().connection;
  v1::HandoffRequest request;
  request.mutable_bring_file()->set_request_id(5);
  ASSERT_TRUE(SendDatagram(connection.get(), request.SerializeAsString(), STDERR_FILENO).ok());

  const Recorder::FileSeen seen = recorder_.NextFile();

  EXPECT_EQ(seen.connection, id);
  EXPECT_EQ(seen.request.request_id(), 5u);
  EXPECT_EQ(fcntl(seen.descriptor.get(), F_GETFD), FD_CLOEXEC);
}

TEST_F(HandoffServerTest, ReportsTheEndOfAnAgentThatIsKilled) {
  Start();
  ChildProcess child(
      [path = listener_.path().c_str(), hello = HelloRequest("a").SerializeAsString()] {
        static UniqueFd connection = ConnectSeqpacket(path);
        SendDatagram(connection.get(), hello).IgnoreError();
      });
  const ConnectionId id = recorder_.NextHello().connection;
  child.Kill();
  EXPECT_EQ(recorder_.WaitForClosed(id), "the agent has closed it");
}

TEST_F(HandoffServerTest, AConnectionThatAForkedChildInheritedIsNotClosed) {
  Start();
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  ChildProcess agent(
      [&, path = listener_.path().c_str(), hello = HelloRequest("a").SerializeAsString()] {
        static UniqueFd connection = ConnectSeqpacket(path);
        SendDatagram(connection.get(), hello).IgnoreError();
        const pid_t pid = fork();
        if (pid == 0) return;  // Lives on, with the connection.
        if (write(ready[1], &pid, sizeof(pid)) != sizeof(pid)) _exit(1);
      });
  pid_t heir;
  ASSERT_EQ(read(ready[0], &heir, sizeof(heir)), static_cast<ssize_t>(sizeof(heir)));
  const ConnectionId id = recorder_.NextHello().connection;

  agent.KillAndReap();
  // The server still gets through: the connection is open.
  EXPECT_TRUE(server_->Send(id, NumberedEvent(1), UniqueFd()).ok());
  EXPECT_FALSE(recorder_.IsClosed(id));

  kill(heir, SIGKILL);
  recorder_.WaitForClosed(id);
  close(ready[0]);
  close(ready[1]);
}

TEST_F(HandoffServerTest, CutsOffAnAgentThatDoesNotReadAndServesTheOthers) {
  Start({.outbound = {.max_datagrams = 100, .max_bytes = 1'000'000}});
  UniqueFd lazy = ConnectAndSayHello("lazy");
  const ConnectionId lazy_id = recorder_.NextHello().connection;
  UniqueFd eager = ConnectAndSayHello("eager");
  const ConnectionId eager_id = recorder_.NextHello().connection;

  absl::Status status;
  int sent = 0;
  while (status.ok() && sent < 100'000) {
    UniqueFd descriptor(open("/dev/null", O_RDONLY | O_CLOEXEC));
    status = server_->Send(lazy_id, NumberedEvent(++sent), std::move(descriptor));
    ASSERT_TRUE(server_->Send(eager_id, NumberedEvent(sent), UniqueFd()).ok());
    EXPECT_EQ(ReceiveEvent(eager).lane_ended().lane_id(), static_cast<uint64_t>(sent));
  }

  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << sent;
  EXPECT_NE(recorder_.WaitForClosed(lazy_id).find("100 events"), std::string::npos);
  EXPECT_EQ(server_->Send(lazy_id, NumberedEvent(0), UniqueFd()).code(),
            absl::StatusCode::kNotFound);
  // What was sent before is there, and then the end.
  uint64_t last = 0;
  while (true) {
    absl::StatusOr<Datagram> datagram = ReceiveDatagram(lazy.get());
    ASSERT_TRUE(datagram.ok());
    if (datagram->end()) break;
    v1::HandoffEvent event;
    ASSERT_TRUE(event.ParseFromString(datagram->bytes));
    EXPECT_EQ(event.lane_ended().lane_id(), ++last);
  }
  EXPECT_GT(last, 0u);
}

TEST_F(HandoffServerTest, SendsWhatDidNotFitOnceTheAgentReads) {
  Start();
  UniqueFd connection = ConnectAndSayHello("slow");
  const ConnectionId id = recorder_.NextHello().connection;
  v1::HandoffEvent event;
  event.mutable_evicted()->set_reason(std::string(1000, 'x'));
  constexpr int kEvents = 1000;  // More than a socket takes.
  for (int i = 0; i < kEvents; ++i) ASSERT_TRUE(server_->Send(id, event, UniqueFd()).ok());
  for (int i = 0; i < kEvents; ++i) EXPECT_TRUE(ReceiveEvent(connection).has_evicted());
}

TEST_F(HandoffServerTest, RefusesOnRequestAndHangsUp) {
  Start();
  UniqueFd connection = ConnectAndSayHello("a");
  const ConnectionId id = recorder_.NextHello().connection;
  server_->Refuse(id, absl::PermissionDeniedError("wrong token"));
  ExpectRefused(connection, absl::StatusCode::kPermissionDenied);
  EXPECT_NE(recorder_.WaitForClosed(id).find("wrong token"), std::string::npos);
}

TEST_F(HandoffServerTest, RefusesWhoDoesNotSayHelloInTime) {
  Start({.hello_deadline = std::chrono::milliseconds(1)});
  UniqueFd silent = listener_.Connect();
  ExpectRefused(silent, absl::StatusCode::kDeadlineExceeded);
}

TEST_F(HandoffServerTest, DoesNotHoldTheDeadlineAgainstWhoSaidHello) {
  Start({.hello_deadline = std::chrono::milliseconds(200)});
  UniqueFd polite = ConnectAndSayHello("polite");
  const ConnectionId id = recorder_.NextHello().connection;
  UniqueFd silent = listener_.Connect();  // Its deadline is the later one.
  ExpectRefused(silent, absl::StatusCode::kDeadlineExceeded);
  EXPECT_TRUE(server_->Send(id, NumberedEvent(1), UniqueFd()).ok());
  EXPECT_EQ(ReceiveEvent(polite).lane_ended().lane_id(), 1u);
}

TEST_F(HandoffServerTest, RefusesMoreConnectionsThanItsLimit) {
  Start({.max_connections = 2});
  UniqueFd first = ConnectAndSayHello("1");
  const ConnectionId id = recorder_.NextHello().connection;
  UniqueFd second = ConnectAndSayHello("2");
  recorder_.NextHello();
  UniqueFd third = listener_.Connect();
  ExpectRefused(third, absl::StatusCode::kResourceExhausted);

  first.Reset();
  recorder_.WaitForClosed(id);
  UniqueFd fourth = ConnectAndSayHello("4");
  EXPECT_EQ(recorder_.NextHello().hello.agent_name(), "4");
}

TEST_F(HandoffServerTest, RefusesWhatBreaksTheProtocol) {
  Start();
  v1::HandoffRequest bring;
  bring.mutable_bring_file()->set_request_id(1);
  struct {
    const char* what;
    std::string bytes;
    int descriptor;
  } const cases[] = {
      {"no protobuf", "\xff\xff\xff\xff", -1},
      {"an unknown request", std::string("\xfa\x06\x00", 3), -1},
      {"Hello with a descriptor", HelloRequest("a").SerializeAsString(), STDERR_FILENO},
      {"BringFile before Hello", bring.SerializeAsString(), STDERR_FILENO},
      {"BringFile without a descriptor", bring.SerializeAsString(), -1},
  };
  for (const auto& test : cases) {
    SCOPED_TRACE(test.what);
    UniqueFd connection = listener_.Connect();
    ASSERT_TRUE(SendDatagram(connection.get(), test.bytes, test.descriptor).ok());
    ExpectRefused(connection, absl::StatusCode::kInvalidArgument);
  }
  UniqueFd twice = ConnectAndSayHello("a");
  ASSERT_TRUE(SendDatagram(twice.get(), HelloRequest("b").SerializeAsString()).ok());
  ExpectRefused(twice, absl::StatusCode::kInvalidArgument);

  UniqueFd good = ConnectAndSayHello("good");
  while (recorder_.NextHello().hello.agent_name() != "good") {
  }
}

TEST_F(HandoffServerTest, SurvivesGarbage) {
  Start();
  const size_t before = OpenDescriptors();
  const uint32_t seed = std::random_device()();
  SCOPED_TRACE(absl::StrCat("seed ", seed));
  std::mt19937 random(seed);
  const std::string hello = HelloRequest("a").SerializeAsString();
  for (int i = 0; i < 2000; ++i) {
    UniqueFd connection = listener_.Connect();
    for (int j = 0; j < 3; ++j) {
      std::string bytes = random() % 2 == 0 ? hello : std::string(1 + random() % 200, '\0');
      const int flips = random() % 8;
      for (int k = 0; k < flips; ++k) bytes[random() % bytes.size()] = static_cast<char>(random());
      SendDatagram(connection.get(), bytes, random() % 2 == 0 ? STDERR_FILENO : -1).IgnoreError();
    }
  }
  UniqueFd good = ConnectAndSayHello("good");
  while (recorder_.NextHello().hello.agent_name() != "good") {
  }
  good.Reset();
  // The last of them are being closed: a descriptor of ours is a connection that is not.
  for (int i = 0; i < 10'000 && OpenDescriptors() > before; ++i) sched_yield();
  EXPECT_LE(OpenDescriptors(), before + 2);
}

TEST_F(HandoffServerTest, TenThousandConnectionsLeakNoDescriptor) {
  Start();
  const size_t before = OpenDescriptors();
  for (int i = 0; i < 10'000; ++i) {
    UniqueFd connection = ConnectAndSayHello("a");
    const Recorder::HelloSeen seen = recorder_.NextHello();
    ASSERT_TRUE(server_
                    ->Send(seen.connection, NumberedEvent(1),
                           UniqueFd(open("/dev/null", O_RDONLY | O_CLOEXEC)))
                    .ok());
    ASSERT_TRUE(ReceiveDatagram(connection.get())->descriptor.valid());
    connection.Reset();
    recorder_.WaitForClosed(seen.connection);
  }
  EXPECT_EQ(OpenDescriptors(), before);
}

TEST_F(HandoffServerTest, StopsAccepting) {
  Start();
  server_->StopAccepting();
  EXPECT_FALSE(listener_.Connect().valid());
}

}  // namespace
}  // namespace causeway
