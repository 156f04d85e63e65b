// An EapServer behind RADIUS, for clients that speak it: one user, "alice" with "correct horse". It
// says "ready" and what becomes of each conversation, and runs until it is killed.
//
// usage: eap_server_driver ADDRESS PORT SECRET METHODS SERVER_DER SERVER_KEY_DER CLIENT_DER
// METHODS: names of eap::name_of(), separated by commas. The client's certificate proves "alice".

#include <poll.h>

#include <charconv>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>

#include <fmt/format.h>

#include "crypto/openssl/legacy.h"
#include "eap/openssl/tls_context.h"
#include "eap/server.h"
#include "io/os/clock.h"
#include "io/os/rng.h"
#include "io/radius/radius_sockets.h"
#include "pki/openssl/provider.h"

namespace {

using namespace caponier;
using radius::AttributeType;
using radius::Code;

base::ByteVec read_file(const char* path) {
  std::ifstream file{path, std::ios::binary};
  const std::string text{std::istreambuf_iterator<char>{file}, {}};
  return base::to_vec(base::as_bytes(text));
}

/// The private key in a file.
std::shared_ptr<pki::Signer> signer_in(const base::ByteVec& file) {
  pki::CredentialFiles files;
  files.key = {"the key", file};
  const auto loaded = pki::OpensslPki{}.load_credential(files);
  if (!loaded) std::cerr << loaded.error().message << "\n";
  return loaded ? loaded->signer : nullptr;
}

class Alice final : public eap::Passwords, public eap::CertificateVerifier {
 public:
  explicit Alice(base::ByteVec certificate) : certificate_(std::move(certificate)) {}
  [[nodiscard]] std::optional<eap::Password> find(std::string_view user) const override {
    if (user != "alice") return std::nullopt;
    return eap::Cleartext{base::SecretBytes{base::as_bytes("correct horse")}};
  }
  [[nodiscard]] std::expected<eap::CertifiedPeer, std::string> verify(
      std::span<const base::ByteVec> chain, eap::TlsRole /*peer*/) const override {
    if (chain.front() == certificate_) return eap::CertifiedPeer{{}, {"alice"}, {}, {}};
    return std::unexpected{std::string{"a certificate that is not alice's"}};
  }

 private:
  base::ByteVec certificate_;
};

class BackEnd {
 public:
  BackEnd(std::string secret, eap::ServerSettings settings, const Alice& alice,
          const eap::TlsContext& tls)
      : secret_(std::move(secret)), settings_(std::move(settings)), alice_(alice), tls_(tls) {}

  /// Empty: ignored.
  base::ByteVec answer(base::Bytes datagram) {
    const auto request = radius::PacketView::decode(datagram);
    const base::Bytes secret = base::as_bytes(secret_);
    if (!request || request->code != Code::access_request ||
        check_access_request(legacy_, secret, *request) != radius::Authenticity::authentic) {
      return {};
    }
    const auto state = request->find(AttributeType::state);
    const std::string key{state ? base::as_text(*state) : ""};
    auto step = state ? advance(key, *request) : begin(*request);
    return seal(*request, state ? key : newest_, std::move(step));
  }

 private:
  eap::Step begin(const radius::PacketView& request) {
    newest_ = fmt::format("session {}", ++count_);
    const base::ByteVec message = request.eap_message();
    const auto packet = eap::Packet::decode(message);
    eap::ServerSettings settings = settings_;
    settings.ask_identity = false;
    settings.known_identity = packet ? std::string{base::as_text(packet->data)} : "";
    auto server = std::make_unique<eap::EapServer>(std::move(settings),
                                                   eap::ServerPorts{legacy_, rng_, &alice_, &tls_});
    eap::Step step = server->start(io::monotonic_now());
    sessions_[newest_] = std::move(server);
    return step;
  }

  eap::Step advance(const std::string& key, const radius::PacketView& request) {
    const auto at = sessions_.find(key);
    if (at == sessions_.end()) return eap::Failure{{}, {}, "no such session"};
    return at->second->handle(request.eap_message(), io::monotonic_now());
  }

  base::ByteVec seal(const radius::PacketView& request, const std::string& key, eap::Step step) {
    const auto* success = std::get_if<eap::Success>(&step);
    const auto* failure = std::get_if<eap::Failure>(&step);
    const Code code = success != nullptr   ? Code::access_accept
                      : failure != nullptr ? Code::access_reject
                                           : Code::access_challenge;
    radius::PacketBuilder builder{code, request.identifier};
    if (success != nullptr) {
      std::cout << "success " << name_of(success->outcome.method) << " "
                << success->outcome.identity << std::endl;
      builder.add_eap_message(success->packet);
      add_keys(builder, request, success->outcome.msk.reveal());
    } else if (failure != nullptr) {
      std::cout << "failure " << name_of(failure->reason) << ": " << failure->sentence << std::endl;
      builder.add_eap_message(failure->packet);
    } else {
      builder.add_eap_message(std::get<eap::Send>(step).packet);
      builder.add_text(AttributeType::state, key);
    }
    return builder.seal_answer(legacy_, base::as_bytes(secret_), request.authenticator)
        .value_or(base::ByteVec{});
  }

  void add_keys(radius::PacketBuilder& builder, const radius::PacketView& request,
                base::Bytes msk) {
    if (msk.empty()) return;
    const std::size_t half = msk.size() / 2;
    const auto add = [&](radius::MicrosoftType type, std::uint16_t salt, base::Bytes key) {
      const auto sealed =
          radius::seal_mppe_key(legacy_, base::as_bytes(secret_), request.authenticator, salt, key);
      base::Writer value;
      value.u32(radius::vendor_microsoft);
      value.u8(static_cast<std::uint8_t>(type));
      value.u8(static_cast<std::uint8_t>(sealed.size() + 2));
      value.bytes(sealed.reveal());
      builder.add(AttributeType::vendor_specific, value.view());
    };
    add(radius::MicrosoftType::mppe_recv_key, 1, msk.first(half));
    add(radius::MicrosoftType::mppe_send_key, 2, msk.subspan(half));
  }

  std::string secret_;
  eap::ServerSettings settings_;
  const Alice& alice_;
  const eap::TlsContext& tls_;
  crypto::OpensslLegacy legacy_;
  io::OsRng rng_;
  std::map<std::string, std::unique_ptr<eap::EapServer>> sessions_;
  std::string newest_;
  unsigned count_ = 0;
};

std::vector<eap::Type> parse_methods(std::string_view names) {
  std::vector<eap::Type> found;
  for (const eap::Type type : {eap::Type::md5_challenge, eap::Type::gtc, eap::Type::tls,
                               eap::Type::ttls, eap::Type::peap, eap::Type::mschapv2}) {
    if (names.find(name_of(type)) != std::string_view::npos) found.push_back(type);
  }
  return found;
}

int serve(const base::Endpoint& local, BackEnd& back_end) {
  auto socket = io::open_radius_listener(local, 0);
  if (!socket) {
    std::cerr << socket.error().message << std::endl;
    return 1;
  }
  std::cout << "ready" << std::endl;
  for (;;) {
    pollfd polled{socket->get(), POLLIN, 0};
    ::poll(&polled, 1, -1);
    for (const auto& datagram : io::RadiusSockets::receive(socket->get())) {
      const base::ByteVec answer = back_end.answer(datagram.data);
      if (!answer.empty()) io::send_radius_answer(socket->get(), datagram.from, answer);
    }
  }
}

}  // namespace

int main(int count, char** values) {
  if (count != 8) return 2;
  base::Endpoint local;
  const auto address = base::IpAddress::parse(values[1]);
  const std::string_view port = values[2];
  std::from_chars(port.data(), port.data() + port.size(), local.port);
  if (!address) return 2;
  local.address = *address;
  const Alice alice{read_file(values[7])};
  eap::TlsSettings tls_settings;
  tls_settings.chain.push_back(read_file(values[5]));
  tls_settings.signer = signer_in(read_file(values[6]));
  tls_settings.verifier = &alice;
  const auto tls = eap::make_tls_context(std::move(tls_settings));
  if (!tls) {
    std::cerr << tls.error() << std::endl;
    return 1;
  }
  eap::ServerSettings settings;
  settings.methods = parse_methods(values[4]);
  settings.inner_methods = {eap::Type::mschapv2, eap::Type::gtc, eap::Type::md5_challenge};
  BackEnd back_end{values[3], settings, alice, **tls};
  return serve(local, back_end);
}
