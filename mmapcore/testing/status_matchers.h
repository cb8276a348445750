// GoogleTest matchers for absl::Status and absl::StatusOr<T>.
//
//   ASSERT_THAT(file, IsOk());
//   EXPECT_THAT(mapping, StatusIs(absl::StatusCode::kOutOfRange, HasSubstr("8192")));

#ifndef CAUSEWAY_MMAPCORE_TESTING_STATUS_MATCHERS_H_
#define CAUSEWAY_MMAPCORE_TESTING_STATUS_MATCHERS_H_

#include <gmock/gmock.h>

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"

namespace causeway::testing {

inline const absl::Status& StatusOf(const absl::Status& status) { return status; }
template <typename T>
const absl::Status& StatusOf(const absl::StatusOr<T>& status_or) {
  return status_or.status();
}

MATCHER(IsOk, "is OK") {
  *result_listener << StatusOf(arg).ToString();
  return StatusOf(arg).ok();
}

MATCHER_P(StatusIs, code, absl::StrCat("has code ", absl::StatusCodeToString(code))) {
  *result_listener << StatusOf(arg).ToString();
  return StatusOf(arg).code() == code;
}

MATCHER_P2(StatusIs, code, message,
           absl::StrCat("has code ", absl::StatusCodeToString(code), " and a message that ",
                        ::testing::DescribeMatcher<std::string>(message))) {
  *result_listener << StatusOf(arg).ToString();
  return StatusOf(arg).code() == code &&
         ::testing::Matches(message)(std::string(StatusOf(arg).message()));
}

}  // namespace causeway::testing

#endif  // CAUSEWAY_MMAPCORE_TESTING_STATUS_MATCHERS_H_
