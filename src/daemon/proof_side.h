#pragma once
// What peers prove themselves with, judged: the desk that does it, what it fetches by HTTP, and the
// CRLs on disk.

#include <memory>
#include <optional>
#include <span>
#include <string>

#include "gateway/expiry_watch.h"
#include "gateway/proof_desk.h"
#include "io/http/http_driver.h"
#include "io/http/kept_crls.h"
#include "io/loop/loop.h"

namespace caponier::daemon {

class ProofSide {
 public:
  struct Options {
    std::string state_dir;
    std::uint32_t own_mark = 0;  ///< of our outer packets
  };

  /// `pki` and `loop` must outlive the object.
  [[nodiscard]] static io::Io<std::unique_ptr<ProofSide>> open(const Options& options,
                                                               const pki::PkiProvider& pki,
                                                               io::Loop& loop);
  ProofSide(const ProofSide&) = delete;
  ProofSide& operator=(const ProofSide&) = delete;

  void apply(std::shared_ptr<const config::Config> config, base::Instant now);
  /// For which gateway::ProofDesk::judges().
  void handle(ike::AuthRequest request, base::Instant now);
  /// See gateway::ProofDesk: what the keyholder is asked for, and what it has answered.
  void note(const ike::AuthRequest& request, base::Instant now);
  void complete(ike::AuthReply reply, base::Instant now);
  void want(std::span<const pki::Fetch> fetches) { desk_.want(fetches); }
  void handle_deadline(base::Instant now);

  [[nodiscard]] std::optional<base::Instant> poll_deadline() const;
  [[nodiscard]] std::optional<ike::AuthReply> poll_reply() { return desk_.poll_reply(); }
  [[nodiscard]] std::optional<base::Event> poll_event();
  [[nodiscard]] const gateway::ExpiryWatch& expiries() const { return expiries_; }
  /// What else has gone wrong, a sentence.
  [[nodiscard]] std::optional<std::string> take_fault() { return std::exchange(fault_, {}); }

 private:
  ProofSide(const Options& options, const pki::PkiProvider& pki,
            std::unique_ptr<io::HttpDriver> http);
  void carry(base::Instant now);

  gateway::ProofDesk desk_;
  gateway::ExpiryWatch expiries_;
  std::unique_ptr<io::HttpDriver> http_;
  io::KeptCrls kept_;
  bool is_restored_ = false;
  std::optional<std::string> fault_;
};

}  // namespace caponier::daemon
