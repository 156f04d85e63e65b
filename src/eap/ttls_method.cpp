// EAP-TTLSv0 (RFC 5281; with TLS 1.3, RFC 9427), both sides. Inside: the password itself (PAP),
// MS-CHAPv2 in attributes, or EAP.

#include <algorithm>

#include <fmt/format.h>

#include "eap/avp.h"
#include "eap/client_conversation.h"
#include "eap/mschapv2.h"
#include "eap/server_conversation.h"
#include "eap/tls_carrier.h"
#include "eap/user.h"

namespace caponier::eap {
namespace {

/// Of an inner EAP conversation, whose Identity nobody asked for.
constexpr std::uint8_t unsolicited_identifier = 0;
constexpr std::size_t password_block = 16;
/// Ident, Flags, Peer-Challenge, Reserved and Response (RFC 2548 s2.3.2).
constexpr std::size_t ms_response_size = 50;
constexpr std::size_t ms_peer_challenge_at = 2;
constexpr std::size_t ms_nt_response_at = 26;

/// The challenge of s11.1 that nobody sends, and the Ident behind it.
struct ImplicitChallenge {
  mschapv2::Challenge challenge{};
  std::byte ident{};
};

std::optional<ImplicitChallenge> implicit_challenge(const TlsSession& session) {
  ImplicitChallenge made;
  const base::SecretBytes octets =
      session.export_key("ttls challenge", std::nullopt, made.challenge.size() + 1);
  if (octets.size() != made.challenge.size() + 1) return std::nullopt;
  base::copy_into(made.challenge, octets.reveal().first(made.challenge.size()));
  made.ident = octets.reveal().back();
  return made;
}

Failed malformed(const char* sentence) { return {FailureReason::malformed, sentence}; }

const Avp* find(const std::vector<Avp>& avps, AvpCode code, std::uint32_t vendor) {
  const auto at = std::ranges::find_if(
      avps, [&](const Avp& avp) { return avp.code == code && avp.vendor == vendor; });
  return at == avps.end() ? nullptr : &*at;
}

bool is_known(const Avp& avp) {
  if (avp.vendor == avp_vendor_none) {
    return avp.code == AvpCode::user_name || avp.code == AvpCode::user_password ||
           avp.code == AvpCode::eap_message;
  }
  return avp.vendor == avp_vendor_microsoft &&
         (avp.code == AvpCode::ms_chap_challenge || avp.code == AvpCode::ms_chap2_response ||
          avp.code == AvpCode::ms_chap2_success);
}

/// A message whose mandatory attributes we all know; borrows from `data`.
std::expected<std::vector<Avp>, Failed> read_avps(Bytes data) {
  auto avps = decode_avps(data);
  if (!avps) return std::unexpected{malformed("attributes in the tunnel that do not decode")};
  for (const Avp& avp : *avps) {
    if (avp.is_mandatory && !is_known(avp)) {
      return std::unexpected{Failed{
          FailureReason::malformed,
          fmt::format("a mandatory attribute {} of vendor {} in the tunnel that we do not know",
                      static_cast<std::uint32_t>(avp.code), avp.vendor)}};
    }
  }
  return std::move(*avps);
}

class TtlsServer final : public ServerMethod {
 public:
  TtlsServer(const ServerContext& context, std::unique_ptr<TlsSession> session)
      : context_(context), handshake_(std::move(session), context.settings.fragment_size) {}

  ServerStep begin(std::uint8_t /*identifier*/) override { return Say{TlsCarrier::start()}; }

  ServerStep handle(Bytes data, std::uint8_t /*next_identifier*/) override {
    if (auto step = handshake_.advance(data)) return to_server_step(std::move(*step));
    if (proof_) {
      if (!handshake_.message_was_empty()) return malformed("data after the end of TTLS");
      return prove(std::move(*proof_));
    }
    const base::SecretBytes said = handshake_.session().take_received();
    if (said.empty()) {
      if (std::exchange(is_established_, true)) return malformed("a TTLS client says nothing");
      return to_server_step(handshake_.say());
    }
    is_established_ = true;
    const auto avps = read_avps(said.reveal());
    if (!avps) return avps.error();
    return handle_avps(*avps);
  }

 private:
  ServerStep handle_avps(const std::vector<Avp>& avps) {
    if (const Avp* eap = find(avps, AvpCode::eap_message, avp_vendor_none)) {
      return handle_eap(eap->value);
    }
    const Avp* name = find(avps, AvpCode::user_name, avp_vendor_none);
    if (inner_ || name == nullptr || name->value.size() > identity_size_max) {
      return malformed("neither EAP nor a user's name in the tunnel");
    }
    const std::string_view claimed = base::as_text(name->value);
    if (const Avp* password = find(avps, AvpCode::user_password, avp_vendor_none)) {
      return handle_password(claimed, password->value);
    }
    return handle_mschapv2(claimed, avps);
  }

  ServerStep handle_password(std::string_view claimed, Bytes padded) {
    if (!context_.settings.ttls_pap) {
      return Failed{FailureReason::no_common_method, "PAP in TTLS is switched off"};
    }
    const User user = find_user(context_, claimed);
    const auto last = std::find_if(padded.rbegin(), padded.rend(),
                                   [](std::byte octet) { return octet != std::byte{0}; });
    const auto size = static_cast<std::size_t>(padded.rend() - last);
    if (!knows(context_.ports.crypto, user, padded.first(size))) return refusal(user);
    return prove({user.name, {}, Type::none, true, {}});
  }

  ServerStep handle_mschapv2(std::string_view claimed, const std::vector<Avp>& avps) {
    const Avp* challenge = find(avps, AvpCode::ms_chap_challenge, avp_vendor_microsoft);
    const Avp* response = find(avps, AvpCode::ms_chap2_response, avp_vendor_microsoft);
    const auto implicit = implicit_challenge(handshake_.session());
    if (!context_.settings.ttls_mschapv2 || challenge == nullptr || response == nullptr ||
        !implicit) {
      return Failed{FailureReason::no_common_method,
                    "a way to authenticate in TTLS we do not have"};
    }
    if (response->value.size() != ms_response_size ||
        !base::equal(challenge->value, implicit->challenge) ||
        response->value[0] != implicit->ident) {
      return malformed("MS-CHAPv2 in TTLS with a challenge that is not the tunnel's");
    }
    const User user = find_user(context_, claimed);
    const auto& crypto = context_.ports.crypto;
    mschapv2::Exchange exchange{
        implicit->challenge, {}, std::string{mschapv2::without_domain(claimed)}};
    base::copy_into(exchange.peer_challenge,
                    response->value.subspan(ms_peer_challenge_at, exchange.peer_challenge.size()));
    const auto hash = mschapv2::nt_hash(crypto, user.password);
    const auto expected = mschapv2::nt_response(crypto, hash, exchange);
    const bool same = base::equal_constant_time(
        expected, response->value.subspan(ms_nt_response_at, expected.size()));
    if (!same || !user.is_known) return refusal(user);
    proof_ = Proof{user.name, {}, Type::none, true, {}};
    base::Writer value;
    value.bytes({&implicit->ident, 1});
    value.bytes(base::as_bytes(mschapv2::authenticator_response(crypto, hash, expected, exchange)));
    return say(AvpCode::ms_chap2_success, avp_vendor_microsoft, value.view());
  }

  ServerStep handle_eap(Bytes packet) {
    if (inner_) return relay(inner_->handle(packet));
    const auto first = Packet::decode(packet);
    if (!first || first->code != Code::response || first->type != Type::identity) {
      return malformed("EAP in TTLS that does not begin with an identity");
    }
    inner_ = std::make_unique<ServerConversation>(context_.settings, context_.ports,
                                                  context_.settings.inner_methods, true);
    return relay(inner_->begin(std::string{base::as_text(first->data)}));
  }

  ServerStep relay(Step step) {
    if (auto* send = std::get_if<Send>(&step)) {
      return say(AvpCode::eap_message, avp_vendor_none, send->packet);
    }
    if (auto* success = std::get_if<Success>(&step)) {
      return prove({std::move(success->outcome.identity), {}, success->outcome.method, true, {}});
    }
    auto& failure = std::get<Failure>(step);
    return Failed{failure.reason, std::move(failure.sentence)};
  }

  ServerStep say(AvpCode code, std::uint32_t vendor, Bytes value) {
    base::Writer out;
    encode_avp(out, {code, vendor, true, value});
    if (out.failed() || !handshake_.session().send(out.view())) {
      return Failed{FailureReason::tls, "TLS cannot send in the tunnel"};
    }
    return to_server_step(handshake_.say());
  }

  ServerStep prove(Proof proof) {
    proof.msk = tls_msk(handshake_.session(), Type::ttls);
    if (proof.msk.empty()) return Failed{FailureReason::no_key, "TLS gives no key"};
    proof.peer = handshake_.session().peer();
    return Proven{std::move(proof)};
  }

  ServerContext context_;
  TlsHandshake handshake_;
  bool is_established_ = false;
  std::unique_ptr<ServerConversation> inner_;
  std::optional<Proof> proof_;  ///< once the client has acknowledged our own
};

class TtlsClient final : public ClientMethod {
 public:
  TtlsClient(const ClientContext& context, std::unique_ptr<TlsSession> session)
      : context_(context), handshake_(std::move(session), context.settings.fragment_size) {}

  ClientStep handle(Bytes data, std::uint8_t /*identifier*/) override {
    if (!std::exchange(has_begun_, true)) {
      if (TlsCarrier::is_start(data)) return handshake_.begin_client();
      return Failed{FailureReason::out_of_place, "TTLS that does not begin with Start"};
    }
    if (auto step = handshake_.advance(data)) return to_client_step(std::move(*step));
    const base::SecretBytes said = handshake_.session().take_received();
    if (!said.empty()) {
      const auto avps = read_avps(said.reveal());
      if (!avps) return avps.error();
      return handle_avps(*avps);
    }
    if (stage_ != Stage::handshake) {
      return Failed{FailureReason::out_of_place, "the TTLS server says nothing"};
    }
    // With TLS 1.3 our Finished goes first: not all servers take it together with what follows.
    if (handshake_.session().version() == TlsVersion::tls13 && !std::exchange(is_finished_, true)) {
      return handshake_.say();
    }
    return speak();
  }

  std::optional<Proof> take_proof() override {
    Type inner_method = Type::none;
    if (inner_) {
      if (!inner_->take_proof()) return std::nullopt;
      inner_method = inner_->type();
    } else if (stage_ != Stage::proven) {
      return std::nullopt;
    }
    return Proof{context_.settings.identity, tls_msk(handshake_.session(), Type::ttls),
                 inner_method, true, handshake_.session().peer()};
  }

  std::optional<Failed> foretold() const override {
    return inner_ ? inner_->foretold() : std::nullopt;
  }

 private:
  using Inner = ClientSettings::TtlsInner;

  /// The first words in the tunnel.
  ClientStep speak() {
    base::Writer out;
    const auto user = base::as_bytes(context_.settings.identity);
    switch (context_.settings.ttls_inner) {
      case Inner::eap: {
        inner_ = std::make_unique<ClientConversation>(context_.settings, context_.ports,
                                                      context_.settings.inner_methods, true);
        stage_ = Stage::conversing;
        const auto identity =
            encode({Code::response, unsolicited_identifier, Type::identity, user});
        encode_avp(out,
                   {AvpCode::eap_message, avp_vendor_none, true, identity.value_or(ByteVec{})});
        break;
      }
      case Inner::pap: {
        const auto* cleartext = std::get_if<Cleartext>(context_.ports.password);
        if (cleartext == nullptr) {
          return Failed{FailureReason::bad_credentials,
                        "PAP needs the password itself, and only its NT hash is known"};
        }
        const Bytes password = cleartext->password.reveal();
        base::SecretBytes padded{(password.size() / password_block + 1) * password_block};
        base::copy_into(padded.reveal_mutable(), password);
        encode_avp(out, {AvpCode::user_name, avp_vendor_none, true, user});
        encode_avp(out, {AvpCode::user_password, avp_vendor_none, true, padded.reveal()});
        stage_ = Stage::proven;
        break;
      }
      case Inner::mschapv2: {
        if (!write_mschapv2(out)) return Failed{FailureReason::tls, "TLS gives no challenge"};
        stage_ = Stage::conversing;
        break;
      }
    }
    return say(out.view());
  }

  bool write_mschapv2(base::Writer& out) {
    const auto implicit = implicit_challenge(handshake_.session());
    if (!implicit) return false;
    const auto& crypto = context_.ports.crypto;
    exchange_.authenticator_challenge = implicit->challenge;
    context_.ports.rng.fill_public(exchange_.peer_challenge);
    exchange_.user = mschapv2::without_domain(context_.settings.identity);
    const auto hash = mschapv2::nt_hash(crypto, *context_.ports.password);
    response_ = mschapv2::nt_response(crypto, hash, exchange_);
    base::Writer value;
    value.bytes({&implicit->ident, 1});
    value.u8(0);
    value.bytes(exchange_.peer_challenge);
    value.zeros(ms_nt_response_at - ms_peer_challenge_at - exchange_.peer_challenge.size());
    value.bytes(response_);
    encode_avp(out, {AvpCode::user_name, avp_vendor_none, true,
                     base::as_bytes(context_.settings.identity)});
    encode_avp(out, {AvpCode::ms_chap_challenge, avp_vendor_microsoft, true, implicit->challenge});
    encode_avp(out, {AvpCode::ms_chap2_response, avp_vendor_microsoft, true, value.view()});
    return true;
  }

  ClientStep handle_avps(const std::vector<Avp>& avps) {
    if (stage_ != Stage::conversing) {
      return Failed{FailureReason::out_of_place, "the TTLS server speaks before its turn"};
    }
    if (inner_) {
      const Avp* eap = find(avps, AvpCode::eap_message, avp_vendor_none);
      if (eap == nullptr) return malformed("no EAP in the tunnel, where it was due");
      return relay(inner_->handle(eap->value));
    }
    const Avp* success = find(avps, AvpCode::ms_chap2_success, avp_vendor_microsoft);
    const auto& crypto = context_.ports.crypto;
    const std::string expected = mschapv2::authenticator_response(
        crypto, mschapv2::nt_hash(crypto, *context_.ports.password), response_, exchange_);
    const bool fits = success != nullptr && success->value.size() > expected.size();
    if (!fits || !base::equal_constant_time(base::as_bytes(expected),
                                            success->value.subspan(1, expected.size()))) {
      return Failed{FailureReason::server_not_proven,
                    "the server does not know the password: its answer is wrong"};
    }
    stage_ = Stage::proven;
    return handshake_.say();
  }

  ClientStep relay(Step step) {
    if (auto* send = std::get_if<Send>(&step)) {
      base::Writer out;
      encode_avp(out, {AvpCode::eap_message, avp_vendor_none, true, send->packet});
      return say(out.view());
    }
    if (auto* failure = std::get_if<Failure>(&step)) {
      return Failed{failure->reason, std::move(failure->sentence)};
    }
    return Failed{FailureReason::out_of_place, "EAP-Success inside of TTLS"};
  }

  ClientStep say(Bytes avps) {
    if (!handshake_.session().send(avps)) {
      return Failed{FailureReason::tls, "TLS cannot send in the tunnel"};
    }
    return handshake_.say();
  }

  enum class Stage : std::uint8_t { handshake, conversing, proven };

  ClientContext context_;
  TlsHandshake handshake_;
  Stage stage_ = Stage::handshake;
  bool has_begun_ = false;
  bool is_finished_ = false;  ///< our last flight of the handshake is out
  std::unique_ptr<ClientConversation> inner_;
  mschapv2::Exchange exchange_;
  mschapv2::NtResponse response_{};
};

}  // namespace

std::unique_ptr<ServerMethod> make_ttls_server(const ServerContext& context) {
  auto session = context.ports.tls->make_session(false);
  if (!session) return nullptr;
  return std::make_unique<TtlsServer>(context, std::move(session));
}

std::unique_ptr<ClientMethod> make_ttls_client(const ClientContext& context) {
  auto session = context.ports.tls->make_session(true);
  if (!session) return nullptr;
  return std::make_unique<TtlsClient>(context, std::move(session));
}

}  // namespace caponier::eap
