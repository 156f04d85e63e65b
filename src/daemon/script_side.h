#pragma once
// The scripts that are told of tunnels: started, listened to, and ended when they take too long.

#include <deque>
#include <list>
#include <memory>
#include <optional>
#include <string>

#include "base/event.h"
#include "base/time.h"
#include "daemon/script_queue.h"
#include "io/loop/loop.h"
#include "io/os/background_program.h"

namespace caponier::daemon {

class ScriptSide {
 public:
  /// One that runs longer is killed.
  static constexpr base::Duration time_max = std::chrono::seconds{30};
  /// What one may have to say.
  static constexpr std::size_t lines_max = 32;
  static constexpr std::size_t line_size_max = 512;

  /// `tun`: the interface on which the tunnels' packets are in clear. `loop` must outlive the
  /// object.
  ScriptSide(std::string tun, io::Loop& loop) : tun_(std::move(tun)), loop_(loop) {}
  ScriptSide(const ScriptSide&) = delete;
  ScriptSide& operator=(const ScriptSide&) = delete;
  /// What runs goes on without us.
  ~ScriptSide();

  void handle(gateway::RunUpdown run, base::Instant now);
  void handle_deadline(base::Instant now);
  [[nodiscard]] std::optional<base::Instant> poll_deadline() const;
  [[nodiscard]] std::optional<base::Event> poll_event();
  [[nodiscard]] bool is_idle() const { return queue_.is_idle(); }

 private:
  struct Running {
    gateway::RunUpdown run;
    io::BackgroundProgram program;
    base::Instant until;
    std::string line;  ///< the beginning of one
    std::size_t lines = 0;
    bool is_listened_to = true;
    bool is_late = false;
  };

  void start_next(base::Instant now);
  void start(gateway::RunUpdown run, base::Instant now);
  void listen(Running& one);
  void hear(Running& one, std::string_view text);
  void say(Running& one, std::string_view line);
  void handle_end(Running& one);
  void tell(base::EventKind kind, const gateway::RunUpdown& run, std::string text);

  std::string tun_;
  io::Loop& loop_;
  ScriptQueue queue_;
  std::list<Running> running_;
  std::deque<base::Event> events_;
};

}  // namespace caponier::daemon
