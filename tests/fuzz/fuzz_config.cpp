// Any text as a configuration: refused with reasons or loaded, never a crash. Errors have a place
// and a cure, and what was loaded loads again to the same.

#include "config/config.h"
#include "fuzz/fuzz.h"

namespace {

using namespace caponier;

/// The fuzzed text is the main file or, behind a NUL, the fragment beside it.
class TextSource final : public config::Source {
 public:
  explicit TextSource(std::string_view text)
      : main_(text.substr(0, text.find('\0'))),
        fragment_(main_.size() < text.size() ? text.substr(main_.size() + 1) : "") {}

  std::expected<std::string, config::FileError> read_config(const std::string& path) override {
    return path == "main" ? main_ : fragment_;
  }
  std::vector<std::string> list_fragments(const std::string&) override {
    if (fragment_.empty()) return {};
    return {"fragment"};
  }
  std::expected<base::SecretBytes, config::FileError> read_secret(
      std::string_view reference) override {
    if (reference.starts_with("cred:")) {
      return std::unexpected{config::FileError{"No such file or directory", ""}};
    }
    // Short names are weak secrets, "@branch" is a good one, others are judged as they are.
    if (reference == "@branch") reference = "Zk3vQ0mY8s1RrT6uXw9bNc2LhJ5pGdEaKiOyUfWtSx4=";
    return base::SecretBytes{base::as_bytes(reference)};
  }

 private:
  std::string main_;
  std::string fragment_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  TextSource source{base::as_text(fuzz::bytes_of(data, size))};
  const auto config = config::load("main", source);
  if (!config) {
    fuzz::require(!config.error().empty(), "a refused configuration has errors");
    for (const config::ConfigError& error : config.error()) {
      fuzz::require(!error.message.empty() && !error.fix.empty(), "an error has a cure");
      fuzz::require(error.where.file == "main" || error.where.file == "fragment",
                    "an error has a place");
      fuzz::require(!error.to_string().empty(), "an error can be printed");
    }
    return 0;
  }
  for (const config::PeerConfig& peer : (*config)->peers) {
    fuzz::require(peer.psk != nullptr && !peer.psk->empty(), "a peer has a secret");
    fuzz::require(!peer.ike.empty() && !peer.child().esp.empty(), "a peer has algorithms");
  }
  const auto again = config::load("main", source);
  fuzz::require(again.has_value(), "what was loaded loads again");
  const config::ConfigDiff changes = config::diff(**config, **again);
  fuzz::require(changes.added.empty() && changes.changed.empty() && changes.removed.empty() &&
                    !changes.daemon_changed,
                "nothing changes when nothing changed");
  return 0;
}
