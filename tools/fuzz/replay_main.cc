// Runs a fuzzer without libFuzzer: each file that is named, damaged copies of it, and bytes at
// random. The same seed gives the same inputs, so a failure repeats.
//
//   x_fuzz [--seed=N] [--runs=N] [file...]

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <random>
#include <string_view>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using Input = std::vector<std::uint8_t>;

constexpr std::size_t kMaxRandomBytes = 4096;

void Run(const Input& input) { LLVMFuzzerTestOneInput(input.data(), input.size()); }

Input ReadFile(const char* path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    std::fprintf(stderr, "cannot read %s\n", path);
    std::exit(2);
  }
  return Input(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
}

std::size_t Below(std::mt19937_64& random, std::size_t limit) { return random() % limit; }

Input Random(std::mt19937_64& random) {
  // Short inputs reach more code than long ones do.
  Input input(Below(random, 1 + Below(random, kMaxRandomBytes)));
  for (std::uint8_t& byte : input) byte = static_cast<std::uint8_t>(random());
  return input;
}

Input Damaged(Input input, std::mt19937_64& random) {
  if (input.empty()) return input;
  for (std::size_t flips = 1 + Below(random, 8); flips > 0; --flips) {
    input[Below(random, input.size())] ^= static_cast<std::uint8_t>(1u << Below(random, 8));
  }
  if (Below(random, 4) == 0) input.resize(Below(random, input.size()));
  return input;
}

}  // namespace

int main(int argc, char** argv) {
  std::uint64_t seed = 1;
  std::uint64_t runs = 20'000;
  std::vector<Input> corpus;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument.starts_with("--seed=")) {
      seed = std::strtoull(argv[i] + 7, nullptr, 0);
    } else if (argument.starts_with("--runs=")) {
      runs = std::strtoull(argv[i] + 7, nullptr, 0);
    } else {
      corpus.push_back(ReadFile(argv[i]));
    }
  }
  std::fprintf(stderr, "%zu files, %llu random inputs, --seed=%llu\n", corpus.size(),
               static_cast<unsigned long long>(runs), static_cast<unsigned long long>(seed));
  Run({});
  for (const Input& input : corpus) Run(input);
  std::mt19937_64 random(seed);
  for (std::uint64_t i = 0; i < runs; ++i) {
    const bool damage = !corpus.empty() && i % 2 == 0;
    Run(damage ? Damaged(corpus[Below(random, corpus.size())], random) : Random(random));
  }
  return 0;
}
