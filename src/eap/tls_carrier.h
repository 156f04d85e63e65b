#pragma once
// TLS in EAP packets (RFC 5216 s2.1.5, s3.1): flags, fragments and their acknowledgements, the same
// for EAP-TLS, TTLS and PEAP. Private to this module.

#include <algorithm>
#include <expected>
#include <memory>
#include <optional>
#include <utility>

#include "eap/method.h"

namespace caponier::eap {

/// One TLS message of either side, all its fragments together.
inline constexpr std::size_t tls_message_size_max = 64UL * 1024;

class TlsCarrier {
 public:
  TlsCarrier(std::unique_ptr<TlsSession> session, std::size_t fragment_size)
      : session_(std::move(session)), fragment_size_(std::max(fragment_size, fragment_size_min)) {}

  [[nodiscard]] TlsSession& session() { return *session_; }
  [[nodiscard]] const TlsSession& session() const { return *session_; }

  /// The server's first request, and the client's reading of one.
  [[nodiscard]] static ByteVec start();
  [[nodiscard]] static bool is_start(Bytes data);

  /// The peer's packet. What comes back is to be said at once: an acknowledgement, or our next
  /// fragment. Nothing: a whole message is there for take_message().
  [[nodiscard]] std::expected<std::optional<ByteVec>, Failed> take(Bytes data);
  /// The message that has just become whole; empty when the peer had nothing to say.
  [[nodiscard]] ByteVec take_message() { return std::exchange(incoming_, {}); }
  /// What the session wants to send, or its first fragment; empty of content when there is nothing.
  [[nodiscard]] std::expected<ByteVec, Failed> say();

 private:
  [[nodiscard]] std::expected<std::optional<ByteVec>, Failed> collect(Bytes fragment,
                                                                      bool has_more);
  [[nodiscard]] ByteVec next_fragment();

  std::unique_ptr<TlsSession> session_;
  std::size_t fragment_size_;
  ByteVec incoming_;
  std::optional<std::size_t> announced_;  ///< of the message that is being collected
  bool is_collecting_ = false;
  ByteVec outgoing_;
  std::size_t sent_ = 0;  ///< of outgoing_; equal: no fragments wait
};

/// The MSK of a TLS method (RFC 5216 s2.3, RFC 9190 s2.3, RFC 5281 s8, RFC 9427 s2.1); empty when
/// the back end failed.
[[nodiscard]] base::SecretBytes tls_msk(const TlsSession& session, Type type);

/// Runs the handshake of one side and tells when it is over.
class TlsHandshake {
 public:
  TlsHandshake(std::unique_ptr<TlsSession> session, std::size_t fragment_size)
      : carrier_(std::move(session), fragment_size) {}

  [[nodiscard]] TlsCarrier& carrier() { return carrier_; }
  [[nodiscard]] TlsSession& session() { return carrier_.session(); }

  /// Takes the peer's packet as far as the method need not care: fragments, the handshake, and a
  /// failure, whose alert is delivered before it is reported. Nothing: the session is established,
  /// and `message_was_empty()` and the session's received data are the method's business.
  [[nodiscard]] std::optional<ClientStep> advance(Bytes data);
  [[nodiscard]] bool message_was_empty() const { return message_was_empty_; }
  /// Says what the session has to send.
  [[nodiscard]] ClientStep say();
  /// The client's first flight.
  [[nodiscard]] ClientStep begin_client();

 private:
  [[nodiscard]] ClientStep give_up();

  TlsCarrier carrier_;
  bool message_was_empty_ = false;
  std::optional<Failed> dying_;  ///< our alert is on its way
};

/// A server's alert is a request like any other; that it has failed is said after the answer.
[[nodiscard]] ServerStep to_server_step(ClientStep step);
/// A client acknowledges even the alert that ends it (RFC 5216 s2.1.3), or the server would wait.
[[nodiscard]] ClientStep to_client_step(ClientStep step);

}  // namespace caponier::eap
