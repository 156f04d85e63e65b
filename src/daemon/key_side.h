#pragma once
// The process that has the keys, as the daemon sees it: started, asked, and started again when it
// has ended.

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>

#include "base/time.h"
#include "gateway/key_client.h"
#include "io/loop/loop.h"
#include "io/os/fd.h"
#include "io/os/io_error.h"

namespace caponier::daemon {

class KeySide {
 public:
  /// For a load that somebody waits for: tokens may be slow.
  static constexpr base::Duration load_patience = std::chrono::seconds{60};
  /// For a signature, while everything waits; and how long nobody waits for another after one that
  /// did not come.
  static constexpr base::Duration sign_patience = std::chrono::milliseconds{500};
  static constexpr base::Duration sign_pause = std::chrono::seconds{30};
  /// For one thing that a client has loaded: the other process reads it at once.
  static constexpr base::Duration order_patience = std::chrono::seconds{10};
  static constexpr base::Duration restart_patience_max = std::chrono::seconds{60};

  /// `pki` must outlive the object. `keeps_stderr`: for the words of tokens' modules; whoever goes
  /// to the background holds on to nobody's.
  [[nodiscard]] static io::Io<std::unique_ptr<KeySide>> start(std::string config_path,
                                                              const pki::PkiProvider& pki,
                                                              bool keeps_stderr);
  KeySide(const KeySide&) = delete;
  KeySide& operator=(const KeySide&) = delete;
  /// Ends the process.
  ~KeySide();

  /// Waits for what the configuration holds now; see KeyClient::load().
  [[nodiscard]] gateway::KeyClient::Loaded load(bool renews = false);
  void commit();
  /// One thing that a client has loaded, for that process alone; its answer, or why not.
  [[nodiscard]] std::expected<base::ByteVec, std::string> order(std::string_view name,
                                                                base::Bytes message,
                                                                base::SecretBytes secret);
  /// Another number is another process, which knows nothing of what was ordered.
  [[nodiscard]] std::uint64_t generation() const { return generation_; }

  /// From here on `loop`, which must outlive the object or detach(), tells what arrives.
  void attach(io::Loop& loop);
  void detach();
  void handle(const ike::AuthRequest& request);
  [[nodiscard]] std::optional<ike::AuthReply> poll_reply() { return client_.poll_reply(); }
  void handle_deadline(base::Instant now);
  [[nodiscard]] std::optional<base::Instant> poll_deadline() const { return restart_at_; }
  /// What has gone wrong, a sentence.
  [[nodiscard]] std::optional<std::string> take_fault() { return std::exchange(fault_, {}); }
  [[nodiscard]] pid_t process() const { return process_; }

 private:
  KeySide(std::string config_path, const pki::PkiProvider& pki, base::Bytes salt,
          bool keeps_stderr);
  [[nodiscard]] io::Io<void> spawn();
  [[nodiscard]] std::expected<base::ByteVec, pki::SignError> sign_now(gateway::SignRequest request);
  /// Until something has come, or may be sent, or `until`. False: it is too late.
  [[nodiscard]] bool wait(base::Instant until);
  void flush();
  void receive();
  void take_reloaded();
  void lose();
  void end_process();
  void forget_unsent();

  std::string config_path_;
  bool keeps_stderr_;
  gateway::KeyClient client_;
  io::Fd socket_;
  pid_t process_ = -1;
  std::uint64_t generation_ = 0;
  io::Loop* loop_ = nullptr;
  std::optional<base::ByteVec> unsent_;
  bool is_reloading_ = false;  ///< after a restart, for nobody who waits
  base::Duration patience_{0};
  base::Instant started_;
  std::optional<base::Instant> restart_at_;
  std::optional<base::Instant> signs_again_at_;
  std::optional<std::string> fault_;
};

}  // namespace caponier::daemon
