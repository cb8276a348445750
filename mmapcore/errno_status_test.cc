#include "mmapcore/errno_status.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <string>

#include "mmapcore/testing/status_matchers.h"

namespace causeway {
namespace {

using ::causeway::testing::StatusIs;

TEST(ErrnoStatus, CodesSayWhatTheCallerCanDo) {
  using absl::StatusCode;
  EXPECT_EQ(StatusCodeFromErrno(ENOSPC), StatusCode::kResourceExhausted);
  EXPECT_EQ(StatusCodeFromErrno(EDQUOT), StatusCode::kResourceExhausted);
  EXPECT_EQ(StatusCodeFromErrno(ENOMEM), StatusCode::kResourceExhausted);
  EXPECT_EQ(StatusCodeFromErrno(EMFILE), StatusCode::kResourceExhausted);
  EXPECT_EQ(StatusCodeFromErrno(EACCES), StatusCode::kPermissionDenied);
  EXPECT_EQ(StatusCodeFromErrno(EPERM), StatusCode::kPermissionDenied);
  EXPECT_EQ(StatusCodeFromErrno(EROFS), StatusCode::kPermissionDenied);
  EXPECT_EQ(StatusCodeFromErrno(ENOENT), StatusCode::kNotFound);
  EXPECT_EQ(StatusCodeFromErrno(EEXIST), StatusCode::kAlreadyExists);
  EXPECT_EQ(StatusCodeFromErrno(EFBIG), StatusCode::kOutOfRange);
  EXPECT_EQ(StatusCodeFromErrno(EINVAL), StatusCode::kInvalidArgument);
  EXPECT_EQ(StatusCodeFromErrno(EISDIR), StatusCode::kInvalidArgument);
  EXPECT_EQ(StatusCodeFromErrno(EINTR), StatusCode::kUnavailable);
  EXPECT_EQ(StatusCodeFromErrno(EOPNOTSUPP), StatusCode::kUnimplemented);
  EXPECT_EQ(StatusCodeFromErrno(ENODEV), StatusCode::kUnimplemented);
}

TEST(ErrnoStatus, BytesThatAreGoneAreDataLoss) {
  for (const int error : {EIO, EHWPOISON, EUCLEAN, EBADMSG, EREMOTEIO}) {
    EXPECT_EQ(StatusCodeFromErrno(error), absl::StatusCode::kDataLoss) << error;
  }
}

TEST(ErrnoStatus, MessageNamesCallFileRangeReasonAndRemedy) {
  const std::string path = "/data/a";
  EXPECT_THAT(
      StatusFromErrno(ENOSPC,
                      {.operation = "fallocate", .path = path, .offset = 4096, .length = 8192}),
      StatusIs(absl::StatusCode::kResourceExhausted,
               "fallocate failed for /data/a (offset 4096, length 8192): No space left on device "
               "(ENOSPC); free space on the file system or choose another"));
}

TEST(ErrnoStatus, MessageLeavesOutWhatIsNotKnown) {
  EXPECT_THAT(StatusFromErrno(EPIPE, {.operation = "pipe2", .path = ""}).message(),
              "pipe2 failed: Broken pipe (EPIPE)");
  EXPECT_THAT(StatusFromErrno(99999, {.operation = "open", .path = "x"}).message(),
              "open failed for x: errno 99999");
}

TEST(ErrnoStatus, CallersAdviceComesBeforeTheGeneral) {
  EXPECT_THAT(
      StatusFromErrno(ENOMEM, {.operation = "mmap", .path = "x", .advice = "unmap something"})
          .message(),
      "mmap failed for x: Cannot allocate memory (ENOMEM); unmap something");
}

TEST(RepeatIfInterrupted, EndsWithTheFirstAnswerThatIsNotAnInterruption) {
  int calls = 0;
  const int result = RepeatIfInterrupted([&] {
    errno = EINTR;
    return ++calls < 3 ? -1 : 42;
  });
  EXPECT_EQ(result, 42);
  EXPECT_EQ(calls, 3);
}

TEST(RepeatIfInterrupted, DoesNotRepeatOtherFailures) {
  int calls = 0;
  const int result = RepeatIfInterrupted([&] {
    ++calls;
    errno = EIO;
    return -1;
  });
  EXPECT_EQ(result, -1);
  EXPECT_EQ(calls, 1);
}

TEST(RepeatIfInterrupted, GivesUpOnACallThatIsAlwaysInterrupted) {
  EXPECT_EQ(RepeatIfInterrupted([] {
              errno = EINTR;
              return -1;
            }),
            -1);
  EXPECT_EQ(errno, EINTR);
}

}  // namespace
}  // namespace causeway
