#include "gateway/key_server.h"

#include <utility>

namespace caponier::gateway {

namespace {

/// Of more mistakes than these nobody learns more.
constexpr std::size_t faults_max = 1000;

void add(std::vector<base::ByteVec>& answers, const KeyNews& news) {
  if (auto message = encode(news)) answers.push_back(std::move(*message));
}

LoadFault too_large(std::uint64_t ticket, const config::PeerConfig& peer) {
  return {ticket,
          {peer.where, "the certificates of " + peer.name + " are larger than what is passed on",
           "leave out those that the peer does not need"}};
}

}  // namespace

bool KeyServer::handle(base::Bytes message, Answers& answers) {
  const auto command = decode_key_command(message);
  if (!command) return false;
  std::visit([&](const auto& one) { perform(one, answers); }, *command);
  return true;
}

void KeyServer::perform(const LoadKeys& load, Answers& answers) {
  auto config = files_.load(load.renews);
  loaded_.reset();
  if (config) {
    for (const config::PeerConfig& peer : (*config)->peers) {
      const auto tell = [&](const std::string& name, const config::SharedSecret& psk,
                            const std::shared_ptr<const pki::Credential>& credential) {
        if (!psk && !credential) return;
        auto message = encode(KeyNews{describe(name, psk, credential, load)});
        if (!message) return add(answers, too_large(load.ticket, peer));
        answers.push_back(std::move(*message));
      };
      tell(peer.name, peer.psk, peer.proof.credential);
      for (std::size_t i = 0; i < peer.local_rounds.size(); ++i) {
        const config::LocalRound& round = peer.local_rounds[i];
        tell(config::held_name(peer, true, i), round.psk, round.credential);
      }
      for (std::size_t i = 0; i < peer.remote_rounds.size(); ++i) {
        tell(config::held_name(peer, false, i), peer.remote_rounds[i].psk, nullptr);
      }
    }
    loaded_ = std::move(*config);
    loaded_ticket_ = load.ticket;
  } else {
    for (const config::ConfigError& error : config.error()) {
      if (answers.size() < faults_max) add(answers, LoadFault{load.ticket, error});
    }
  }
  add(answers, LoadDone{load.ticket});
}

HeldPeer KeyServer::describe(const std::string& name, const config::SharedSecret& psk,
                             const std::shared_ptr<const pki::Credential>& shown,
                             const LoadKeys& load) const {
  HeldPeer held{load.ticket, name, {}, std::nullopt};
  const auto prf = crypto_.make_prf(crypto::PrfId::hmac_sha2_256);
  if (psk && prf) {
    const base::Bytes key = psk->reveal();
    held.psk_fingerprint = base::to_vec((*prf)->compute(load.fingerprint_salt, {&key, 1}).reveal());
  }
  if (shown) {
    const pki::Credential& own = *shown;
    HeldCredential credential{own.name, own.signer->public_key().spki, {}, own.authorities};
    for (const pki::Certificate& certificate : own.chain) {
      credential.chain.push_back(certificate.der);
    }
    held.credential = std::move(credential);
  }
  return held;
}

void KeyServer::perform(const CommitKeys& commit, Answers&) {
  if (!loaded_ || loaded_ticket_ != commit.ticket) return;
  files_.keep();
  keyholder_.apply(std::exchange(loaded_, nullptr));
}

void KeyServer::perform(const ike::AuthRequest& request, Answers& answers) {
  keyholder_.handle(request);
  while (const auto reply = keyholder_.poll_reply()) {
    auto message = encode(KeyNews{*reply});
    if (!message) {
      ike::AuthReply none;
      none.sa = reply->sa;
      none.request = reply->request;
      none.why = "our certificates are larger than what is passed on";
      message = encode(KeyNews{none});
    }
    if (message) answers.push_back(std::move(*message));
  }
}

void KeyServer::perform(const SignRequest& request, Answers& answers) {
  add(answers, SignReply{request.ticket, keyholder_.sign(request.name, request.spki, request.scheme,
                                                         request.octets)});
}

void KeyServer::perform(const LoadOrder& order, Answers& answers) {
  auto message = encode(KeyNews{LoadAnswer{order.ticket, files_.take(order)}});
  if (!message) {
    message = encode(KeyNews{LoadAnswer{order.ticket, std::unexpected{std::string{"too long"}}}});
  }
  if (message) answers.push_back(std::move(*message));
}

}  // namespace caponier::gateway
