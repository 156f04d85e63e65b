// PEAPv0 ([MS-PEAP]; with TLS 1.3, RFC 9427), both sides: a second EAP conversation in the tunnel,
// whose packets leave out their header, and a Result at its end. Without cryptobinding.

#include <fmt/format.h>

#include "eap/client_conversation.h"
#include "eap/server_conversation.h"
#include "eap/tls_carrier.h"

namespace caponier::eap {
namespace {

/// The Result TLV ([MS-PEAP] s2.2.8.1.2).
constexpr std::uint16_t tlv_result = 3;
constexpr std::uint16_t tlv_type_mask = 0x3fff;
constexpr std::uint16_t tlv_mandatory = 0x8000;
constexpr std::uint16_t result_success = 1;
constexpr std::uint16_t result_failure = 2;

ByteVec make_result(Code code, std::uint8_t identifier, std::uint16_t result) {
  base::Writer tlv;
  tlv.u16(tlv_mandatory | tlv_result);
  tlv.u16(sizeof result);
  tlv.u16(result);
  return encode({code, identifier, Type::tlv, tlv.view()}).value_or(ByteVec{});
}

/// Of the TLVs of an extensions packet; empty when there is no Result.
std::optional<std::uint16_t> read_result(Bytes tlvs) {
  base::Reader in{tlvs};
  std::optional<std::uint16_t> result;
  while (in.remaining() > 0) {
    const auto type = in.u16("tlv.type");
    const auto size = type ? in.u16("tlv.length") : type;
    const auto value = size ? in.take(*size, "tlv.value") : base::Wire<Bytes>{Bytes{}};
    if (!size || !value) return std::nullopt;
    if ((*type & tlv_type_mask) != tlv_result) continue;
    if (value->size() != sizeof(std::uint16_t)) return std::nullopt;
    result = base::load_be<std::uint16_t>(value->data());
  }
  return result;
}

/// An inner packet with its header, which most peers leave out, except of extensions.
ByteVec with_header(Bytes inner, Code code, std::uint8_t identifier) {
  const auto whole = Packet::decode(inner);
  const bool has_header = whole && whole->code == code &&
                          base::load_be<std::uint16_t>(inner.data() + 2) == inner.size();
  if (has_header) return base::to_vec(inner);
  base::Writer out;
  out.u8(static_cast<std::uint8_t>(code));
  out.u8(identifier);
  out.u16(0);
  out.bytes(inner);
  out.patch_u16(2, out.size());
  return out.finish().value_or(ByteVec{});
}

Failed no_tls() { return {FailureReason::tls, "TLS cannot send in the tunnel"}; }

class PeapServer final : public ServerMethod {
 public:
  PeapServer(const ServerContext& context, std::unique_ptr<TlsSession> session)
      : context_(context),
        handshake_(std::move(session), context.settings.fragment_size),
        inner_(context_.settings, context_.ports, context_.settings.inner_methods, true) {}

  ServerStep begin(std::uint8_t /*identifier*/) override { return Say{TlsCarrier::start()}; }

  ServerStep handle(Bytes data, std::uint8_t next_identifier) override {
    if (auto step = handshake_.advance(data)) return to_server_step(std::move(*step));
    next_identifier_ = next_identifier;
    const base::SecretBytes said = handshake_.session().take_received();
    if (stage_ == Stage::handshake) return begin_inner(said.empty());
    if (said.empty()) {
      return Failed{FailureReason::out_of_place, "a PEAP client that says nothing"};
    }
    if (stage_ == Stage::result) return conclude(said.reveal());
    return relay(inner_.handle(with_header(said.reveal(), Code::response, inner_.identifier())));
  }

 private:
  /// With TLS 1.2 our Finished goes first, and the client acknowledges it.
  ServerStep begin_inner(bool is_silent) {
    if (!is_silent) {
      return Failed{FailureReason::out_of_place, "a PEAP client that speaks before it is asked"};
    }
    const bool is_new = !std::exchange(is_established_, true);
    if (is_new && handshake_.session().version() == TlsVersion::tls12) {
      return to_server_step(handshake_.say());
    }
    stage_ = Stage::conversing;
    return relay(inner_.ask_identity());
  }

  ServerStep relay(Step step) {
    if (auto* send = std::get_if<Send>(&step)) return say(Bytes{send->packet}.subspan(header_size));
    stage_ = Stage::result;
    if (auto* success = std::get_if<Success>(&step)) {
      proof_ = Proof{std::move(success->outcome.identity), {}, success->outcome.method, true, {}};
      return say(make_result(Code::request, next_identifier_, result_success));
    }
    auto& failure = std::get<Failure>(step);
    failed_ = Failed{failure.reason, std::move(failure.sentence)};
    return say(make_result(Code::request, next_identifier_, result_failure));
  }

  ServerStep conclude(Bytes said) {
    if (failed_) return std::move(*failed_);
    const auto packet = Packet::decode(said);
    const bool is_result = packet && packet->code == Code::response && packet->type == Type::tlv;
    if (!is_result || read_result(packet->data) != result_success) {
      return Failed{FailureReason::refused_by_peer, "the PEAP client does not confirm the result"};
    }
    proof_.msk = tls_msk(handshake_.session(), Type::peap);
    if (proof_.msk.empty()) return Failed{FailureReason::no_key, "TLS gives no key"};
    proof_.peer = handshake_.session().peer();
    return Proven{std::move(proof_)};
  }

  ServerStep say(Bytes inner) {
    if (!handshake_.session().send(inner)) return no_tls();
    return to_server_step(handshake_.say());
  }

  enum class Stage : std::uint8_t { handshake, conversing, result };

  ServerContext context_;
  TlsHandshake handshake_;
  ServerConversation inner_;
  Stage stage_ = Stage::handshake;
  bool is_established_ = false;
  std::uint8_t next_identifier_ = 0;
  Proof proof_;
  std::optional<Failed> failed_;
};

class PeapClient final : public ClientMethod {
 public:
  PeapClient(const ClientContext& context, std::unique_ptr<TlsSession> session)
      : context_(context),
        handshake_(std::move(session), context.settings.fragment_size),
        inner_(context_.settings, context_.ports, context_.settings.inner_methods, true) {}

  ClientStep handle(Bytes data, std::uint8_t identifier) override {
    if (!std::exchange(has_begun_, true)) {
      if (TlsCarrier::is_start(data)) return handshake_.begin_client();
      return Failed{FailureReason::out_of_place, "PEAP that does not begin with Start"};
    }
    if (auto step = handshake_.advance(data)) return to_client_step(std::move(*step));
    const base::SecretBytes said = handshake_.session().take_received();
    if (said.empty()) {
      if (!std::exchange(is_finished_, true)) return handshake_.say();
      return Failed{FailureReason::out_of_place, "a PEAP server that says nothing"};
    }
    is_finished_ = true;
    return handle_inner(with_header(said.reveal(), Code::request, identifier));
  }

  std::optional<Proof> take_proof() override {
    if (!is_confirmed_) return std::nullopt;
    return Proof{context_.settings.identity, tls_msk(handshake_.session(), Type::peap),
                 inner_.type(), true, handshake_.session().peer()};
  }

  std::optional<Failed> foretold() const override { return inner_.foretold(); }

 private:
  ClientStep handle_inner(const ByteVec& bytes) {
    const auto packet = Packet::decode(bytes);
    if (packet && packet->code == Code::request && packet->type == Type::tlv) {
      return handle_result(*packet);
    }
    Step step = inner_.handle(bytes);
    if (auto* send = std::get_if<Send>(&step)) return say(Bytes{send->packet}.subspan(header_size));
    if (auto* failure = std::get_if<Failure>(&step)) {
      return Failed{failure->reason, std::move(failure->sentence)};
    }
    return Failed{FailureReason::out_of_place, "EAP-Success inside of PEAP"};
  }

  /// A server that confirms what it has not checked is not confirmed in turn.
  ClientStep handle_result(const Packet& packet) {
    const auto result = read_result(packet.data);
    is_confirmed_ = result == result_success && inner_.take_proof().has_value();
    if (result == result_success && !is_confirmed_) {
      return Failed{FailureReason::out_of_place, "PEAP's success before the inner method's"};
    }
    return say(make_result(Code::response, packet.identifier,
                           is_confirmed_ ? result_success : result_failure));
  }

  ClientStep say(Bytes inner) {
    if (!handshake_.session().send(inner)) return no_tls();
    return handshake_.say();
  }

  ClientContext context_;
  TlsHandshake handshake_;
  ClientConversation inner_;
  bool has_begun_ = false;
  bool is_finished_ = false;  ///< our last flight of the handshake, or its acknowledgement, is out
  bool is_confirmed_ = false;
};

}  // namespace

std::unique_ptr<ServerMethod> make_peap_server(const ServerContext& context) {
  auto session = context.ports.tls->make_session(false);
  if (!session) return nullptr;
  return std::make_unique<PeapServer>(context, std::move(session));
}

std::unique_ptr<ClientMethod> make_peap_client(const ClientContext& context) {
  auto session = context.ports.tls->make_session(true);
  if (!session) return nullptr;
  return std::make_unique<PeapClient>(context, std::move(session));
}

}  // namespace caponier::eap
