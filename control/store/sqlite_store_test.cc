// Which files are accepted as state, which are refused and stay as they are, and what is said when
// rights or space are missing.

#include "control/store/sqlite_store.h"

#include <linux/capability.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "control/store/record_key.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mmapcore/testing/scratch_directory.h"
#include "mmapcore/testing/small_filesystem.h"
#include "mmapcore/testing/status_matchers.h"
#include "mmapcore/testing/subprocess.h"

namespace causeway::testing {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

using Code = absl::StatusCode;

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

void WriteFile(const std::string& path, const std::string& content) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
}

class SqliteStoreTest : public ::testing::Test {
 protected:
  std::string Path() const { return directory_.File("state.db"); }

  absl::StatusOr<std::unique_ptr<Store>> Open() const { return OpenSqliteStore(Path()); }

  // Makes a state file with `count` records of about 1 KiB, and closes it.
  void MakeState(uint64_t count) {
    absl::StatusOr<std::unique_ptr<Store>> store = Open();
    ASSERT_THAT(store, IsOk());
    std::vector<Write> writes;
    for (uint64_t i = 0; i < count; ++i) {
      writes.push_back(Write::Put("t", RecordKey(i), std::string(1000, 'v')));
    }
    ASSERT_THAT((*store)->Commit(writes), IsOk());
    ASSERT_THAT((*store)->Close(), IsOk());
  }

  // Runs `sql` on the file as another program would. With `keep_log`, what it changed stays in the
  // write-ahead log, as after a crash.
  void RunSql(const std::string& sql, bool keep_log = false) {
    sqlite3* connection = nullptr;
    ASSERT_EQ(sqlite3_open(Path().c_str(), &connection), SQLITE_OK);
    if (keep_log) {
      sqlite3_db_config(connection, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
      sqlite3_exec(connection, "PRAGMA locking_mode = EXCLUSIVE", nullptr, nullptr, nullptr);
    }
    char* error = nullptr;
    EXPECT_EQ(sqlite3_exec(connection, sql.c_str(), nullptr, nullptr, &error), SQLITE_OK) << error;
    ASSERT_EQ(sqlite3_close(connection), SQLITE_OK);
  }

  std::map<std::string, std::string> FilesOfDirectory() const {
    std::map<std::string, std::string> files;
    for (const auto& entry : std::filesystem::directory_iterator(directory_.path())) {
      files[entry.path().filename()] = entry.is_regular_file() ? ReadFile(entry.path()) : "";
    }
    return files;
  }

  // Opening must fail so, name the file, and leave every file of the directory as it is.
  void ExpectRefused(Code code, const std::string& text) {
    const std::map<std::string, std::string> before = FilesOfDirectory();
    EXPECT_THAT(Open(), StatusIs(code, AllOf(HasSubstr(Path()), HasSubstr(text))));
    const bool unchanged = FilesOfDirectory() == before;
    EXPECT_TRUE(unchanged) << "a refused file was written to, or another file was left behind";
  }

  ScratchDirectory directory_;
};

TEST_F(SqliteStoreTest, LeavesOneFileBehindThatSaysWhatItIs) {
  MakeState(3);
  EXPECT_THAT(FilesOfDirectory(), SizeIs(1));
  const std::string content = ReadFile(Path());
  EXPECT_EQ(content.substr(68, 4), "Cway");
  struct stat status;
  ASSERT_EQ(stat(Path().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
}

TEST_F(SqliteStoreTest, RefusesANewerFormat) {
  MakeState(1);
  RunSql("PRAGMA user_version = 2");
  ExpectRefused(Code::kFailedPrecondition, "has format 2, but this program knows format 1; use");
}

TEST_F(SqliteStoreTest, RefusesANewerFormatThatIsStillInTheLog) {
  MakeState(1);
  RunSql("PRAGMA user_version = 2", /*keep_log=*/true);
  ASSERT_EQ(ReadFile(Path())[63], 1) << "the version should be in the log alone";
  ExpectRefused(Code::kFailedPrecondition, "has format 2");
}

TEST_F(SqliteStoreTest, RefusesAFormatThatNeverWas) {
  MakeState(1);
  RunSql("PRAGMA user_version = -1");
  ExpectRefused(Code::kFailedPrecondition, "has format -1");
}

TEST_F(SqliteStoreTest, RefusesTheDatabaseOfAnotherApplication) {
  RunSql("PRAGMA application_id = 305419896; CREATE TABLE t (a)");
  ExpectRefused(Code::kFailedPrecondition, "another application (id 0x12345678, not 0x43776179)");
}

TEST_F(SqliteStoreTest, LeavesTheLogOfAnotherApplicationAlone) {
  RunSql("PRAGMA journal_mode = WAL; CREATE TABLE t (a)");
  RunSql("INSERT INTO t VALUES (1)", /*keep_log=*/true);
  ASSERT_FALSE(ReadFile(Path() + "-wal").empty());
  ExpectRefused(Code::kFailedPrecondition, "another application (id 0x00000000");
}

TEST_F(SqliteStoreTest, RefusesWhatIsNoDatabase) {
  WriteFile(Path(), std::string(10'000, 'x'));
  ExpectRefused(Code::kFailedPrecondition, "not a database");
  WriteFile(Path(), std::string(10'000, '\0'));
  ExpectRefused(Code::kFailedPrecondition, "not a database");
}

TEST_F(SqliteStoreTest, RefusesAFileCutShortAnywhere) {
  MakeState(100);
  const std::string whole = ReadFile(Path());
  for (const size_t bytes : {size_t{0}, size_t{1}, size_t{100}, size_t{511}}) {
    WriteFile(Path(), whole.substr(0, bytes));
    ExpectRefused(Code::kDataLoss, absl::StrCat("has ", bytes, " bytes"));
  }
  for (const size_t bytes : {size_t{512}, size_t{4095}, size_t{4096}, size_t{5000},
                             whole.size() / 2, whole.size() - 4096, whole.size() - 1}) {
    WriteFile(Path(), whole.substr(0, bytes));
    ExpectRefused(Code::kDataLoss, "restore it from a backup");
  }
  WriteFile(Path(), whole);
  ASSERT_THAT(Open(), IsOk());
}

TEST_F(SqliteStoreTest, RefusesADamagedPage) {
  MakeState(100);
  std::string content = ReadFile(Path());
  // The second page is the root of the records' tree; overwrite its array of cells.
  content.replace(4096 + 8, 200, std::string(200, '\x5a'));
  WriteFile(Path(), content);
  ExpectRefused(Code::kDataLoss, "restore it from a backup");
}

TEST_F(SqliteStoreTest, RefusesAChangedSchema) {
  MakeState(1);
  const std::string content = ReadFile(Path());
  for (const char* sql : {"CREATE TRIGGER r AFTER INSERT ON record BEGIN DELETE FROM record; END",
                          "CREATE TABLE other (a)", "DROP TABLE record"}) {
    WriteFile(Path(), content);
    RunSql(sql);
    ExpectRefused(Code::kDataLoss, "other tables than a state file");
  }
}

TEST_F(SqliteStoreTest, AcceptsWhatOperatorsDoWithSqlite) {
  MakeState(10);
  RunSql("ANALYZE; VACUUM; PRAGMA journal_mode = DELETE");
  absl::StatusOr<std::unique_ptr<Store>> store = Open();
  ASSERT_THAT(store, IsOk());
  EXPECT_THAT(*(*store)->Load(), SizeIs(10));
  EXPECT_EQ(ReadFile(Path())[18], 2) << "not in WAL mode";
}

TEST_F(SqliteStoreTest, DoesNotBeginAnewBesideTheLogOfALostFile) {
  MakeState(1);
  RunSql("DELETE FROM record", /*keep_log=*/true);
  std::filesystem::remove(Path());
  ExpectRefused(Code::kDataLoss, "-wal is there without");
  std::filesystem::remove(Path() + "-wal");
  EXPECT_THAT(Open(), IsOk());
}

TEST_F(SqliteStoreTest, ReplacesWhatACreationThatDiedLeft) {
  for (const char* suffix : {".new", ".new-wal", ".new-journal"}) {
    WriteFile(Path() + suffix, "half a file");
  }
  absl::StatusOr<std::unique_ptr<Store>> store = Open();
  ASSERT_THAT(store, IsOk());
  EXPECT_THAT(*(*store)->Load(), IsEmpty());
  store->reset();
  EXPECT_THAT(FilesOfDirectory(), SizeIs(1));
}

TEST_F(SqliteStoreTest, RefusesWhatIsNoFile) {
  std::filesystem::create_directory(Path());
  ExpectRefused(Code::kInvalidArgument, "is a folder");
  std::filesystem::remove(Path());
  ASSERT_EQ(mkfifo(Path().c_str(), 0600), 0);
  EXPECT_THAT(Open(), StatusIs(Code::kInvalidArgument, HasSubstr("no regular file")));
  EXPECT_THAT(OpenSqliteStore(directory_.File("missing/state.db")),
              StatusIs(Code::kNotFound, HasSubstr("missing")));
}

TEST_F(SqliteStoreTest, TakesPathsForPaths) {
  for (const char* name : {"a?mode=memory", "100%", "#1", "with space", "gr\xc3\xbc\xc3\x9f"}) {
    const std::string path = directory_.File(name);
    absl::StatusOr<std::unique_ptr<Store>> store = OpenSqliteStore(path);
    ASSERT_THAT(store, IsOk());
    ASSERT_THAT((*store)->Commit({Write::Put("t", "k", "v")}), IsOk());
    store->reset();
    EXPECT_TRUE(std::filesystem::exists(path));
  }
  std::filesystem::current_path(directory_.path());
  EXPECT_THAT(OpenSqliteStore("file:relative?mode=memory"), IsOk());
  EXPECT_TRUE(std::filesystem::exists(directory_.File("file:relative?mode=memory")));
}

// Root may write everywhere. Not after this.
void GiveUpPowersOverFiles() {
  __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  __user_cap_data_struct data[2] = {};
  ASSERT_EQ(syscall(SYS_capset, &header, data), 0);
}

TEST_F(SqliteStoreTest, SaysWhichRightsAreMissing) {
  MakeState(1);
  const auto open_in_child = [this](const std::string& path) {
    return RunInChild([&] {
      GiveUpPowersOverFiles();
      const absl::Status status = OpenSqliteStore(path).status();
      EXPECT_THAT(status, StatusIs(Code::kPermissionDenied, HasSubstr(directory_.path())));
      return HasFailure() ? 1 : 0;
    });
  };
  ASSERT_EQ(chmod(Path().c_str(), 0400), 0);
  EXPECT_EQ(open_in_child(Path()), "exit 0") << "a file that may be read only";
  ASSERT_EQ(chmod(Path().c_str(), 0), 0);
  EXPECT_EQ(open_in_child(Path()), "exit 0") << "a file that may not be read";
  ASSERT_EQ(chmod(Path().c_str(), 0600), 0);
  ASSERT_EQ(chmod(directory_.path().c_str(), 0500), 0);
  EXPECT_EQ(open_in_child(Path()), "exit 0") << "a file in a folder that may be read only";
  EXPECT_EQ(open_in_child(directory_.File("new.db")), "exit 0") << "no file in such a folder";
  ASSERT_EQ(chmod(directory_.path().c_str(), 0700), 0);
  EXPECT_THAT(Open(), IsOk());
}

TEST(SqliteStoreOnAFullFileSystem, ChangesNothingAndGoesOnOnceThereIsRoom) {
  absl::StatusOr<std::unique_ptr<SmallFilesystem>> small =
      SmallFilesystem::Mount(SmallFilesystem::Kind::kTmpfs, 6 << 20);
  if (!small.ok()) GTEST_SKIP() << small.status();
  const std::string path = (*small)->File("state.db");
  const std::string ballast = (*small)->File("ballast");
  WriteFile(ballast, std::string(3 << 20, 'b'));
  absl::StatusOr<std::unique_ptr<Store>> store = OpenSqliteStore(path);
  ASSERT_THAT(store, IsOk());

  std::vector<Record> want;
  absl::Status status;
  while (true) {
    const std::string key = RecordKey(want.size());
    const std::string value(100'000, 'v');
    status = (*store)->Commit({Write::Put("t", key, value), Write::Put("u", key, value)});
    if (!status.ok()) break;
    want.push_back({"t", key, value});
    ASSERT_LT(want.size(), 100u);
  }
  EXPECT_THAT(status, StatusIs(Code::kResourceExhausted,
                               AllOf(HasSubstr(path), HasSubstr("2 writes needs 200018 bytes"),
                                     HasSubstr(" are free"))));
  ASSERT_GT(want.size(), 2u);
  const auto check = [&want](Store& store) {
    const absl::StatusOr<std::vector<Record>> records = store.Load();
    ASSERT_THAT(records, IsOk());
    ASSERT_EQ(records->size(), 2 * want.size());
    EXPECT_TRUE(std::equal(want.begin(), want.end(), records->begin()));
  };
  check(**store);
  EXPECT_THAT((*store)->Commit({Write::Put("t", "k", std::string(1 << 20, 'v'))}),
              StatusIs(Code::kResourceExhausted));
  check(**store);

  std::filesystem::remove(ballast);
  const std::string key = RecordKey(want.size());
  ASSERT_THAT((*store)->Commit({Write::Put("t", key, "v"), Write::Put("u", key, "v")}), IsOk());
  want.push_back({"t", key, "v"});
  check(**store);
  ASSERT_THAT((*store)->Close(), IsOk());
  store = OpenSqliteStore(path);
  ASSERT_THAT(store, IsOk());
  check(**store);
}

TEST(SqliteStoreOnAFullFileSystem, IsNotHalfCreated) {
  absl::StatusOr<std::unique_ptr<SmallFilesystem>> small =
      SmallFilesystem::Mount(SmallFilesystem::Kind::kTmpfs, 1 << 20);
  if (!small.ok()) GTEST_SKIP() << small.status();
  const auto count_files = [&] {
    const std::filesystem::directory_iterator files((*small)->path());
    return std::distance(begin(files), end(files));
  };
  ASSERT_THAT((*small)->FillUntilFree(0), IsOk());
  const auto before = count_files();
  EXPECT_THAT(OpenSqliteStore((*small)->File("state.db")),
              StatusIs(Code::kResourceExhausted, HasSubstr("state.db")));
  EXPECT_EQ(count_files(), before);
}

}  // namespace
}  // namespace causeway::testing
