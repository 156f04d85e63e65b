// Any text as swanctl.conf: refused with reasons or read, never a crash. Errors have a place and a
// cure.

#include "fuzz/fuzz.h"
#include "swan/settings.h"

namespace {

using namespace caponier;

/// The fuzzed text is the main file or, behind a NUL, every other one.
class TextFiles final : public swan::Files {
 public:
  explicit TextFiles(std::string_view text)
      : main_(text.substr(0, text.find('\0'))),
        other_(main_.size() < text.size() ? text.substr(main_.size() + 1) : "") {}

  std::expected<std::string, config::FileError> read(const std::string& path) override {
    return path == "main" ? main_ : other_;
  }
  std::vector<std::string> glob(const std::string& pattern) override {
    if (pattern.find('*') != std::string::npos) return {"other", "another"};
    return {pattern};
  }

 private:
  std::string main_;
  std::string other_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  TextFiles files{base::as_text(fuzz::bytes_of(data, size))};
  const auto settings = swan::load_settings("main", files);
  if (settings) return 0;
  fuzz::require(!settings.error().empty(), "refused settings have errors");
  for (const config::ConfigError& error : settings.error()) {
    fuzz::require(!error.message.empty() && !error.fix.empty(), "an error has a cure");
    fuzz::require(!error.where.file.empty(), "an error has a place");
  }
  return 0;
}
