// Speaks EAP with a RADIUS server: an EapClient, the EapRelay, a RadiusClient and its sockets, as a
// gateway has them, without IKE. Prints one line, "success METHOD IDENTITY" with what the server
// allows, or "failure REASON: SENTENCE", and exits with 0, or 1. Also sends accounting.
//
// usage: radius_driver SERVER PORT SECRET METHOD USER PASSWORD [CA_OR_LEAF_DER [CERT_DER KEY_DER]]
// METHOD: md5, mschapv2, tls, ttls-pap, ttls-mschapv2, ttls-eap, peap; with "+12" or "+13" for TLS.

#include <poll.h>

#include <charconv>
#include <fstream>
#include <iostream>
#include <iterator>
#include <set>
#include <vector>

#include <fmt/format.h>

#include "crypto/openssl/legacy.h"
#include "eap/client.h"
#include "eap/openssl/tls_context.h"
#include "io/os/clock.h"
#include "io/os/rng.h"
#include "io/radius/radius_sockets.h"
#include "pki/openssl/provider.h"
#include "radius/accounting.h"
#include "radius/relay.h"

namespace {

using namespace caponier;

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

/// The server's certificate must be this one.
class ThisCertificate final : public eap::CertificateVerifier {
 public:
  explicit ThisCertificate(base::ByteVec der) : der_(std::move(der)) {}
  std::expected<eap::CertifiedPeer, std::string> verify(std::span<const base::ByteVec> chain,
                                                        eap::TlsRole /*peer*/) const override {
    if (chain.front() != der_) return std::unexpected{std::string{"another certificate"}};
    return eap::CertifiedPeer{{}, {"server"}, {}, {}};
  }

 private:
  base::ByteVec der_;
};

struct Arguments {
  base::Endpoint server;
  std::string secret;
  std::string method;
  std::string user;
  std::string password;
  std::vector<const char*> files;
};

/// Datagrams both ways until the client machine has said something for its users.
class Wire {
 public:
  explicit Wire(const Arguments& arguments)
      : sockets_(0, [this](int fd, radius::PortHandle port) { fds_.emplace_back(fd, port); }),
        client_(radius::ClientSettings{}, servers(arguments), legacy_, *rng_) {}

  radius::RadiusClient& client() { return client_; }
  const crypto::LegacyCrypto& legacy() const { return legacy_; }
  base::Rng& rng() { return *rng_; }

  std::variant<radius::Answer, radius::NoAnswer> wait() {
    for (;;) {
      while (auto action = client_.poll_action()) {
        if (auto* answer = std::get_if<radius::Answer>(&*action)) return std::move(*answer);
        if (auto* none = std::get_if<radius::NoAnswer>(&*action)) return *none;
        if (auto* transmit = std::get_if<radius::Transmit>(&*action)) sockets_.send(*transmit);
      }
      receive();
      client_.handle_deadline(io::monotonic_now());
    }
  }

 private:
  static std::vector<radius::Server> servers(const Arguments& arguments) {
    std::vector<radius::Server> list;
    base::Endpoint accounting = arguments.server;
    ++accounting.port;
    list.push_back({"server", arguments.server, accounting,
                    base::SecretBytes{base::as_bytes(arguments.secret)}});
    return list;
  }

  void receive() {
    std::vector<pollfd> polled;
    for (const auto& [fd, port] : fds_) polled.push_back({fd, POLLIN, 0});
    constexpr int wait_milliseconds = 100;
    ::poll(polled.data(), polled.size(), wait_milliseconds);
    for (const auto& [fd, port] : fds_) {
      for (const auto& datagram : io::RadiusSockets::receive(fd)) {
        client_.handle_datagram(port, datagram.from, datagram.data, io::monotonic_now());
      }
    }
  }

  std::unique_ptr<base::Rng> rng_ = std::make_unique<io::OsRng>();
  crypto::OpensslLegacy legacy_;
  std::vector<std::pair<int, radius::PortHandle>> fds_;
  io::RadiusSockets sockets_;
  radius::RadiusClient client_;
};

eap::ClientSettings client_settings(const Arguments& arguments) {
  using Inner = eap::ClientSettings::TtlsInner;
  eap::ClientSettings settings;
  settings.identity = arguments.user;
  const std::string method = arguments.method.substr(0, arguments.method.find('+'));
  if (method == "md5") settings.methods = {eap::Type::md5_challenge};
  if (method == "mschapv2") settings.methods = {eap::Type::mschapv2};
  if (method == "tls") settings.methods = {eap::Type::tls};
  if (method == "peap") settings.methods = {eap::Type::peap};
  if (method.starts_with("ttls")) settings.methods = {eap::Type::ttls};
  if (method == "ttls-pap") settings.ttls_inner = Inner::pap;
  if (method == "ttls-mschapv2") settings.ttls_inner = Inner::mschapv2;
  if (method == "ttls-eap") settings.ttls_inner = Inner::eap;
  settings.demand_key = method != "md5";
  return settings;
}

std::unique_ptr<eap::TlsContext> make_tls(const Arguments& arguments,
                                          const ThisCertificate& verifier) {
  eap::TlsSettings settings;
  settings.role = eap::TlsRole::client;
  settings.verifier = &verifier;
  if (arguments.method.ends_with("+12")) settings.version_max = eap::TlsVersion::tls12;
  if (arguments.method.ends_with("+13")) settings.version_min = eap::TlsVersion::tls13;
  if (arguments.files.size() == 3) {
    settings.chain.push_back(read_file(arguments.files[1]));
    settings.signer = signer_in(read_file(arguments.files[2]));
  }
  auto context = eap::make_tls_context(std::move(settings));
  if (!context) std::cerr << context.error() << "\n";
  return context ? std::move(*context) : nullptr;
}

std::string to_text(const eap::Authorization& allowed) {
  std::string text;
  for (const auto& filter : allowed.filter_ids) text += " filter=" + filter;
  if (allowed.framed_ipv4) text += " address=" + allowed.framed_ipv4->to_string();
  if (allowed.session_timeout_seconds) {
    text += fmt::format(" timeout={}", *allowed.session_timeout_seconds);
  }
  if (!allowed.reply_message.empty()) text += " message=" + allowed.reply_message;
  return text;
}

/// Start, Interim-Update and Stop; how many were answered.
int account(Wire& wire, const radius::NasAttributes& nas, const eap::Outcome& outcome) {
  const radius::UnixSeconds at{static_cast<std::uint32_t>(io::unix_microseconds_now() / 1'000'000)};
  radius::AccountingSettings settings;
  settings.nas = nas;
  settings.session_id = "0001-interop";
  settings.user_name = outcome.identity;
  settings.classes = outcome.authorization.classes;
  settings.interim_interval = std::chrono::seconds{60};
  radius::AccountingSession session{settings, io::monotonic_now()};
  const radius::Usage usage{(5ULL << 32U) + 7, 11, 13, 17};
  const base::Instant now = io::monotonic_now();
  int answered = 0;
  for (auto& request : {session.start(at), session.interim(usage, at, now),
                        session.stop(usage, radius::TerminateCause::user_request, at, now)}) {
    if (!wire.client().submit(request, io::monotonic_now())) continue;
    if (std::holds_alternative<radius::Answer>(wire.wait())) ++answered;
  }
  return answered;
}

int converse(const Arguments& arguments) {
  Wire wire{arguments};
  const ThisCertificate verifier{arguments.files.empty() ? base::ByteVec{}
                                                         : read_file(arguments.files[0])};
  const auto tls = make_tls(arguments, verifier);
  const eap::Password password =
      eap::Cleartext{base::SecretBytes{base::as_bytes(arguments.password)}};
  const auto settings = client_settings(arguments);
  eap::EapClient client{settings, {wire.legacy(), wire.rng(), &password, tls.get()}};
  radius::RelaySettings relay_settings;
  relay_settings.nas.identifier = "interop";
  relay_settings.nas.calling_station_id = "198.51.100.7[4500]";
  relay_settings.demand_key = settings.demand_key;
  radius::EapRelay relay{relay_settings, wire.client()};

  eap::Step step = relay.start(io::monotonic_now());
  for (;;) {
    if (auto* send = std::get_if<eap::Send>(&step)) {
      eap::Step answer = client.handle(send->packet, io::monotonic_now());
      const auto* failure = std::get_if<eap::Failure>(&answer);
      const auto* said = std::get_if<eap::Send>(&answer);
      if (failure != nullptr) {
        std::cout << "failure client " << name_of(failure->reason) << ": " << failure->sentence
                  << std::endl;
        if (failure->packet.empty()) return 1;
      }
      step = relay.handle(said != nullptr ? said->packet : failure->packet, io::monotonic_now());
    } else if (std::holds_alternative<eap::Wait>(step)) {
      const auto answer = wire.wait();
      step = std::visit(
          [&](const auto& each) { return relay.handle_backend(each, io::monotonic_now()); },
          answer);
    } else if (auto* failure = std::get_if<eap::Failure>(&step)) {
      std::cout << "failure " << name_of(failure->reason) << ": " << failure->sentence << std::endl;
      return 1;
    } else {
      auto& ours = std::get<eap::Success>(step);
      const eap::Step last = client.handle(ours.packet, io::monotonic_now());
      const auto* theirs = std::get_if<eap::Success>(&last);
      const bool same =
          theirs != nullptr && base::equal(ours.outcome.msk.reveal(), theirs->outcome.msk.reveal());
      const int answered = account(wire, relay_settings.nas, ours.outcome);
      std::cout << (same ? "success " : "failure keys differ ") << name_of(ours.outcome.method)
                << " " << ours.outcome.identity << " accounting=" << answered
                << to_text(ours.outcome.authorization) << std::endl;
      return same ? 0 : 1;
    }
  }
}

}  // namespace

int main(int count, char** values) {
  constexpr int arguments_min = 7;
  if (count < arguments_min) return 2;
  Arguments arguments;
  const auto address = base::IpAddress::parse(values[1]);
  const std::string_view port = values[2];
  std::from_chars(port.data(), port.data() + port.size(), arguments.server.port);
  if (!address || arguments.server.port == 0) return 2;
  arguments.server.address = *address;
  arguments.secret = values[3];
  arguments.method = values[4];
  arguments.user = values[5];
  arguments.password = values[6];
  arguments.files.assign(values + arguments_min, values + count);
  return converse(arguments);
}
