// Checks that fuzzers see what they are meant to see: the corpus, and inputs of many sizes.

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <set>
#include <string_view>

namespace {

struct Seen {
  bool corpus = false;
  std::set<std::size_t> sizes;

  ~Seen() {
    if (corpus && sizes.contains(0) && sizes.size() > 100) return;
    std::fprintf(stderr, "saw %zu sizes, the corpus: %d\n", sizes.size(), corpus);
    std::_Exit(1);
  }
};

Seen seen;

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  seen.corpus = seen.corpus || text == "hello, fuzzer\n";
  seen.sizes.insert(size);
  return 0;
}
