#pragma once
// TLS as EAP sees it: octets in, octets out, no sockets. The back end is eap/openssl.

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/secret.h"
#include "pki/signature.h"

namespace caponier::eap {

using base::Bytes;
using base::ByteVec;

enum class TlsRole : std::uint8_t { client, server };
enum class TlsVersion : std::uint8_t { tls12, tls13 };
/// The other end, as its certificate shows it.
struct CertifiedPeer {
  /// DER, the peer's own first.
  std::vector<ByteVec> chain;
  /// What it proves, the most telling first: a user's e-mail or UPN, a server's DNS name.
  std::vector<std::string> names;
  std::vector<std::string> units;     ///< OU of its subject
  std::vector<std::string> policies;  ///< dotted OIDs that hold for the whole path (RFC 5280)
};

enum class TlsState : std::uint8_t { handshaking, established, failed };

class TlsSession {
 public:
  virtual ~TlsSession() = default;
  /// What the peer sent, in pieces of any size. A client's first call has nothing to give: it makes
  /// the ClientHello.
  virtual TlsState handle(Bytes records) = 0;
  /// What is to be sent, alerts included; empty when there is nothing.
  [[nodiscard]] virtual ByteVec take_output() = 0;
  /// What the peer said inside, all of it that has come; may hold passwords.
  [[nodiscard]] virtual base::SecretBytes take_received() = 0;
  /// Says something inside; only when established. False when the back end failed.
  [[nodiscard]] virtual bool send(Bytes data) = 0;

  [[nodiscard]] virtual TlsState state() const = 0;
  [[nodiscard]] virtual TlsVersion version() const = 0;  ///< once established
  /// RFC 5705 and RFC 8446 s7.5; empty when the back end failed or it is too early. No context is
  /// not the same as an empty one in TLS 1.2.
  [[nodiscard]] virtual base::SecretBytes export_key(std::string_view label,
                                                     std::optional<Bytes> context,
                                                     std::size_t size) const = 0;
  /// As CertificateVerifier proved it; empty when the peer has shown no certificate.
  [[nodiscard]] virtual const CertifiedPeer& peer() const = 0;
  /// Why it failed: our own view, or the alert the peer sent.
  [[nodiscard]] virtual std::string failure() const = 0;
};

/// Judges a chain while the handshake waits, so that the peer gets an alert.
class CertificateVerifier {
 public:
  virtual ~CertificateVerifier() = default;
  /// `chain`: DER as the peer sent it, its own first, never empty. What it proves (the chain in it
  /// is the caller's to fill in), or a sentence why it proves nothing. For a server's chain the
  /// implementation also decides whether it is the right server.
  [[nodiscard]] virtual std::expected<CertifiedPeer, std::string> verify(
      std::span<const ByteVec> chain, TlsRole peer) const = 0;
};

/// Our certificate, versions and verifier; makes the sessions of one role.
class TlsContext {
 public:
  virtual ~TlsContext() = default;
  /// `peer_certificate`: a server demands one (a client always does). Null when the back end
  /// failed, or when our own certificate is needed and there is none.
  [[nodiscard]] virtual std::unique_ptr<TlsSession> make_session(bool peer_certificate) const = 0;
};

/// What a context is made of.
struct TlsSettings {
  TlsRole role = TlsRole::server;
  /// Our chain in DER, our own certificate first; empty: none, which only a client may do.
  std::vector<ByteVec> chain;
  /// Its private key, which may be in another process: TLS waits for a signature.
  std::shared_ptr<pki::Signer> signer;
  TlsVersion version_min = TlsVersion::tls12;
  TlsVersion version_max = TlsVersion::tls13;
  /// Judges the peer; must outlive the context and its sessions.
  const CertificateVerifier* verifier = nullptr;
  /// Told to clients as acceptable issuers: names in DER; may be empty.
  std::vector<ByteVec> issuer_names;
};

}  // namespace caponier::eap
