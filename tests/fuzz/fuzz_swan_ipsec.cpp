// Any text as ipsec.conf, and behind a NUL as ipsec.secrets: read with remarks or refused, never a
// crash; and the same as swanctl.conf's connections.

#include "fuzz/fuzz.h"
#include "swan/connection.h"
#include "swan/ipsec_conf.h"

namespace {

using namespace caponier;

class TextFiles final : public swan::Files {
 public:
  explicit TextFiles(std::string_view text)
      : main_(text.substr(0, text.find('\0'))),
        other_(main_.size() < text.size() ? text.substr(main_.size() + 1) : "") {}

  std::expected<std::string, config::FileError> read(const std::string& path) override {
    return path == "ipsec.conf" ? main_ : other_;
  }
  std::vector<std::string> glob(const std::string& pattern) override { return {pattern}; }

 private:
  std::string main_;
  std::string other_;
};

void check(const swan::Report& report) {
  for (const swan::Remark& remark : report.remarks()) {
    fuzz::require(!remark.message.empty(), "a remark says something");
    fuzz::require(remark.gravity != swan::Gravity::error || !remark.fix.empty(),
                  "an error has a cure");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  TextFiles files{base::as_text(fuzz::bytes_of(data, size))};
  swan::Report report;
  if (const auto settings = swan::load_settings("ipsec.conf", files)) {
    for (const swan::Connection& one : swan::read_swanctl(settings->root, report).connections) {
      fuzz::require(!one.proposals.offers.empty(), "a connection has proposals");
      fuzz::require(!swan::to_text(one).empty(), "a connection can be shown");
    }
  }
  const auto file = swan::load_ipsec_conf("ipsec.conf", files);
  if (!file) {
    fuzz::require(!file.error().empty(), "a refused file has errors");
    return 0;
  }
  swan::Section root = swan::swanctl_of(*file, swan::detect_dialect(*file), {}, report);
  root.sections.push_back(swan::load_ipsec_secrets("ipsec.secrets", files, report));
  swan::offer_ike2(root, report);
  static_cast<void>(swan::read_swanctl(root, report));
  check(report);
  return 0;
}
