#include <fmt/format.h>
#include <signal.h>

#include <cstdio>
#include <cstdlib>

#include "daemon/app.h"
#include "daemon/key_process.h"
#include "daemon/service.h"
#include "pki/openssl/provider.h"

namespace {

using namespace caponier;
using namespace caponier::daemon;

void say(const std::string& text) {
  static_cast<void>(std::fwrite(text.data(), 1, text.size(), stderr));
  static_cast<void>(std::fwrite("\n", 1, 1, stderr));
}

LogForm choose_form(const Options& options, bool stays) {
  if (options.log_json) return LogForm::json;
  if (!stays) return LogForm::syslog;
  return std::getenv("JOURNAL_STREAM") != nullptr ? LogForm::journal : LogForm::lines;
}

int run(const Options& options) {
  if (options.hold_keys >= 0) return run_key_process(options.hold_keys, options.config);
  const pki::OpensslPki pki;
  const bool stays = options.foreground || has_manager();
  const auto keys = KeySide::start(options.config, pki, stays || options.check);
  if (!keys) {
    say(fmt::format("caponierd: {}\n  fix: {}", keys.error().message, keys.error().fix));
    return static_cast<int>(control::ExitCode::generic);
  }
  auto config = load_config(options.config, pki, **keys);
  if (!config) {
    say(to_text(config.error()));
    return static_cast<int>(control::ExitCode::configuration);
  }
  for (const std::string& warning : config->warnings) say("caponierd: warning: " + warning);
  if (options.check) return 0;
  forbid_core_files();
  ::signal(SIGPIPE, SIG_IGN);
  Background background = stays ? Background{} : Background::enter();
  auto app = App::start(options, std::move(*config), pki, **keys, choose_form(options, stays));
  if (!app) {
    say("caponierd: " + app.error().text);
    return static_cast<int>(app.error().code);
  }
  background.announce_ready();
  notify_manager("READY=1");
  (*app)->run();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const auto parsed = parse_options(argc, argv);
  if (const auto* code = std::get_if<int>(&parsed)) return *code;
  return run(std::get<Options>(parsed));
}
