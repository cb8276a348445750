// What is compiled in where, and under which names.

#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <vector>

#include "agents/testing/child_process.h"
#include "gtest/gtest.h"
#include "tests/faults/crash_matrix.h"
#include "tests/faults/crash_process.h"

namespace causeway::faults {
namespace {

bool Holds(const std::string& path, const std::string& text) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file.is_open()) << path;
  return std::string(std::istreambuf_iterator<char>(file), {}).find(text) != std::string::npos;
}

TEST(CrashPoints, AreInThePrograms) {
  EXPECT_TRUE(Holds(CrashingProgramPath("crash_actor"), "writer.commit.begun"));
}

TEST(CrashPoints, LeaveNothingInOrdinaryPrograms) {
  const std::string program = TestProgram("tests/faults/crash_actor");
  EXPECT_FALSE(Holds(program, "writer.commit.begun"));
  EXPECT_FALSE(Holds(program, "causeway_crash_points"));
}

TEST(CrashPoints, EachNameStandsForOnePlace) {
  std::set<std::string> names;
  const std::vector<std::string> places = ListCrashPoints();
  for (const std::string& place : places) {
    EXPECT_TRUE(names.insert(place.substr(0, place.find(' '))).second) << place;
  }
  EXPECT_GT(places.size(), 100u);
}

}  // namespace
}  // namespace causeway::faults
