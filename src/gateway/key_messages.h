#pragma once
// What the process that has the keys and the one that speaks with peers tell each other: pre-shared
// and private keys stay in the first. One message is one datagram; both ends judge what they read,
// for either may have been taken over.

#include <expected>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "config/config.h"
#include "ike/actions.h"

namespace caponier::gateway {

/// More than the octets that are signed (an IKE message, a nonce and a MAC) or a chain need.
inline constexpr std::size_t key_message_size_max = std::size_t{128} * 1024;
inline constexpr std::size_t key_text_size_max = 4096;  ///< longer ones are cut
inline constexpr std::size_t fingerprint_salt_size = 32;

/// Read the configuration anew, and tell what can be told of its keys. They count from CommitKeys
/// on. `renews`: only the files that it names are read anew; its own text is that of the last
/// CommitKeys, whatever the file says by now.
struct LoadKeys {
  std::uint64_t ticket = 0;
  base::ByteVec fingerprint_salt;
  bool renews = false;
};
struct CommitKeys {
  std::uint64_t ticket = 0;
};
/// A signature for TLS inside of EAP, which waits for it.
struct SignRequest {
  std::uint64_t ticket = 0;
  std::string name;    ///< as HeldPeer's
  base::ByteVec spki;  ///< of the key that the certificate shown is of
  pki::SignatureScheme scheme{};
  base::ByteVec octets;
};
/// Where clients load what a file would say (VICI): one thing of theirs, for who keeps it there.
/// The answer is LoadAnswer.
struct LoadOrder {
  std::uint64_t ticket = 0;
  std::string name;          ///< "load-key"
  base::ByteVec message;     ///< as it came, without the secret
  base::SecretBytes secret;  ///< empty: there is none in it
};
/// Of an AuthRequest goes over what Keyholder looks at: neither the peer's identity and
/// certificates nor its wishes.
using KeyCommand = std::variant<LoadKeys, CommitKeys, ike::AuthRequest, SignRequest, LoadOrder>;

/// The public part of a credential.
struct HeldCredential {
  std::string name;
  base::ByteVec spki;
  std::vector<base::ByteVec> chain;  ///< DER
  std::vector<pki::KeyHash> authorities;
  friend bool operator==(const HeldCredential&, const HeldCredential&) = default;
};
/// The answer to LoadKeys: one for each connection that has keys, and for each of its rounds that
/// has keys of its own (config::held_name); or LoadFault; then LoadDone.
struct HeldPeer {
  std::uint64_t ticket = 0;
  std::string name;
  base::ByteVec psk_fingerprint;  ///< HMAC of the key under the salt; empty: it has none
  std::optional<HeldCredential> credential;
};
struct LoadFault {
  std::uint64_t ticket = 0;
  config::ConfigError error;
};
struct LoadDone {
  std::uint64_t ticket = 0;
};
struct SignReply {
  std::uint64_t ticket = 0;
  std::expected<base::ByteVec, pki::SignError> signature;
};
struct LoadAnswer {
  std::uint64_t ticket = 0;
  std::expected<base::ByteVec, std::string> answer;  ///< a message, or why it was refused
};
using KeyNews = std::variant<HeldPeer, LoadFault, LoadDone, ike::AuthReply, SignReply, LoadAnswer>;

/// Empty when it is larger than key_message_size_max. What is made of a secret is the caller's to
/// wipe, and there is no other copy of it.
[[nodiscard]] std::optional<base::ByteVec> encode(const KeyCommand& command);
[[nodiscard]] std::optional<base::ByteVec> encode(const KeyNews& news);
[[nodiscard]] base::Wire<KeyCommand> decode_key_command(base::Bytes message);
[[nodiscard]] base::Wire<KeyNews> decode_key_news(base::Bytes message);

}  // namespace caponier::gateway
