#include "daemon/key_side.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>

#include "base/error.h"
#include "io/os/clock.h"
#include "io/os/rng.h"

namespace caponier::daemon {

namespace {

constexpr base::Duration first_patience = std::chrono::seconds{1};
/// A process that has lived so long is started again at once.
constexpr base::Duration healthy_after = std::chrono::seconds{60};

/// Not /proc/self/exe itself, where that can be helped: tools that run programs in their own
/// process answer readlink() alone.
std::string own_program() {
  std::array<char, PATH_MAX> path{};
  const ssize_t size = ::readlink("/proc/self/exe", path.data(), path.size());
  const std::string name{path.data(), size > 0 ? static_cast<std::size_t>(size) : 0};
  return name.empty() || ::access(name.c_str(), X_OK) != 0 ? "/proc/self/exe" : name;
}

io::IoError spawn_error(const char* what, int error) {
  return {io::IoFault::other,
          fmt::format("the process for the keys cannot be started: {}: {}", what,
                      io::errno_text(error)),
          "see that the program may start another (limits on processes and memory)"};
}

}  // namespace

KeySide::KeySide(std::string config_path, const pki::PkiProvider& pki, base::Bytes salt,
                 bool keeps_stderr)
    : config_path_(std::move(config_path)),
      keeps_stderr_(keeps_stderr),
      client_(pki, salt,
              [this](gateway::SignRequest request) { return sign_now(std::move(request)); }) {}

io::Io<std::unique_ptr<KeySide>> KeySide::start(std::string config_path,
                                                const pki::PkiProvider& pki, bool keeps_stderr) {
  io::OsRng rng;
  base::ByteVec salt(gateway::fingerprint_salt_size);
  rng.fill_secret(salt);
  std::unique_ptr<KeySide> side{new KeySide{std::move(config_path), pki, salt, keeps_stderr}};
  TRY_VOID(side->spawn());
  return side;
}

KeySide::~KeySide() {
  detach();
  end_process();
}

io::Io<void> KeySide::spawn() {
  std::array<int, 2> ends{-1, -1};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return std::unexpected{spawn_error("socketpair", errno)};
  }
  io::Fd ours{ends[0]};
  io::Fd theirs{ends[1]};
  const int size = 2 * static_cast<int>(gateway::key_message_size_max);
  for (const int end : ends) ::setsockopt(end, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
  // dup2() takes CLOEXEC away, but not from a number to itself.
  constexpr int child_fd = 3;
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  if (theirs.get() == child_fd) {
    const io::Fd taken = std::move(theirs);
    theirs = io::Fd{::dup(taken.get())};
  }
  ::posix_spawn_file_actions_adddup2(&actions, theirs.get(), child_fd);
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (fd == STDERR_FILENO && keeps_stderr_) continue;
    ::posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_RDWR, 0);
  }
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  sigset_t none;
  ::sigemptyset(&none);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  // A terminal's interrupt is for the daemon.
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSID);
  std::array<std::string, 5> words{"caponierd", "--hold-keys", std::to_string(child_fd), "--config",
                                   config_path_};
  std::array<char*, 6> arguments{};
  std::ranges::transform(words, arguments.begin(), [](std::string& word) { return word.data(); });
  const int error = ::posix_spawn(&process_, own_program().c_str(), &actions, &attributes,
                                  arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  ::posix_spawnattr_destroy(&attributes);
  if (error != 0) {
    process_ = -1;
    return std::unexpected{spawn_error("posix_spawn", error)};
  }
  socket_ = std::move(ours);
  ++generation_;
  started_ = io::monotonic_now();
  if (loop_ != nullptr) loop_->on_readable(socket_.get(), [this] { receive(); });
  return {};
}

void KeySide::attach(io::Loop& loop) {
  loop_ = &loop;
  if (socket_.is_open()) loop.on_readable(socket_.get(), [this] { receive(); });
}

void KeySide::detach() {
  if (loop_ != nullptr && socket_.is_open()) loop_->forget(socket_.get());
  loop_ = nullptr;
}

void KeySide::end_process() {
  socket_.reset();
  if (process_ < 0) return;
  ::kill(process_, SIGKILL);
  while (::waitpid(process_, nullptr, 0) < 0 && errno == EINTR) {
  }
  process_ = -1;
}

/// What the socket has no room for waits: it holds more than a few answers only while more are to
/// come, and each makes room.
void KeySide::flush() {
  while (socket_.is_open()) {
    if (!unsent_) unsent_ = client_.poll_message();
    if (!unsent_) return;
    const ssize_t size =
        ::send(socket_.get(), unsent_->data(), unsent_->size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && errno == EAGAIN) {
      if (loop_ != nullptr) loop_->on_writable_once(socket_.get(), [this] { flush(); });
      return;
    }
    if (size < 0) return lose();
    forget_unsent();
  }
}

/// There may be a secret in it.
void KeySide::forget_unsent() {
  if (unsent_) base::wipe(*unsent_);
  unsent_.reset();
}

void KeySide::receive() {
  base::ByteVec buffer(gateway::key_message_size_max + 1);
  while (socket_.is_open()) {
    const ssize_t size = ::recv(socket_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && errno == EAGAIN) break;
    const auto message =
        base::Bytes{buffer}.first(static_cast<std::size_t>(std::max(size, ssize_t{0})));
    if (size <= 0 || !client_.handle_message(message)) return lose();
  }
  if (is_reloading_) take_reloaded();
}

void KeySide::take_reloaded() {
  const auto loaded = client_.take_loaded();
  if (!loaded) return;
  is_reloading_ = false;
  if (*loaded) return commit();
  const config::ConfigError& first = loaded->error().front();
  fault_ = fmt::format("the process that has our keys cannot read them: {}; correct it and reload",
                       first.to_string());
}

void KeySide::lose() {
  if (loop_ != nullptr && socket_.is_open()) loop_->forget(socket_.get());
  end_process();
  forget_unsent();
  is_reloading_ = false;
  client_.handle_lost();
  const base::Instant now = io::monotonic_now();
  const bool was_healthy = now - started_ >= healthy_after;
  patience_ = was_healthy || patience_ == base::Duration{0}
                  ? first_patience
                  : std::min(2 * patience_, base::Duration{restart_patience_max});
  restart_at_ = was_healthy ? now : now + patience_;
  fault_ =
      "the process that has our keys has ended; it is started again, and until then nobody can "
      "be authenticated";
}

void KeySide::handle(const ike::AuthRequest& request) {
  client_.handle(request);
  flush();
}

void KeySide::commit() {
  client_.commit();
  flush();
}

void KeySide::handle_deadline(base::Instant now) {
  if (!restart_at_ || now < *restart_at_) return;
  restart_at_.reset();
  const auto spawned = spawn();
  if (!spawned) {
    patience_ =
        std::max(first_patience, std::min(2 * patience_, base::Duration{restart_patience_max}));
    restart_at_ = now + patience_;
    fault_ = spawned.error().message;
    return;
  }
  is_reloading_ = true;
  client_.load();
  flush();
}

bool KeySide::wait(base::Instant until) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - io::monotonic_now());
  if (left.count() <= 0) return false;
  pollfd ready{socket_.get(), static_cast<short>(POLLIN | (unsent_ ? POLLOUT : 0)), 0};
  if (::poll(&ready, 1, static_cast<int>(left.count())) <= 0) return true;
  if ((ready.revents & POLLOUT) != 0) flush();
  if ((ready.revents & ~POLLOUT) != 0) receive();
  return true;
}

/// TLS cannot be answered later, and meanwhile nobody else is served: a key in a file takes a
/// millisecond, a token has the patience once.
std::expected<base::ByteVec, pki::SignError> KeySide::sign_now(gateway::SignRequest request) {
  const base::Instant now = io::monotonic_now();
  const bool is_paused = signs_again_at_ && now < *signs_again_at_;
  if (is_paused || !client_.ask_signature(std::move(request))) {
    return std::unexpected{pki::SignError::key_unusable};
  }
  flush();
  const base::Instant until = now + sign_patience;
  while (socket_.is_open()) {
    if (auto reply = client_.take_signature()) return std::move(reply->signature);
    if (wait(until)) continue;
    signs_again_at_ = io::monotonic_now() + sign_pause;
    fault_ =
        "the process that has our keys takes too long to sign for EAP-TLS; for 30 s such users "
        "are refused, so that nobody else waits: see what slows it, such as a token";
    break;
  }
  return std::unexpected{pki::SignError::key_unusable};
}

std::expected<base::ByteVec, std::string> KeySide::order(std::string_view name, base::Bytes message,
                                                         base::SecretBytes secret) {
  constexpr std::string_view ended =
      "the process that has our keys has ended, or gives no answer; load it again";
  const base::Instant until = io::monotonic_now() + order_patience;
  if (!socket_.is_open()) handle_deadline(restart_at_.value_or(until));
  if (!client_.order(name, message, std::move(secret))) {
    return std::unexpected{std::string{"it is larger than what is taken here (128 KiB)"}};
  }
  flush();
  while (socket_.is_open()) {
    if (auto answer = client_.take_answer()) return std::move(answer->answer);
    if (!wait(until)) lose();
  }
  return std::unexpected{std::string{ended}};
}

gateway::KeyClient::Loaded KeySide::load(bool renews) {
  const base::Instant until = io::monotonic_now() + load_patience;
  if (!socket_.is_open()) handle_deadline(restart_at_.value_or(until));
  is_reloading_ = false;
  client_.load(renews);
  flush();
  while (socket_.is_open()) {
    if (auto loaded = client_.take_loaded()) return *std::move(loaded);
    if (!wait(until)) lose();
  }
  if (auto loaded = client_.take_loaded()) return *std::move(loaded);
  return std::unexpected{std::vector{
      config::ConfigError{{config_path_, 0, 0},
                          "the process that reads the keys has ended, or gives no answer",
                          "see that the files and tokens with keys can be read, then try again"}}};
}

}  // namespace caponier::daemon
