#pragma once
// Two ends as small as they can be and still carry traffic: an IKE endpoint and an ESP engine each,
// wired as the gateway wires them, and a wire from which the explorer takes what it likes.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/rng.h"
#include "base/time.h"
#include "crypto/null/provider.h"
#include "ike/endpoint.h"
#include "ipsec/engine.h"

namespace caponier::sim {

using namespace std::chrono_literals;

/// What a pair is made of; equal setups make equal runs.
struct PairSetup {
  bool pfs = false;             ///< Child SAs are rekeyed with a key exchange of their own
  bool b_is_initiator = false;  ///< of the IKE SA that is there when the commands come
  /// Seeds of A and B: they tell whose nonces and SPIs are the lower ones.
  std::uint64_t dice_a = 1, dice_b = 2;
  /// Who has a second address, and MOBIKE.
  enum class Mobile : std::uint8_t { nobody, a, b } mobile = Mobile::nobody;
  std::uint32_t resources = 0;  ///< that may have Child SAs of their own (RFC 9611)
};

struct OnWire {
  bool to_b = false;
  ike::Transmit transmit;
  /// "a>b CREATE_CHILD_SA request 2"
  [[nodiscard]] std::string describe() const;
};

class ExploredPair;

class ExploredEnd {
 public:
  ExploredEnd(ExploredPair& pair, bool is_a, const PairSetup& setup);

  void command(const ike::Command& command);
  /// The Child SA "net" that came up with the IKE SA.
  [[nodiscard]] policy::ChildSaId first_child() const { return first_child_; }
  [[nodiscard]] bool has_child(std::string_view name) const;
  [[nodiscard]] std::string connection() const { return is_a_ ? "to-b" : "to-a"; }
  [[nodiscard]] std::vector<ike::IkeSaInfo> sas() const { return endpoint_.snapshot(); }
  [[nodiscard]] const base::DropCounters& drops() const { return endpoint_.drops(); }
  [[nodiscard]] std::size_t association_count() const { return engine_.association_count(); }
  [[nodiscard]] const std::vector<std::string>& errors() const { return errors_; }
  std::vector<base::IpAddress> addresses;

 private:
  friend class ExploredPair;
  void configure(const ExploredEnd& other, const PairSetup& setup);
  void drain();
  void perform(ike::Action& action);
  void handle_notices();
  void handle_deadline();
  [[nodiscard]] bool has_address(const base::IpAddress& address) const;
  [[nodiscard]] std::optional<base::Instant> next_deadline() const;

  ExploredPair* pair_;
  bool is_a_;
  crypto::NullProvider crypto_{nullptr};
  base::SeededRng rng_;
  ike::IkeEndpoint endpoint_;
  ipsec::Engine engine_;
  policy::ChildSaId first_child_;
  std::vector<std::string> errors_;
};

class ExploredPair {
 public:
  /// Established, with one Child SA, nothing on the wire.
  explicit ExploredPair(const PairSetup& setup);
  ExploredPair(const ExploredPair&) = delete;
  ExploredPair& operator=(const ExploredPair&) = delete;

  /// Takes it off the wire; it arrives.
  void deliver(std::size_t index);
  void lose(std::size_t index);
  /// Forgets what is under way to an address that has gone for good.
  void drop_unreachable();
  /// To the next deadline; false when there is none until `limit`.
  bool pass_time(base::Instant limit);
  /// Sends a packet of the first child from one end and hands it to the other at once. Empty when
  /// it arrived, otherwise why not.
  [[nodiscard]] std::string probe(bool from_a);
  [[nodiscard]] base::Path path(bool of_a) const;

  base::Instant now{1h};
  std::vector<OnWire> wire;
  ExploredEnd a;
  ExploredEnd b;
  bool verbose = false;

 private:
  friend class ExploredEnd;
  [[nodiscard]] ExploredEnd& end(bool is_a) { return is_a ? a : b; }
  void put(bool from_a, ike::Transmit transmit);
  void establish(bool by_b);

  std::uint16_t next_probe_ = 1;
};

}  // namespace caponier::sim
