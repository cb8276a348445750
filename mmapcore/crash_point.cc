// Compiled only where crash points are.

#include "mmapcore/crash_point.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "mmapcore/crash_page.h"

// The linker's bounds of the section of that name.
extern "C" const char __start_causeway_crash_points[];
extern "C" const char __stop_causeway_crash_points[];

namespace causeway {
namespace {

// Name and place of every point of this program.
std::multimap<std::string_view, std::string_view> Points() {
  std::multimap<std::string_view, std::string_view> points;
  const char* at = __start_causeway_crash_points;
  while (at < __stop_causeway_crash_points) {
    const std::string_view name = at;
    const std::string_view place = name.data() + name.size() + 1;
    at = place.data() + place.size() + 1;
    const auto [begin, end] = points.equal_range(name);
    const bool known =
        std::any_of(begin, end, [&](const auto& point) { return point.second == place; });
    if (!known) points.emplace(name, place);
  }
  return points;
}

std::vector<std::string_view> Names() {
  std::vector<std::string_view> names;
  for (const auto& [name, place] : Points()) {
    if (names.empty() || names.back() != name) names.push_back(name);
  }
  return names;
}

// Mapped once and for ever: points are passed until the last instruction.
CrashPage* MapPage() {
  const char* path = std::getenv(kCrashPageVariable);
  if (path == nullptr) return nullptr;
  const int fd = open(path, O_RDWR | O_CLOEXEC);
  void* page = fd < 0 ? MAP_FAILED
                      : mmap(nullptr, sizeof(CrashPage), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (page == MAP_FAILED) {
    std::perror(path);
    _exit(1);
  }
  close(fd);
  return static_cast<CrashPage*>(page);
}

CrashPage* Page() {
  static CrashPage* const page = MapPage();
  return page;
}

uint32_t SlotOf(std::string_view name) {
  static const std::vector<std::string_view> names = Names();
  return static_cast<uint32_t>(std::lower_bound(names.begin(), names.end(), name) - names.begin());
}

[[noreturn]] void Die(CrashPage& page) {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  page.killed_at_nanos.store(now.tv_sec * int64_t{1'000'000'000} + now.tv_nsec,
                             std::memory_order_release);
  kill(getpid(), SIGKILL);
  while (true) pause();
}

__attribute__((constructor)) void ListIfAsked() {
  if (std::getenv(kCrashListVariable) == nullptr) return;
  for (const auto& [name, place] : Points()) {
    std::printf("%s %s\n", std::string(name).c_str(), std::string(place).c_str());
  }
  std::fflush(stdout);
  _exit(0);
}

}  // namespace

void CrashPoint::Pass() {
  CrashPage* const page = Page();
  if (page == nullptr) return;
  // Relaxed: whoever finds 0 finds out again, with the same result.
  uint32_t slot = slot_.load(std::memory_order_relaxed);
  if (slot == 0) {
    slot = SlotOf(name_) + 1;
    slot_.store(slot, std::memory_order_relaxed);
  }
  if (slot > CrashPage::kSlots) return;
  page->passings[slot - 1].fetch_add(1, std::memory_order_relaxed);
  if (page->slow.load(std::memory_order_relaxed) == slot) {
    const timespec nap = {.tv_sec = 0, .tv_nsec = CrashPage::kSlowNanos};
    nanosleep(&nap, nullptr);
  }
  // Acquire: the countdown. Pairs with the release of the test.
  if (page->armed.load(std::memory_order_acquire) != slot) return;
  if (page->countdown.fetch_sub(1, std::memory_order_relaxed) == 1) Die(*page);
}

}  // namespace causeway
