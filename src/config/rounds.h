#pragma once
// Several rounds of authentication (RFC 4739), as they are configured and as they count.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/secret.h"
#include "pki/certificate.h"
#include "pki/signature.h"
#include "policy/identity.h"
#include "policy/identity_pattern.h"

namespace caponier::config {

enum class Auth : std::uint8_t;
struct PeerConfig;

inline constexpr std::size_t auth_rounds_max = 4;

/// One round of ours.
struct LocalRound {
  Auth auth{};
  std::optional<policy::Identity> id;
  std::shared_ptr<const base::SecretBytes> psk;  ///< null when another process has it
  base::ByteVec psk_fingerprint;                 ///< then: the same for the same key
  std::shared_ptr<const pki::Credential> credential;
  std::string user;  ///< EAP
  std::shared_ptr<const base::SecretBytes> password;
};

/// One round of the peer.
struct RemoteRound {
  Auth auth{};
  std::optional<policy::IdentityPattern> id;
  std::shared_ptr<const base::SecretBytes> psk;
  base::ByteVec psk_fingerprint;
  std::vector<std::string> authorities;
  std::optional<pki::PublicKey> peer_key;
};

/// As it counts: what the round leaves out is the peer's own. Without rounds there is one, of what
/// the peer has. Empty: there is no such round.
[[nodiscard]] std::optional<LocalRound> local_round(const PeerConfig& peer, std::size_t index);
[[nodiscard]] std::optional<RemoteRound> remote_round(const PeerConfig& peer, std::size_t index);
[[nodiscard]] std::size_t local_rounds(const PeerConfig& peer);
[[nodiscard]] std::size_t remote_rounds(const PeerConfig& peer);

/// What HeldKeys calls the keys of a round that has keys of its own.
[[nodiscard]] std::string held_name(const PeerConfig& peer, bool is_local, std::size_t index);

}  // namespace caponier::config
