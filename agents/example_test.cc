// Runs the README's example as a reader would.

#include <sys/wait.h>
#include <unistd.h>

#include <string>

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

}  // namespace
}  // namespace causeway
