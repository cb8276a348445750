// The bytes of a fuzzer's input, taken one after the other.

#ifndef CAUSEWAY_TOOLS_FUZZ_FUZZ_INPUT_H_
#define CAUSEWAY_TOOLS_FUZZ_FUZZ_INPUT_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

namespace causeway {

// Zeros, and empty strings, once the input has run out.
class FuzzInput {
 public:
  // The bytes must outlive this object.
  FuzzInput(const uint8_t* data, size_t size) : data_(data), size_(size) {}

  bool empty() const { return size_ == 0; }

  // A number, little-endian.
  template <typename T>
  T Take() {
    T value = 0;
    const size_t bytes = std::min(size_, sizeof(T));
    if (bytes > 0) std::memcpy(&value, data_, bytes);
    Skip(bytes);
    return value;
  }

  // Less than `limit`, which is not 0.
  template <typename T>
  T Below(T limit) {
    return static_cast<T>(Take<T>() % limit);
  }

  // Up to `most` bytes. The byte before them says how many: often none, mostly few, so that random
  // inputs hold many fields; or that two bytes say it.
  std::string TakeBytes(size_t most = 65535) {
    const uint8_t size = Take<uint8_t>();
    const size_t wanted = size < 64 ? 0 : size < 248 ? size - size_t{64} : Take<uint16_t>();
    const size_t bytes = std::min({wanted, most, size_});
    std::string taken(reinterpret_cast<const char*>(data_), bytes);
    Skip(bytes);
    return taken;
  }

 private:
  void Skip(size_t bytes) {
    data_ += bytes;
    size_ -= bytes;
  }

  const uint8_t* data_;
  size_t size_;
};

}  // namespace causeway

#endif  // CAUSEWAY_TOOLS_FUZZ_FUZZ_INPUT_H_
