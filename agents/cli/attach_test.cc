#include "agents/cli/attach.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "mmapcore/testing/scratch_directory.h"
#include "mmapcore/testing/status_matchers.h"

namespace causeway {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::StatusIs;

TEST(CheckCoordinatorDirectory, SaysHowToStartACoordinatorWhereThereIsNone) {
  const testing::ScratchDirectory scratch;
  const std::string missing = scratch.File("missing");
  EXPECT_THAT(CheckCoordinatorDirectory(missing),
              StatusIs(absl::StatusCode::kNotFound,
                       AllOf(HasSubstr("there is no directory " + missing),
                             HasSubstr("causeway coordinator --dir=" + missing))));
  EXPECT_THAT(CheckCoordinatorDirectory(scratch.path()),
              StatusIs(absl::StatusCode::kUnavailable,
                       AllOf(HasSubstr("handoff.sock"), HasSubstr("causeway coordinator"))));
  std::ofstream(scratch.File("handoff.sock")) << "";
  EXPECT_THAT(CheckCoordinatorDirectory(scratch.path()), testing::IsOk());
}

TEST(CheckCoordinatorDirectory, RefusesWhatIsNoDirectory) {
  const testing::ScratchDirectory scratch;
  std::ofstream(scratch.File("file")) << "x";
  EXPECT_THAT(CheckCoordinatorDirectory(scratch.File("file")),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("is no directory")));
  EXPECT_THAT(CheckCoordinatorDirectory(""), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_FALSE(CheckCoordinatorDirectory(std::string(5000, 'd')).ok());
}

}  // namespace
}  // namespace causeway
