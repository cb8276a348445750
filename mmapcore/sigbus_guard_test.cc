#include "mmapcore/sigbus_guard.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <barrier>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "mmapcore/mapped_file.h"
#include "mmapcore/mapping.h"
#include "mmapcore/page.h"
#include "mmapcore/testing/scratch_directory.h"
#include "mmapcore/testing/status_matchers.h"
#include "mmapcore/testing/subprocess.h"
#include "mmapcore/unique_fd.h"

namespace causeway {
namespace {

using ::causeway::testing::IsOk;
using ::causeway::testing::RunInChild;
using ::causeway::testing::ScratchDirectory;
using ::causeway::testing::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr absl::StatusCode kDataLoss = absl::StatusCode::kDataLoss;
constexpr MappingOptions kGuardedReader = {.guarded = true};
constexpr MappingOptions kGuardedWriter = {.protection = Protection::kReadWrite, .guarded = true};

// A load and a store that the compiler leaves where they stand.
std::byte Load(const std::byte* at) { return *const_cast<const volatile std::byte*>(at); }
void Store(std::byte* at, std::byte value) { *const_cast<volatile std::byte*>(at) = value; }

class SigbusGuardTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_THAT(SigbusGuard::Install(), IsOk()); }

  // A new file of so many pages, full of sevens.
  MappedFile NewFile(uint64_t pages) {
    absl::StatusOr<MappedFile> file =
        MappedFile::Create(scratch_.File(absl::StrCat("file", files_++)), 0600);
    EXPECT_THAT(file, IsOk());
    const std::string bytes(pages * PageSize(), '\7');
    EXPECT_EQ(pwrite(file->fd(), bytes.data(), bytes.size(), 0),
              static_cast<ssize_t>(bytes.size()));
    return *std::move(file);
  }

  static Mapping MapGuarded(const MappedFile& file, const MappingOptions& options) {
    absl::StatusOr<Mapping> mapping = Mapping::MapWhole(file, options);
    EXPECT_THAT(mapping, IsOk());
    return *std::move(mapping);
  }

  ScratchDirectory scratch_;
  int files_ = 0;
  const uint64_t page_ = PageSize();
};

TEST_F(SigbusGuardTest, NothingHappensWhileNothingHappens) {
  const MappedFile file = NewFile(4);
  Mapping mapping = MapGuarded(file, kGuardedWriter);
  for (uint64_t i = 0; i < mapping.length(); ++i) EXPECT_EQ(Load(mapping.data() + i), std::byte{7});
  EXPECT_FALSE(mapping.damaged());
  EXPECT_THAT(mapping.damage(), IsOk());
}

TEST_F(SigbusGuardTest, ReadPastATruncationContinuesOnZerosAndIsDataLoss) {
  MappedFile file = NewFile(8);
  Mapping mapping = MapGuarded(file, kGuardedReader);
  ASSERT_THAT(file.Resize(3 * page_), IsOk());
  EXPECT_EQ(Load(mapping.data() + 2 * page_), std::byte{7});
  EXPECT_FALSE(mapping.damaged()) << "no access has been lost yet";
  EXPECT_EQ(Load(mapping.data() + 5 * page_ + 123), std::byte{0});
  EXPECT_TRUE(mapping.damaged());
  EXPECT_THAT(mapping.damage(),
              StatusIs(kDataLoss, AllOf(HasSubstr(file.label()),
                                        HasSubstr(absl::StrCat("file offset ", 5 * page_)))));
}

TEST_F(SigbusGuardTest, WritePastATruncationContinuesAndIsDataLoss) {
  MappedFile file = NewFile(8);
  Mapping mapping = MapGuarded(file, kGuardedWriter);
  ASSERT_THAT(file.Resize(0), IsOk());
  memset(mapping.mutable_data() + page_, 9, 7 * page_);
  EXPECT_EQ(Load(mapping.data() + page_), std::byte{9});
  EXPECT_EQ(Load(mapping.data() + 8 * page_ - 1), std::byte{9});
  EXPECT_THAT(mapping.damage(),
              StatusIs(kDataLoss, HasSubstr(absl::StrCat("file offset ", page_, ":"))));
  EXPECT_EQ(*file.Size(), 0u) << "what was stored reaches no file";
}

TEST_F(SigbusGuardTest, OffsetOfDamageIsTheFilesAndNotTheMappings) {
  MappedFile file = NewFile(8);
  absl::StatusOr<Mapping> mapping = Mapping::Map(file, 4 * page_, 4 * page_, kGuardedReader);
  ASSERT_THAT(mapping, IsOk());
  ASSERT_THAT(file.Resize(0), IsOk());
  Load(mapping->data() + 2 * page_ + 1);
  EXPECT_THAT(mapping->damage(),
              StatusIs(kDataLoss, HasSubstr(absl::StrCat("file offset ", 6 * page_, ":"))));
}

TEST_F(SigbusGuardTest, PagesBeforeTheFaultKeepShowingTheFile) {
  MappedFile file = NewFile(8);
  Mapping mapping = MapGuarded(file, kGuardedReader);
  ASSERT_THAT(file.Resize(3 * page_), IsOk());
  Load(mapping.data() + 5 * page_);
  ASSERT_TRUE(mapping.damaged());
  const char changed = 8;
  ASSERT_EQ(pwrite(file.fd(), &changed, 1, static_cast<off_t>(2 * page_)), 1);
  EXPECT_EQ(Load(mapping.data() + 2 * page_), std::byte{8});
}

TEST_F(SigbusGuardTest, ASecondFaultBeforeTheFirstIsTakenTooAndTheFirstIsTheOneReported) {
  MappedFile file = NewFile(8);
  Mapping mapping = MapGuarded(file, kGuardedWriter);
  ASSERT_THAT(file.Resize(0), IsOk());
  Store(mapping.mutable_data() + 5 * page_, std::byte{1});
  Store(mapping.mutable_data() + 2 * page_, std::byte{2});
  EXPECT_EQ(Load(mapping.data() + 5 * page_), std::byte{1}) << "the first repair stands";
  EXPECT_EQ(Load(mapping.data() + 2 * page_), std::byte{2});
  EXPECT_THAT(mapping.damage(),
              StatusIs(kDataLoss, HasSubstr(absl::StrCat("file offset ", 5 * page_, ":"))));
}

TEST_F(SigbusGuardTest, DamageOutlastsTheFilesReturnButANewMappingIsWhole) {
  MappedFile file = NewFile(4);
  Mapping mapping = MapGuarded(file, kGuardedReader);
  ASSERT_THAT(file.Resize(0), IsOk());
  Load(mapping.data());
  const std::string bytes(4 * page_, '\7');
  ASSERT_EQ(pwrite(file.fd(), bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
  EXPECT_EQ(Load(mapping.data()), std::byte{0});
  EXPECT_TRUE(mapping.damaged());
  Mapping anew = MapGuarded(file, kGuardedReader);
  EXPECT_EQ(Load(anew.data()), std::byte{7});
  EXPECT_FALSE(anew.damaged());
}

TEST_F(SigbusGuardTest, EachMappingHasItsOwnDamage) {
  MappedFile lost = NewFile(4);
  const MappedFile kept = NewFile(4);
  Mapping of_lost = MapGuarded(lost, kGuardedReader);
  Mapping untouched = MapGuarded(lost, kGuardedReader);
  Mapping of_kept = MapGuarded(kept, kGuardedReader);
  ASSERT_THAT(lost.Resize(0), IsOk());
  Load(of_lost.data());
  EXPECT_TRUE(of_lost.damaged());
  EXPECT_FALSE(untouched.damaged());
  EXPECT_FALSE(of_kept.damaged());
  EXPECT_EQ(Load(of_kept.data() + 3 * page_), std::byte{7});
}

TEST_F(SigbusGuardTest, GuardsPrivateMappings) {
  MappedFile file = NewFile(4);
  Mapping mapping = MapGuarded(
      file, {.protection = Protection::kReadWrite, .sharing = Sharing::kPrivate, .guarded = true});
  ASSERT_THAT(file.Resize(0), IsOk());
  Store(mapping.mutable_data() + page_, std::byte{1});
  EXPECT_TRUE(mapping.damaged());
}

TEST_F(SigbusGuardTest, ZerosHaveTheProtectionOfTheMapping) {
  MappedFile file = NewFile(4);
  Mapping mapping = MapGuarded(file, kGuardedReader);
  ASSERT_THAT(file.Resize(0), IsOk());
  Load(mapping.data());
  EXPECT_EQ(RunInChild([&] {
              signal(SIGSEGV, SIG_DFL);
              Store(const_cast<std::byte*>(mapping.data()), std::byte{1});
              return 0;
            }),
            "signal 11 (SIGSEGV)");
}

TEST_F(SigbusGuardTest, RegistrationMovesWithTheMapping) {
  MappedFile file = NewFile(4);
  Mapping first = MapGuarded(file, kGuardedReader);
  Mapping second = std::move(first);
  Mapping third;
  third = std::move(second);
  ASSERT_THAT(file.Resize(0), IsOk());
  Load(third.data());
  EXPECT_TRUE(third.damaged());
  EXPECT_FALSE(first.damaged());
  EXPECT_FALSE(second.damaged());
}

TEST_F(SigbusGuardTest, FlushOfADamagedMappingIsDataLoss) {
  MappedFile file = NewFile(4);
  Mapping mapping = MapGuarded(file, kGuardedWriter);
  ASSERT_THAT(file.Resize(0), IsOk());
  Store(mapping.mutable_data(), std::byte{1});
  EXPECT_THAT(mapping.Flush(0, 1, FlushMode::kSync), StatusIs(kDataLoss));
}

TEST_F(SigbusGuardTest, SystemCallsOnLostPagesFailAndMarkNothing) {
  MappedFile file = NewFile(4);
  Mapping mapping = MapGuarded(file, kGuardedReader);
  ASSERT_THAT(file.Resize(0), IsOk());
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  UniqueFd reading_end(ends[0]), writing_end(ends[1]);
  EXPECT_EQ(write(writing_end.get(), mapping.data(), 100), -1);
  EXPECT_EQ(errno, EFAULT);
  EXPECT_FALSE(mapping.damaged());
  Load(mapping.data());
  EXPECT_TRUE(mapping.damaged()) << "touching the byte tells";
}

TEST_F(SigbusGuardTest, FaultLeavesErrnoAlone) {
  MappedFile file = NewFile(4);
  Mapping mapping = MapGuarded(file, kGuardedReader);
  ASSERT_THAT(file.Resize(0), IsOk());
  errno = ENOTTY;
  Load(mapping.data());
  EXPECT_EQ(errno, ENOTTY);
}

TEST_F(SigbusGuardTest, ChildOfForkIsGuardedAndItsDamageIsItsOwn) {
  MappedFile file = NewFile(4);
  Mapping mapping = MapGuarded(file, kGuardedReader);
  ASSERT_THAT(file.Resize(0), IsOk());
  EXPECT_EQ(RunInChild([&] {
              if (Load(mapping.data()) != std::byte{0} || !mapping.damaged()) return 1;
              return mapping.Unmap().ok() ? 0 : 2;
            }),
            "exit 0");
  EXPECT_FALSE(mapping.damaged());
}

TEST_F(SigbusGuardTest, RefusesRangesThatAreNotWholePages) {
  const auto try_range = [](uintptr_t begin, uint64_t length) {
    return GuardedRange::Register(reinterpret_cast<void*>(begin), length, 0, Protection::kRead)
        .status();
  };
  constexpr absl::StatusCode kInvalid = absl::StatusCode::kInvalidArgument;
  EXPECT_THAT(try_range(page_, 0), StatusIs(kInvalid));
  EXPECT_THAT(try_range(page_ + 1, page_), StatusIs(kInvalid));
  EXPECT_THAT(try_range(page_, page_ + 1), StatusIs(kInvalid));
  EXPECT_THAT(try_range(UINTPTR_MAX - page_ + 1, page_), StatusIs(kInvalid));
}

TEST_F(SigbusGuardTest, LimitOnRangesIsNamedWhenItIsMetAndFreedRangesCountNoMore) {
  // Addresses that nobody maps: registration looks at none of them.
  const auto register_page = [&](uint64_t number) {
    return GuardedRange::Register(reinterpret_cast<void*>((number + 1) * page_), page_, 0,
                                  Protection::kRead);
  };
  std::vector<GuardedRange> ranges;
  for (uint64_t i = 0; i < SigbusGuard::kMaxRanges; ++i) {
    absl::StatusOr<GuardedRange> range = register_page(i);
    ASSERT_THAT(range, IsOk());
    ranges.push_back(*std::move(range));
  }
  EXPECT_THAT(register_page(SigbusGuard::kMaxRanges),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("kMaxRanges = 65536")));
  ranges.pop_back();
  EXPECT_THAT(register_page(SigbusGuard::kMaxRanges), IsOk());
}

TEST_F(SigbusGuardTest, InstallIsIdempotentFromManyThreads) {
  std::vector<std::thread> threads;
  std::atomic<int> installed{0};
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] { installed += SigbusGuard::Install().ok(); });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(installed, 8);
  EXPECT_TRUE(SigbusGuard::installed());
}

// All threads sweep all mappings again and again while the files shrink under them.
TEST_F(SigbusGuardTest, ManyThreadsOverManyMappingsSurviveTheTruncationOfAll) {
  constexpr int kMappings = 32;
  constexpr int kPages = 16;
  constexpr int kThreads = 8;
  const uint32_t seed = std::random_device()();
  SCOPED_TRACE(absl::StrCat("seed ", seed));

  std::vector<MappedFile> files;
  std::vector<Mapping> mappings;
  for (int i = 0; i < kMappings; ++i) {
    files.push_back(NewFile(kPages));
    mappings.push_back(MapGuarded(files.back(), i % 2 == 0 ? kGuardedReader : kGuardedWriter));
  }
  std::atomic<bool> all_truncated{false};
  std::atomic<int> sweeping{0};
  std::atomic<int> unexplained_zeros{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      std::minstd_rand random(seed + static_cast<uint32_t>(t));
      ++sweeping;
      for (bool last = false; !last;) {
        last = all_truncated.load();
        for (int i = 0; i < kMappings; ++i) {
          for (int n = 0; n < kPages; ++n) {
            // The last sweep comes to every page, the others at random.
            const uint64_t page = last ? static_cast<uint64_t>(n) : random() % kPages;
            const std::byte read = Load(mappings[i].data() + page * page_ + random() % page_);
            if (read != std::byte{7} && !mappings[i].damaged()) ++unexplained_zeros;
          }
        }
      }
    });
  }
  while (sweeping != kThreads) std::this_thread::yield();
  std::minstd_rand random(seed);
  for (MappedFile& file : files) {
    EXPECT_THAT(file.Resize(random() % kPages * page_), IsOk());
    EXPECT_THAT(file.Resize(0), IsOk());
  }
  all_truncated = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(unexplained_zeros, 0);
  for (const Mapping& mapping : mappings) {
    EXPECT_TRUE(mapping.damaged());
    for (int n = 0; n < kPages; ++n) EXPECT_EQ(Load(mapping.data() + n * page_), std::byte{0});
  }
}

TEST_F(SigbusGuardTest, ThreadsThatFaultInOneMappingAtOnceAllContinue) {
  constexpr int kThreads = 4;
  constexpr int kRounds = 1000;
  constexpr uint64_t kPages = 4;
  MappedFile file = NewFile(kPages);
  std::optional<Mapping> mapping;
  std::atomic<int> wrong{0};
  std::barrier step(kThreads);
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int round = 0; round < kRounds; ++round) {
        if (t == 0) {
          if (!file.Resize(kPages * page_).ok()) ++wrong;
          mapping.emplace(MapGuarded(file, kGuardedReader));
          if (!file.Resize(0).ok()) ++wrong;
        }
        step.arrive_and_wait();
        // In even rounds all touch one page, in odd rounds each another.
        const uint64_t page = static_cast<uint64_t>(round + round % 2 * t) % kPages;
        wrong += Load(mapping->data() + page * page_) != std::byte{0};
        wrong += !mapping->damaged();
        step.arrive_and_wait();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace causeway
