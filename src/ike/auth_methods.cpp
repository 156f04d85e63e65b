#include "ike/auth_methods.h"

#include <algorithm>

#include <fmt/format.h>

#include "ike/key_slips.h"
#include "ike/keys.h"
#include "ike/messages.h"

namespace caponier::ike {

using wire::AuthMethod;

namespace {
/// s3.2.1: length and method. Longer ones name a CERTREQ before the method.
constexpr std::size_t short_size = 2;
constexpr std::uint8_t x509_signature = 4;  ///< RFC 7296 s3.6
constexpr std::uint8_t ocsp_content = 14;   ///< RFC 4806 s3.1
constexpr std::size_t authority_size = 20;
}  // namespace

AuthMethod method_of(AuthKind kind) {
  switch (kind) {
    case AuthKind::shared_key: return AuthMethod::shared_key_mic;
    case AuthKind::null: return AuthMethod::null;
    case AuthKind::signature: return AuthMethod::digital_signature;
    case AuthKind::eap: break;
  }
  return AuthMethod::shared_key_mic;
}

std::optional<AuthKind> kind_of(AuthMethod method) {
  switch (method) {
    case AuthMethod::shared_key_mic: return AuthKind::shared_key;
    case AuthMethod::null: return AuthKind::null;
    case AuthMethod::rsa_signature:
    case AuthMethod::ecdsa_p256:
    case AuthMethod::ecdsa_p384:
    case AuthMethod::ecdsa_p521:
    case AuthMethod::digital_signature: return AuthKind::signature;
    case AuthMethod::dss_signature: break;
  }
  return std::nullopt;
}

bool accepts(const PeerRound& round, AuthKind kind) {
  return std::ranges::find(round.kinds, kind) != round.kinds.end();
}

bool accepts(const ConnectionConfig& connection, AuthKind kind) {
  return std::ranges::any_of(connection.peer_rounds,
                             [kind](const PeerRound& round) { return accepts(round, kind); });
}

bool has_several_rounds(const ConnectionConfig& connection) {
  return connection.own_rounds.size() > 1 || connection.peer_rounds.size() > 1;
}

std::vector<AuthMethod> accepted_methods(const ConnectionConfig& connection) {
  std::vector<AuthMethod> methods;
  for (const PeerRound& round : connection.peer_rounds) {
    for (const AuthKind kind : round.kinds) {
      if (kind == AuthKind::eap) continue;
      const AuthMethod method = method_of(kind);
      if (std::ranges::find(methods, method) == methods.end()) methods.push_back(method);
    }
  }
  return methods;
}

wire::NotifyPayload make_signature_hashes() {
  constexpr std::uint16_t offered[] = {2, 3, 4, 5};
  base::ByteVec data(sizeof offered);
  for (std::size_t i = 0; i < std::size(offered); ++i) {
    base::store_be(data.data() + 2 * i, offered[i]);
  }
  return make_notify(wire::NotifyType::signature_hash_algorithms, std::move(data));
}

SignatureHashes find_signature_hashes(const std::vector<wire::Payload>& payloads) {
  const auto* const notify =
      wire::find_notify(payloads, wire::NotifyType::signature_hash_algorithms);
  if (notify == nullptr || notify->data.size() % 2 != 0) return 0;
  SignatureHashes hashes = 0;
  for (std::size_t at = 0; at < notify->data.size(); at += 2) {
    const auto number = base::load_be<std::uint16_t>(notify->data.data() + at);
    if (number < 16) hashes = static_cast<SignatureHashes>(hashes | 1U << number);
  }
  return hashes;
}

wire::CertReqPayload make_ocsp_request() { return {ocsp_content, {}}; }

wire::CertReqPayload make_certificate_request(const ConnectionConfig& connection) {
  const std::size_t size =
      std::min(connection.authorities.size(), authorities_asked_max * authority_size);
  return {x509_signature, base::to_vec(base::Bytes{connection.authorities}.first(size))};
}

std::vector<wire::CertReqPayload> find_certificate_wishes(
    const std::vector<wire::Payload>& payloads) {
  std::vector<wire::CertReqPayload> wishes;
  for (const wire::Payload& payload : payloads) {
    const auto* const wish = std::get_if<wire::CertReqPayload>(&payload);
    if (wish != nullptr && wishes.size() < IkeLimits{}.certificates_max) wishes.push_back(*wish);
  }
  return wishes;
}

AuthReply answer_by_shared_key(const AuthRequest& request, const crypto::CryptoProvider& crypto,
                               base::Bytes key) {
  AuthReply reply;
  reply.sa = request.sa;
  reply.request = request.request;
  reply.why = "the PRF failed";
  const auto prf = crypto.make_prf(request.prf);
  if (!prf) return reply;
  const base::SecretBytes auth = shared_key_auth(**prf, key, request.signed_octets);
  if (auth.empty()) return reply;
  reply.why.clear();
  if (!request.proof) {
    reply.outcome = AuthOutcome::made;
    reply.method = AuthMethod::shared_key_mic;
    reply.auth = base::to_vec(auth.reveal());
    return reply;
  }
  const bool is_right = base::equal_constant_time(auth.reveal(), request.proof->auth);
  reply.outcome = is_right ? AuthOutcome::right : AuthOutcome::wrong;
  if (is_right) return reply;
  reply.why = "the secrets differ";
  if (const KeySlip* const slip = find_key_slip(request, crypto, key)) {
    reply.fault = slip->word;
    reply.why = fmt::format("the peer's key is ours, but {}", slip->sentence);
  }
  return reply;
}

std::string_view describe(AuthKind kind) {
  switch (kind) {
    case AuthKind::shared_key: return "a pre-shared key";
    case AuthKind::null: return "no authentication (NULL)";
    case AuthKind::signature: return "a certificate or raw public key";
    case AuthKind::eap: return "EAP";
  }
  return "unknown";
}

std::string describe(const std::vector<AuthKind>& kinds) {
  std::string text;
  for (const AuthKind kind : kinds) {
    if (!text.empty()) text += " or ";
    text += describe(kind);
  }
  return text;
}

wire::NotifyPayload make_auth_methods(const std::vector<AuthMethod>& methods) {
  base::ByteVec data;
  for (const AuthMethod method : methods) {
    data.push_back(std::byte{short_size});
    data.push_back(static_cast<std::byte>(method));
  }
  return make_notify(wire::NotifyType::supported_auth_methods, std::move(data));
}

std::vector<AuthMethod> find_auth_methods(const std::vector<wire::Payload>& payloads) {
  const auto* const notify = wire::find_notify(payloads, wire::NotifyType::supported_auth_methods);
  if (notify == nullptr) return {};
  std::vector<AuthMethod> methods;
  base::Reader in{notify->data};
  for (std::size_t i = 0; i < auth_announcements_max && in.remaining() > 0; ++i) {
    const auto size = in.u8("announcement.length");
    if (!size || *size < short_size) return {};
    auto body = in.sub(*size - std::size_t{1}, "announcement.body");
    if (!body) return {};
    if (*size > short_size) (void)body->u8("announcement.cert_link");
    const auto method = body->u8("announcement.method");
    if (!method) return {};
    const auto value = static_cast<AuthMethod>(*method);
    if (std::ranges::find(methods, value) == methods.end()) methods.push_back(value);
  }
  return methods;
}

std::string describe(AuthMethod method) {
  switch (method) {
    case AuthMethod::shared_key_mic: return "a pre-shared key";
    case AuthMethod::null: return "no authentication (NULL)";
    case AuthMethod::rsa_signature:
    case AuthMethod::dss_signature:
    case AuthMethod::ecdsa_p256:
    case AuthMethod::ecdsa_p384:
    case AuthMethod::ecdsa_p521:
    case AuthMethod::digital_signature:
      return fmt::format("a signature ({})", static_cast<unsigned>(method));
  }
  return fmt::format("method {}", static_cast<unsigned>(method));
}

std::string describe(const std::vector<AuthMethod>& methods) {
  std::string text;
  for (const AuthMethod method : methods) {
    if (!text.empty()) text += " or ";
    text += describe(method);
  }
  return text;
}

}  // namespace caponier::ike
