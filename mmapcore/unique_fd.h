// Ownership of one file descriptor.

#ifndef CAUSEWAY_MMAPCORE_UNIQUE_FD_H_
#define CAUSEWAY_MMAPCORE_UNIQUE_FD_H_

#include <unistd.h>

#include <cerrno>
#include <utility>

namespace causeway {

// Closes its descriptor when it goes away. Move-only; a moved-from UniqueFd owns nothing.
// Not thread-safe: a descriptor has one owner.
class UniqueFd {
 public:
  // Owns nothing.
  UniqueFd() = default;

  // Takes over `fd`. A negative number, such as what a failed open() returned, is "nothing".
  explicit UniqueFd(int fd) : fd_(fd < 0 ? -1 : fd) {}

  UniqueFd(UniqueFd&& other) noexcept : fd_(other.Release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) Reset(other.Release());
    return *this;
  }
  UniqueFd(const UniqueFd&) = delete;
  UniqueFd& operator=(const UniqueFd&) = delete;

  ~UniqueFd() { Reset(); }

  // The descriptor, still owned here; -1 if there is none.
  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }

  // Hands the descriptor to the caller, who must close it.
  [[nodiscard]] int Release() { return std::exchange(fd_, -1); }

  // Closes what is owned and takes over `fd`. Leaves errno alone. close() is not repeated after
  // EINTR: Linux has freed the number by then, and another thread may have got it.
  void Reset(int fd = -1) {
    const int old = std::exchange(fd_, fd < 0 ? -1 : fd);
    if (old < 0) return;
    const int saved_errno = errno;
    close(old);
    errno = saved_errno;
  }

 private:
  int fd_ = -1;
};

}  // namespace causeway

#endif  // CAUSEWAY_MMAPCORE_UNIQUE_FD_H_
