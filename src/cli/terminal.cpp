#include "cli/terminal.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <string_view>
#include <utility>

#include "cli/verbs.h"

namespace caponier::cli {
namespace {

volatile std::sig_atomic_t resized = 0;

constexpr std::string_view enter = "\x1b[?1049h\x1b[?25l\x1b[H\x1b[2J";
constexpr std::string_view leave = "\x1b[?25h\x1b[?1049l";

void handle_resize(bool is_wanted) {
  struct sigaction action{};
  action.sa_handler = is_wanted ? +[](int) { resized = 1; } : SIG_DFL;
  ::sigaction(SIGWINCH, &action, nullptr);
}

}  // namespace

Terminal::Terminal() {
  has_keys_ = ::isatty(STDIN_FILENO) != 0 && ::tcgetattr(STDIN_FILENO, &before_) == 0;
  if (has_keys_) {
    termios keys = before_;
    keys.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
    // Stopping or aborting from here would leave the terminal as it is now.
    keys.c_cc[VSUSP] = keys.c_cc[VQUIT] = _POSIX_VDISABLE;
    ::tcsetattr(STDIN_FILENO, TCSADRAIN, &keys);
  }
  handle_resize(true);
  write(std::string{enter});
}

Terminal::~Terminal() {
  write(std::string{leave});
  handle_resize(false);
  if (has_keys_) ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
}

Window Terminal::window() const {
  winsize size{};
  const bool is_known = ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return is_known ? Window{size.ws_col, size.ws_row} : Window{80, 24};
}

void Terminal::write(const std::string& words) {
  std::string_view rest = words;
  while (!rest.empty()) {
    const ssize_t size = ::write(STDOUT_FILENO, rest.data(), rest.size());
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) {
      is_left_ = true;
      return;
    }
    rest.remove_prefix(static_cast<std::size_t>(size));
  }
}

void Terminal::wait(int milliseconds) {
  pollfd keys{has_keys_ ? STDIN_FILENO : -1, POLLIN, 0};
  if (::poll(&keys, 1, milliseconds) <= 0) return;
  std::array<char, 64> pressed{};
  const ssize_t size = ::read(STDIN_FILENO, pressed.data(), pressed.size());
  if (size < 0 && errno == EINTR) return;
  const std::string_view text{pressed.data(), size > 0 ? static_cast<std::size_t>(size) : 0};
  is_left_ = is_left_ || text.empty() || text.contains('q') || text.contains('Q');
}

bool Terminal::is_left() const { return is_left_ || is_interrupted(); }

bool Terminal::take_resized() { return std::exchange(resized, 0) != 0; }

}  // namespace caponier::cli
