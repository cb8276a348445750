// Headers and the libraries that are linked belong to the same release, and can be called.

#include <absl/container/flat_hash_map.h>
#include <absl/status/statusor.h>
#include <absl/strings/str_cat.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/clock.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <libsmartcols.h>
#include <openssl/crypto.h>
#include <openssl/opensslv.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>
#include <sqlite3.h>

#include <memory>
#include <sstream>
#include <string>

namespace {

TEST(Libraries, LinkedReleaseIsThatOfTheHeaders) {
  EXPECT_STREQ(sqlite3_libversion(), SQLITE_VERSION);
  EXPECT_STREQ(OpenSSL_version(OPENSSL_VERSION_STRING), OPENSSL_VERSION_STR);
  const char* smartcols = nullptr;
  scols_get_library_version(&smartcols);
  EXPECT_STREQ(smartcols, LIBSMARTCOLS_VERSION);
}

TEST(Libraries, AbseilLinks) {
  absl::Mutex mutex;
  absl::MutexLock lock(&mutex);
  absl::flat_hash_map<std::string, absl::StatusOr<int>> results;
  results.emplace("a", absl::NotFoundError(absl::StrCat("no ", 1)));
  EXPECT_EQ(results.at("a").status().message(), "no 1");
  EXPECT_LT(absl::Now(), absl::InfiniteFuture());
}

TEST(Libraries, SpdlogWritesToItsSink) {
  std::ostringstream text;
  spdlog::logger logger("wiring", std::make_shared<spdlog::sinks::ostream_sink_st>(text));
  logger.set_pattern("%v");
  logger.info("{} extents", 3);
  EXPECT_THAT(text.str(), testing::StartsWith("3 extents"));
}

}  // namespace
