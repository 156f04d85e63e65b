// `caponier top`: asks for the counters at intervals, and shows what became of them in between.

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

#include "base/error.h"
#include "cli/terminal.h"
#include "cli/top_rates.h"
#include "cli/top_render.h"
#include "cli/verbs.h"

namespace caponier::cli {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

/// Signals and keys are heeded at least this often.
constexpr milliseconds slice{200};

class Top {
 public:
  Top(const Session& session, const TopVerb& verb)
      : session_(session),
        verb_(verb),
        is_screen_(::isatty(STDOUT_FILENO) != 0 && !session.json && !verb.once) {}

  Outcome<ExitCode> run() {
    const std::uint64_t count = verb_.once ? 1 : verb_.count;
    for (std::uint64_t shown = 0; count == 0 || shown < count;) {
      const Clock::time_point next = Clock::now() + milliseconds{verb_.interval_milliseconds};
      const std::optional<Snapshot> snapshot = TRY(look());
      if (is_screen_ && !terminal_) terminal_.emplace();
      if (snapshot) {
        rates_ = before_ ? rates_between(*before_, *snapshot) : std::nullopt;
        before_ = snapshot;
        if (rates_ && !terminal_) print_rates();
        if (rates_) ++shown;
      }
      draw();
      if (count != 0 && shown == count && !terminal_) break;
      wait_until(next);
      if (is_left()) break;
    }
    return ExitCode::ok;
  }

 private:
  /// Empty: the daemon is not there at present, or the user has left.
  Outcome<std::optional<Snapshot>> look() {
    auto answer = ask();
    if (answer) return answer;
    const bool is_gone = answer.error().code == ExitCode::not_running && before_;
    if (!is_gone) return answer;
    connection_.reset();
    if (fault_.empty() && !terminal_) {
      remark(fmt::format("{}; waiting for it\n", answer.error().message));
    }
    fault_ = answer.error().message;
    rates_.reset();
    return std::optional<Snapshot>{};
  }

  Outcome<std::optional<Snapshot>> ask() {
    if (!connection_) connection_.emplace(TRY(Connection::open(session_.socket)));
    TRY_VOID(connection_->send("traffic"));
    std::optional<Json> answer;
    while (!answer) {
      answer = TRY(connection_->receive(static_cast<int>(slice.count())));
      if (!answer && terminal_) terminal_->wait(0);
      if (!answer && is_left()) return std::optional<Snapshot>{};
    }
    if (!flag(*answer, "ok")) return std::unexpected{failure_of(std::move(*answer))};
    fault_.clear();
    return snapshot_of(at(*answer, "result"));
  }

  void print_rates() const {
    if (session_.json) {
      print_json(top_json(*rates_), -1);
    } else {
      const Window window{session_.style.width, 0};
      print(top_text(*rates_, window) + (verb_.once ? "" : "\n"));
    }
  }

  void draw() {
    if (!terminal_) return;
    const std::string words = rates_           ? top_text(*rates_, terminal_->window())
                              : fault_.empty() ? "one moment\n"
                                               : fault_ + "\n";
    terminal_->write(top_frame(words));
  }

  void wait_until(Clock::time_point end) {
    for (;;) {
      const auto left = std::chrono::ceil<milliseconds>(end - Clock::now());
      if (left <= milliseconds{0} || is_left()) return;
      const int now = static_cast<int>(std::min(left, slice).count());
      if (!terminal_) {
        ::poll(nullptr, 0, now);
        continue;
      }
      terminal_->wait(now);
      if (terminal_->take_resized()) draw();
    }
  }

  [[nodiscard]] bool is_left() const { return terminal_ ? terminal_->is_left() : is_interrupted(); }

  const Session& session_;
  const TopVerb& verb_;
  bool is_screen_;
  std::optional<Terminal> terminal_;  ///< when the daemon has answered first
  std::optional<Connection> connection_;
  std::optional<Snapshot> before_;
  std::optional<Rates> rates_;
  std::string fault_;
};

}  // namespace

Outcome<ExitCode> run_top(const Session& session, const TopVerb& verb) {
  install_interrupt_handler();
  return Top{session, verb}.run();
}

}  // namespace caponier::cli
