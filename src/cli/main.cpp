#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string_view>

#include "cli/verbs.h"

namespace {

using namespace caponier::cli;

Style choose_style() {
  Style style;
  if (::isatty(STDOUT_FILENO) == 0) return style;
  winsize size{};
  const bool known = ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  style.width = known ? size.ws_col : 80;
  const char* no_colour = std::getenv("NO_COLOR");
  const char* terminal = std::getenv("TERM");
  style.colour = (no_colour == nullptr || *no_colour == '\0') && terminal != nullptr &&
                 std::string_view{terminal} != "dumb";
  return style;
}

int report(const Failure& failure, bool json) {
  const int code = static_cast<int>(failure.code);
  if (json) {
    const Json own{{"v", caponier::control::protocol_version},
                   {"ok", false},
                   {"error", {{"code", code}, {"message", failure.message}, {"fix", failure.fix}}}};
    print(dump(failure.document.is_null() ? own : failure.document, 2) + "\n");
  }
  remark(fmt::format("error: {}\n", failure.message));
  if (!failure.fix.empty()) remark(fmt::format("fix: {}\n", failure.fix));
  return code;
}

}  // namespace

int main(int argc, char** argv) try {
  const auto parsed = parse_arguments(argc, argv);
  if (const auto* code = std::get_if<int>(&parsed)) return *code;
  const auto& arguments = std::get<Arguments>(parsed);
  const auto outcome = run_verb(
      {arguments.json, arguments.dry_run, arguments.socket, arguments.config, choose_style()},
      arguments.verb);
  return outcome ? static_cast<int>(*outcome) : report(outcome.error(), arguments.json);
} catch (const std::exception& error) {
  // Of the libraries: an answer that is not what the protocol promises, or no memory left.
  std::fputs("error: ", stderr);
  std::fputs(error.what(), stderr);
  std::fputs("\n", stderr);
  return 1;
}
