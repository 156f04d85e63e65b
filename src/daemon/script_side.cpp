#include "daemon/script_side.h"

#include <fmt/format.h>

#include <algorithm>

namespace caponier::daemon {

ScriptSide::~ScriptSide() {
  for (const Running& one : running_) {
    if (one.is_listened_to) loop_.forget(one.program.output());
    loop_.forget(one.program.end());
  }
}

void ScriptSide::handle(gateway::RunUpdown run, base::Instant now) {
  gateway::RunUpdown named{run.connection, run.child, {}, {}, {}};
  if (!queue_.add(std::move(run))) {
    tell(base::EventKind::updown_failed, named,
         fmt::format("is not run: {} wait already", scripts_waiting_max));
  }
  start_next(now);
}

void ScriptSide::start_next(base::Instant now) {
  while (auto run = queue_.next()) start(std::move(*run), now);
}

void ScriptSide::start(gateway::RunUpdown run, base::Instant now) {
  run.environment.emplace_back("PLUTO_VERSION", "1.1");
  run.environment.emplace_back("PLUTO_INTERFACE", tun_);
  auto program = io::BackgroundProgram::start(run.command, run.environment);
  if (!program) {
    tell(base::EventKind::updown_failed, run, fmt::format("cannot be run: {}", program.error()));
    return queue_.end(run.queue);
  }
  Running& one =
      running_.emplace_back(Running{std::move(run), std::move(*program), now + time_max, {}});
  loop_.on_readable(one.program.output(), [this, &one] { listen(one); });
  loop_.on_readable(one.program.end(), [this, &one] { handle_end(one); });
}

void ScriptSide::listen(Running& one) {
  const auto text = one.program.read();
  if (text) return hear(one, *text);
  loop_.forget(one.program.output());
  one.is_listened_to = false;
}

void ScriptSide::hear(Running& one, std::string_view text) {
  for (const char c : text) {
    if (c == '\n') {
      say(one, one.line);
      one.line.clear();
    } else if (one.line.size() < line_size_max) {
      one.line += c;
    }
  }
}

void ScriptSide::say(Running& one, std::string_view line) {
  if (line.empty() || ++one.lines > lines_max + 1) return;
  const bool is_too_much = one.lines == lines_max + 1;
  tell(base::EventKind::updown_said, one.run,
       is_too_much ? "says more, which is left out"
                   : fmt::format("says: {}", base::printable(line, line_size_max)));
}

void ScriptSide::handle_end(Running& one) {
  const auto status = one.program.take_status();
  if (!status) return;
  if (one.is_listened_to) {
    // What it has said last; whoever it has left behind is not listened to.
    for (auto text = one.program.read(); text && !text->empty(); text = one.program.read()) {
      hear(one, *text);
      if (one.lines > lines_max) break;
    }
    loop_.forget(one.program.output());
  }
  say(one, one.line);
  loop_.forget(one.program.end());
  if (one.is_late) {
    tell(base::EventKind::updown_failed, one.run,
         fmt::format("was killed: it ran for {} s",
                     std::chrono::duration_cast<std::chrono::seconds>(time_max).count()));
  } else if (*status != 0) {
    tell(base::EventKind::updown_failed, one.run, fmt::format("ended with status {}", *status));
  }
  queue_.end(one.run.queue);
  std::erase_if(running_, [&](const Running& other) { return &other == &one; });
}

void ScriptSide::handle_deadline(base::Instant now) {
  for (Running& one : running_) {
    if (one.until > now || one.is_late) continue;
    one.is_late = true;
    one.program.kill();
  }
  start_next(now);
}

std::optional<base::Instant> ScriptSide::poll_deadline() const {
  std::optional<base::Instant> first;
  for (const Running& one : running_) {
    if (!one.is_late && (!first || one.until < *first)) first = one.until;
  }
  return first;
}

std::optional<base::Event> ScriptSide::poll_event() {
  if (events_.empty()) return std::nullopt;
  std::optional<base::Event> event{std::move(events_.front())};
  events_.pop_front();
  return event;
}

void ScriptSide::tell(base::EventKind kind, const gateway::RunUpdown& run, std::string text) {
  std::string verb;
  for (const auto& [name, value] : run.environment) {
    if (name == "PLUTO_VERB") verb = " " + value;
  }
  events_.push_back({kind,
                     run.connection,
                     fmt::format("{}: updown{} {}", run.child, verb, text),
                     {{"child", run.child}}});
}

}  // namespace caponier::daemon
