// Runs the examples of the README and of docs/examples as a reader would.

#include <sys/wait.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "agents/testing/child_process.h"
#include "agents/testing/coordinator_process.h"
#include "gtest/gtest.h"

namespace causeway {
namespace {

TEST(Example, AGreetingArrives) {
  const CoordinatorProcess coordinator;
  const std::string hello = TestProgram("docs/examples/hello");
  // Its standard output is where a child process reports.
  ChildProcess read({"/bin/sh", "-c", "exec \"$0\" \"$@\" >&3", hello, coordinator.dir(), "read"});
  ChildProcess write({hello, coordinator.dir(), "write"});
  EXPECT_EQ(read.ReadLine(), "hello");
  EXPECT_EQ(read.Wait(), 0);
  EXPECT_EQ(write.Wait(), 0);
}

TEST(Example, AWordIsShouted) {
  const CoordinatorProcess coordinator;
  const std::string shout = TestProgram("docs/examples/shout");
  const auto ask = [&](const std::string& words) {
    return std::make_unique<ChildProcess>(std::vector<std::string>{
        "/bin/sh", "-c", "exec \"$0\" \"$@\" >&3 2>&3", shout, coordinator.dir(), "ask", words});
  };
  const auto early = ask("hello");
  ChildProcess serve({shout, coordinator.dir(), "serve"});
  EXPECT_EQ(early->ReadLine(), "HELLO");
  EXPECT_EQ(early->Wait(), 0);
  const auto empty = ask("");
  EXPECT_EQ(empty->ReadLine(), "INVALID_ARGUMENT: nothing to shout");
  EXPECT_NE(empty->Wait(), 0);
}

}  // namespace
}  // namespace causeway
