// EAP-MSCHAPv2, both sides. Passwords are never changed here: a server that would want it is told
// no by our silence on E=648, a client that offers it is refused.

#include <fmt/format.h>

#include "eap/method.h"
#include "eap/mschapv2_messages.h"
#include "eap/user.h"

namespace caponier::eap {
namespace {

using namespace mschapv2;

class MschapServer final : public ServerMethod {
 public:
  explicit MschapServer(const ServerContext& context) : context_(context) {}

  ServerStep begin(std::uint8_t identifier) override {
    id_ = identifier;
    context_.ports.rng.fill_public(challenge_);
    stage_ = Stage::challenged;
    return Say{encode(ChallengeMessage{id_, challenge_, context_.settings.name})};
  }

  ServerStep handle(Bytes data, std::uint8_t /*next_identifier*/) override {
    const auto code = op_code(data);
    switch (stage_) {
      case Stage::challenged:
        if (code == OpCode::response) return judge(data);
        break;
      case Stage::accepted:
        if (code == OpCode::success) return Proven{std::move(proof_)};
        if (code == OpCode::failure) {
          return Failed{FailureReason::refused_by_peer, "the client does not believe our answer"};
        }
        break;
      case Stage::refused: return std::move(refusal_);
    }
    return Failed{FailureReason::out_of_place, "an MSCHAPv2 packet in the wrong state"};
  }

 private:
  ServerStep judge(Bytes data) {
    const auto message = decode_response(data);
    if (!message || message->name.size() > identity_size_max) {
      return Failed{FailureReason::malformed, "an MSCHAPv2 response that does not decode"};
    }
    const User user = find_user(context_, message->name);
    const auto& crypto = context_.ports.crypto;
    const Exchange exchange{challenge_, message->peer_challenge,
                            std::string{without_domain(message->name)}};
    const Hash hash = nt_hash(crypto, user.password);
    const NtResponse expected = nt_response(crypto, hash, exchange);
    const bool same = base::equal_constant_time(expected, message->response);
    if (!same || !user.is_known) return refuse(user);
    proof_ = Proof{user.name, msk(crypto, hash, expected), Type::none, true, {}};
    stage_ = Stage::accepted;
    return Say{encode_text(OpCode::success, id_,
                           authenticator_response(crypto, hash, expected, exchange) + " M=OK")};
  }

  ServerStep refuse(const User& user) {
    refusal_ = refusal(user);
    stage_ = Stage::refused;
    Challenge unused;
    context_.ports.rng.fill_public(unused);
    const std::string text = fmt::format("E=691 R=0 C={} V=3 M=Failed", upper_hex(unused));
    return Say{encode_text(OpCode::failure, id_, text)};
  }

  enum class Stage : std::uint8_t { challenged, accepted, refused };

  ServerContext context_;
  Stage stage_ = Stage::challenged;
  std::uint8_t id_ = 0;
  Challenge challenge_{};
  Proof proof_;
  Failed refusal_;
};

class MschapClient final : public ClientMethod {
 public:
  explicit MschapClient(const ClientContext& context) : context_(context) {}

  ClientStep handle(Bytes data, std::uint8_t /*identifier*/) override {
    const auto code = op_code(data);
    if (stage_ == Stage::fresh && code == OpCode::challenge) return respond(data);
    if (stage_ == Stage::responded && code == OpCode::success) return check(data);
    if (stage_ == Stage::responded && code == OpCode::failure) return lament(data);
    return Failed{FailureReason::out_of_place, "an MSCHAPv2 packet in the wrong state"};
  }

  std::optional<Proof> take_proof() override {
    if (stage_ != Stage::believed) return std::nullopt;
    const auto& crypto = context_.ports.crypto;
    const Hash hash = nt_hash(crypto, *context_.ports.password);
    return Proof{context_.settings.identity, msk(crypto, hash, response_), Type::none, true, {}};
  }

  std::optional<Failed> foretold() const override { return foretold_; }

 private:
  ClientStep respond(Bytes data) {
    const auto message = decode_challenge(data);
    if (!message) {
      return Failed{FailureReason::malformed, "an MSCHAPv2 challenge that does not decode"};
    }
    const auto& crypto = context_.ports.crypto;
    exchange_.authenticator_challenge = message->challenge;
    context_.ports.rng.fill_public(exchange_.peer_challenge);
    exchange_.user = without_domain(context_.settings.identity);
    response_ = nt_response(crypto, nt_hash(crypto, *context_.ports.password), exchange_);
    stage_ = Stage::responded;
    return Say{encode(ResponseMessage{message->id, exchange_.peer_challenge, response_,
                                      context_.settings.identity})};
  }

  ClientStep check(Bytes data) {
    const auto& crypto = context_.ports.crypto;
    const std::string expected = authenticator_response(
        crypto, nt_hash(crypto, *context_.ports.password), response_, exchange_);
    const auto text = decode_text(data);
    const std::string_view got = text ? text->substr(0, expected.size()) : std::string_view{};
    if (!base::equal_constant_time(base::as_bytes(expected), base::as_bytes(got))) {
      stage_ = Stage::over;
      return Failed{FailureReason::server_not_proven,
                    "the server does not know the password: its answer is wrong",
                    encode_bare(OpCode::failure)};
    }
    stage_ = Stage::believed;
    return Say{encode_bare(OpCode::success)};
  }

  ClientStep lament(Bytes data) {
    stage_ = Stage::over;
    foretold_ = Failed{FailureReason::bad_credentials,
                       explain_failure(decode_text(data).value_or(std::string_view{}))};
    return Say{encode_bare(OpCode::failure)};
  }

  enum class Stage : std::uint8_t { fresh, responded, believed, over };

  ClientContext context_;
  Stage stage_ = Stage::fresh;
  Exchange exchange_;
  NtResponse response_{};
  std::optional<Failed> foretold_;
};

}  // namespace

std::unique_ptr<ServerMethod> make_mschapv2_server(const ServerContext& context) {
  return std::make_unique<MschapServer>(context);
}

std::unique_ptr<ClientMethod> make_mschapv2_client(const ClientContext& context) {
  return std::make_unique<MschapClient>(context);
}

}  // namespace caponier::eap
