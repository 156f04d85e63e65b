// Runs a fuzz target once over every file given, or found below the directories given, so that
// corpora are unit tests with any compiler. No file at all is a failure: it tests nothing.

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>
#include <vector>

#include <fmt/format.h>

#include "fuzz/fuzz.h"

namespace {

namespace fs = std::filesystem;

std::vector<fs::path> files_below(const fs::path& root) {
  std::error_code error;
  if (fs::is_regular_file(root, error)) return {root};
  std::vector<fs::path> files;
  for (fs::recursive_directory_iterator at{root, error}, end; !error && at != end;
       at.increment(error)) {
    if (at->is_regular_file(error)) files.push_back(at->path());
  }
  std::ranges::sort(files);
  return files;
}

bool replay(const fs::path& file) {
  std::ifstream in{file, std::ios::binary};
  if (!in) return false;
  const std::vector<char> text{std::istreambuf_iterator<char>{in}, {}};
  const std::vector<std::uint8_t> input{text.begin(), text.end()};
  LLVMFuzzerTestOneInput(input.data(), input.size());
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  std::size_t count = 0;
  for (int i = 1; i < argc; ++i) {
    for (const fs::path& file : files_below(argv[i])) {
      if (!replay(file)) {
        fmt::print(stderr, "cannot read {}\n", file.string());
        return 1;
      }
      ++count;
    }
  }
  fmt::print("{} inputs replayed\n", count);
  return count == 0 ? 1 : 0;
}
