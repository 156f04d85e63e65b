#pragma once
// A configured tunnel as its peer sees it: what every language says in its own words.

#include <string>
#include <vector>

#include "dialect/dialect.h"
#include "dialect/targets.h"

namespace caponier::dialect {

struct Child {
  const config::ChildConfig* config = nullptr;
  std::string name;
  policy::ChildSuite suite;
  std::vector<base::Prefix> theirs;  ///< behind the peer
  std::vector<base::Prefix> ours;
  long long lifetime_seconds = 0;
  bool is_ah = false;
};

/// What only the peer's administrator knows.
struct Blank {
  std::string word;
  std::string meaning;
};

struct Tunnel {
  const config::PeerConfig* peer = nullptr;
  const TargetRow* row = nullptr;
  const Situation* situation = nullptr;
  std::string name;
  policy::IkeSuite ike;
  std::vector<Child> children;
  policy::Identity our_id;
  std::string our_name_text;                 ///< of a distinguished name as it is configured
  std::optional<policy::Identity> their_id;  ///< empty: its address, or any
  std::string their_name_text;
  long long ike_lifetime_seconds = 0;
  long long dpd_seconds = 0;
  std::string secret;           ///< the word that stands for it, unless it is asked for
  std::vector<Blank> blanks{};  ///< in the order in which they are met

  /// A word to be replaced.
  std::string blank(std::string word, std::string meaning);
  [[nodiscard]] bool uses_secret() const;
  [[nodiscard]] bool is_aead() const { return ike.cipher.integ == crypto::IntegId::none; }
  /// The peer's address where it is configured, else a blank.
  std::string their_address();
};

template <class T>
using Result = std::expected<T, Refusal>;
[[nodiscard]] inline std::unexpected<Refusal> refuse(std::string key, std::string message,
                                                     std::string fix) {
  return std::unexpected{Refusal{std::move(key), std::move(message), std::move(fix)}};
}

/// Refuses what the product cannot do.
[[nodiscard]] Result<Tunnel> make_tunnel(const config::PeerConfig& peer, const TargetRow& row,
                                         const Situation& situation);

/// Where all Child SAs of a tunnel have the same algorithms.
[[nodiscard]] Result<void> check_alike(const Tunnel& tunnel);
/// Those behind us, each once.
[[nodiscard]] std::vector<base::Prefix> our_networks(const Tunnel& tunnel);

/// 255.255.0.0, and 0.0.255.255 for access lists.
[[nodiscard]] std::string mask_of(const base::Prefix& prefix);
[[nodiscard]] std::string wildcard_of(const base::Prefix& prefix);
[[nodiscard]] bool is_everything(const base::Prefix& prefix);
/// "30 seconds" as whole seconds, between two limits.
[[nodiscard]] long long clamped(long long seconds, long long min, long long max);
/// Letters, digits and '-', at most so many.
[[nodiscard]] std::string plain_name(std::string_view name, std::size_t size_max);

// One function a product, of what make_tunnel() has let through.
[[nodiscard]] Result<std::string> swanctl(Tunnel& tunnel);
[[nodiscard]] Result<std::string> libreswan(Tunnel& tunnel);
[[nodiscard]] Result<std::string> iosxe(Tunnel& tunnel);
[[nodiscard]] Result<std::string> asa(Tunnel& tunnel);
[[nodiscard]] Result<std::string> junos(Tunnel& tunnel);
[[nodiscard]] Result<std::string> fortios(Tunnel& tunnel);
[[nodiscard]] Result<std::string> panos(Tunnel& tunnel);
[[nodiscard]] Result<std::string> routeros(Tunnel& tunnel);
[[nodiscard]] Result<std::string> aws(Tunnel& tunnel);
[[nodiscard]] Result<std::string> azure(Tunnel& tunnel);
[[nodiscard]] Result<std::string> gcp(Tunnel& tunnel);

}  // namespace caponier::dialect
