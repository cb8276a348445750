// How a coordinator begins and ends, as a process.

#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "control/testing/coordinator_process.h"
#include "control/testing/rpc_client.h"
#include "control/testing/served_directory.h"
#include "control/testing/test_agent.h"
#include "gtest/gtest.h"
#include "mmapcore/testing/status_matchers.h"

namespace causeway {
namespace {

using testing::AdminClient;
using testing::AgentsClient;
using testing::CoordinatorProcess;
using ::testing::HasSubstr;
using testing::IsOk;
using testing::ServedDirectory;
using testing::TestAgent;

bool Exists(const std::string& path) {
  struct stat attributes;
  return lstat(path.c_str(), &attributes) == 0;
}

mode_t ModeOf(const std::string& path) {
  struct stat attributes = {};
  stat(path.c_str(), &attributes);
  return attributes.st_mode & 07777;
}

std::string ContentsOf(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

class CoordinatorLifecycleTest : public ::testing::Test {
 protected:
  std::string VolatileDirectory() {
    return AdminClient(directory_).DescribeCoordinator()->volatile_directory();
  }

  ServedDirectory served_;
  const std::string directory_ = served_.path();
};

TEST_F(CoordinatorLifecycleTest, ServesAndLeavesNothingButItsState) {
  CoordinatorProcess coordinator(directory_);
  ASSERT_TRUE(coordinator.ready()) << coordinator.Log();
  const std::string volatile_directory = VolatileDirectory();
  EXPECT_EQ(ModeOf(directory_), 0700u);
  for (const char* socket : {"/control.sock", "/handoff.sock", "/admin.sock"}) {
    EXPECT_EQ(ModeOf(directory_ + socket), 0600u) << socket;
  }
  EXPECT_TRUE(Exists(volatile_directory));

  coordinator.Terminate();

  EXPECT_EQ(coordinator.Wait(), 0) << coordinator.Log();
  for (const char* gone : {"/control.sock", "/handoff.sock", "/admin.sock", "/lock", "/volatile"}) {
    EXPECT_FALSE(Exists(directory_ + gone)) << gone;
  }
  EXPECT_FALSE(Exists(volatile_directory));
  EXPECT_TRUE(Exists(directory_ + "/state.db"));
}

TEST_F(CoordinatorLifecycleTest, EphemeralLeavesNothing) {
  CoordinatorProcess coordinator(directory_, {"--ephemeral"});
  ASSERT_TRUE(coordinator.ready()) << coordinator.Log();
  const std::string volatile_directory = VolatileDirectory();
  TestAgent agent(directory_);
  v1::OpenWriterRequest open;
  open.set_stream("s");
  open.set_create_if_missing(true);
  ASSERT_THAT(AgentsClient(directory_, agent.token()).OpenWriter(open), IsOk());
  coordinator.Terminate();
  EXPECT_EQ(coordinator.Wait(), 0) << coordinator.Log();
  EXPECT_FALSE(Exists(directory_));
  EXPECT_FALSE(Exists(volatile_directory));
}

TEST_F(CoordinatorLifecycleTest, TellsAgentsThatItDrainsAndKeepsTheirFiles) {
  CoordinatorProcess coordinator(directory_);
  ASSERT_TRUE(coordinator.ready()) << coordinator.Log();
  const std::string volatile_directory = VolatileDirectory();
  TestAgent agent(directory_);
  ASSERT_TRUE(agent.attached()) << agent.refusal().message();
  coordinator.Terminate();
  EXPECT_EQ(agent.ReceiveUntil(v1::HandoffEvent::kDraining).event.event_case(),
            v1::HandoffEvent::kDraining);
  EXPECT_EQ(agent.Receive().event.event_case(), v1::HandoffEvent::EVENT_NOT_SET);
  EXPECT_EQ(coordinator.Wait(), 0);
  EXPECT_TRUE(Exists(volatile_directory));

  CoordinatorProcess next(directory_);
  TestAgent again(directory_, agent);
  EXPECT_TRUE(again.welcome().resumed()) << again.refusal().message();
  EXPECT_THAT(AgentsClient(directory_, agent.token()).Detach(), IsOk());
  next.Terminate();
  EXPECT_EQ(next.Wait(), 0);
  EXPECT_FALSE(Exists(volatile_directory));
}

TEST_F(CoordinatorLifecycleTest, RefusesToBeTheSecondAndNamesTheFirst) {
  CoordinatorProcess first(directory_);
  ASSERT_TRUE(first.ready()) << first.Log();
  CoordinatorProcess second(directory_);
  EXPECT_FALSE(second.ready());
  EXPECT_EQ(second.Wait(), 1);
  EXPECT_THAT(second.Log(), HasSubstr(absl::StrCat("pid ", first.pid())));
  EXPECT_THAT(AdminClient(directory_).DescribeCoordinator(), IsOk());
}

TEST_F(CoordinatorLifecycleTest, TakesOverFromAKilledOne) {
  {
    CoordinatorProcess killed(directory_);
    ASSERT_TRUE(killed.ready()) << killed.Log();
    killed.Kill();
    killed.Wait();
  }
  EXPECT_TRUE(Exists(directory_ + "/handoff.sock"));
  CoordinatorProcess next(directory_);
  ASSERT_TRUE(next.ready()) << next.Log();
  EXPECT_EQ(AdminClient(directory_).DescribeCoordinator()->epoch(), 2u);
  EXPECT_TRUE(TestAgent(directory_).attached());
}

TEST_F(CoordinatorLifecycleTest, ServesADirectoryWithALongPath) {
  const std::string directory = served_.parent() + "/" + std::string(120, 'x');
  CoordinatorProcess coordinator(directory);
  ASSERT_TRUE(coordinator.ready()) << coordinator.Log();
  EXPECT_TRUE(Exists(directory + "/control.sock"));
  EXPECT_TRUE(Exists(directory + "/handoff.sock"));
  coordinator.Terminate();
  EXPECT_EQ(coordinator.Wait(), 0) << coordinator.Log();
  EXPECT_FALSE(Exists(directory + "/control.sock"));
}

TEST_F(CoordinatorLifecycleTest, LeavesAStateAloneThatIsNotItsOwn) {
  ASSERT_EQ(mkdir(directory_.c_str(), 0700), 0);
  const std::string path = directory_ + "/state.db";
  for (const std::string& contents :
       {std::string("not a database"), std::string(), std::string("SQLite format 3\0garbage", 23),
        std::string(100'000, 'x')}) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << contents;
    CoordinatorProcess coordinator(directory_, {"--ephemeral"});
    EXPECT_FALSE(coordinator.ready());
    EXPECT_EQ(coordinator.Wait(), 1);
    EXPECT_THAT(coordinator.Log(), HasSubstr("state.db"));
    EXPECT_EQ(ContentsOf(path), contents);
  }
}

TEST_F(CoordinatorLifecycleTest, LeavesAStateAloneThatIsNewer) {
  {
    CoordinatorProcess coordinator(directory_);
    ASSERT_TRUE(coordinator.ready()) << coordinator.Log();
    coordinator.Terminate();
    ASSERT_EQ(coordinator.Wait(), 0);
  }
  const std::string path = directory_ + "/state.db";
  sqlite3* state = nullptr;
  ASSERT_EQ(sqlite3_open(path.c_str(), &state), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(state, "PRAGMA user_version = 99", nullptr, nullptr, nullptr), SQLITE_OK);
  ASSERT_EQ(sqlite3_close(state), SQLITE_OK);
  const std::string contents = ContentsOf(path);
  CoordinatorProcess older(directory_);
  EXPECT_FALSE(older.ready());
  EXPECT_EQ(older.Wait(), 1);
  EXPECT_THAT(older.Log(), HasSubstr("99"));
  EXPECT_EQ(ContentsOf(path), contents);
}

TEST_F(CoordinatorLifecycleTest, SaysWhatIsWrongWithItsDirectory) {
  CoordinatorProcess no_parent(directory_ + "/deeper");
  EXPECT_EQ(no_parent.Wait(), 1);
  EXPECT_THAT(no_parent.Log(), HasSubstr("parent directory does not exist"));

  std::ofstream(directory_) << "a file";
  CoordinatorProcess file(directory_);
  EXPECT_EQ(file.Wait(), 1);
  EXPECT_THAT(file.Log(), HasSubstr("not a directory"));
}

TEST_F(CoordinatorLifecycleTest, RefusesWrongFlags) {
  for (const char* flag : {"--max_agents=0", "--max_agents=many", "--no_such_flag", "--max_agents",
                           "--log_level=loud", "stray"}) {
    CoordinatorProcess coordinator(directory_, {flag});
    EXPECT_EQ(coordinator.Wait(), 2) << flag;
    EXPECT_FALSE(Exists(directory_)) << flag;
  }
}

TEST_F(CoordinatorLifecycleTest, TakesLimitsAsFlags) {
  CoordinatorProcess coordinator(directory_, {"--max-agents=1"});
  ASSERT_TRUE(coordinator.ready()) << coordinator.Log();
  EXPECT_EQ(AdminClient(directory_).DescribeCoordinator()->limits().at("max_agents"), 1u);
  TestAgent first(directory_);
  ASSERT_TRUE(first.attached());
  TestAgent second(directory_);
  EXPECT_EQ(second.refusal().code(), static_cast<int>(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(second.refusal().message(), HasSubstr("max_agents"));
}

}  // namespace
}  // namespace causeway
