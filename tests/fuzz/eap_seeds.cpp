// Rewrites the seed corpora of the EAP and RADIUS targets: the packets of conversations that work.
//
// usage: fuzz_eap_seeds CORPUS_FOLDER

#include <filesystem>
#include <fstream>
#include <iostream>

#include "crypto/openssl/legacy.h"
#include "eap/client.h"
#include "eap/server.h"
#include "fuzz/eap_input.h"
#include "fuzz/null_tls.h"

namespace {

using namespace caponier;

class OneUser final : public eap::Passwords {
 public:
  [[nodiscard]] std::optional<eap::Password> find(std::string_view /*user*/) const override {
    return eap::Cleartext{base::SecretBytes{base::as_bytes("password")}};
  }
};

void write(const std::filesystem::path& path, base::Bytes bytes) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream{path, std::ios::binary} << base::as_text(bytes);
}

/// Both sides of one conversation: what a server hears, and what a client hears.
void record(const std::filesystem::path& folder, std::string_view name, eap::Type type,
            eap::Type inner, std::uint8_t options) {
  const auto version =
      (options & fuzz::option_tls13) != 0 ? eap::TlsVersion::tls13 : eap::TlsVersion::tls12;
  const fuzz::NullTlsContext server_tls{eap::TlsRole::server, version};
  const fuzz::NullTlsContext client_tls{eap::TlsRole::client, version};
  const crypto::OpensslLegacy legacy;
  base::SeededRng rng{2};
  const OneUser users;
  const eap::Password password = eap::Cleartext{base::SecretBytes{base::as_bytes("password")}};
  eap::ServerSettings server_settings;
  server_settings.methods = {type};
  server_settings.inner_methods = {inner};
  eap::ClientSettings client_settings;
  client_settings.methods = {type};
  client_settings.inner_methods = {inner};
  client_settings.identity = "alice";
  client_settings.demand_key = false;
  using Inner = eap::ClientSettings::TtlsInner;
  client_settings.ttls_inner = (options & fuzz::option_inner_pap) != 0        ? Inner::pap
                               : (options & fuzz::option_inner_mschapv2) != 0 ? Inner::mschapv2
                                                                              : Inner::eap;
  eap::EapServer server{server_settings, {legacy, rng, &users, &server_tls}};
  eap::EapClient client{client_settings, {legacy, rng, &password, &client_tls}};
  base::Writer to_server;
  base::Writer to_client;
  to_server.u8(options);
  to_client.u8(options);
  eap::Step step = server.start({});
  while (const auto* send = std::get_if<eap::Send>(&step)) {
    fuzz::write_packet(to_client, send->packet);
    const eap::Step answer = client.handle(send->packet, {});
    const auto* response = std::get_if<eap::Send>(&answer);
    if (response == nullptr) break;
    fuzz::write_packet(to_server, response->packet);
    step = server.handle(response->packet, {});
  }
  const auto* success = std::get_if<eap::Success>(&step);
  if (success == nullptr) std::cerr << name << " does not succeed\n";
  if (success != nullptr) fuzz::write_packet(to_client, success->packet);
  const auto target = std::string{eap::name_of(type)};
  const auto file = std::string{name};
  write(folder / ("eap_server_" + target) / file, to_server.view());
  write(folder / ("eap_client_" + target) / file, to_client.view());
}

void write_hex(const std::filesystem::path& path, std::string_view digits) {
  write(path, base::from_hex(digits).value_or(base::ByteVec{}));
}

}  // namespace

int main(int count, char** values) {
  if (count != 2) return 2;
  const std::filesystem::path folder = values[1];
  using eap::Type;
  record(folder, "plain", Type::md5_challenge, Type::none, 0);
  record(folder, "plain", Type::mschapv2, Type::none, 0);
  for (const std::uint8_t version : {std::uint8_t{0}, fuzz::option_tls13}) {
    const std::string tail = version == 0 ? "_12" : "_13";
    const auto with = [&](std::uint8_t option) {
      return static_cast<std::uint8_t>(version | option);
    };
    record(folder, "plain" + tail, Type::tls, Type::none, version);
    record(folder, "eap" + tail, Type::ttls, Type::mschapv2, version);
    record(folder, "pap" + tail, Type::ttls, Type::none, with(fuzz::option_inner_pap));
    record(folder, "mschapv2" + tail, Type::ttls, Type::none, with(fuzz::option_inner_mschapv2));
    record(folder, "mschapv2" + tail, Type::peap, Type::mschapv2, version);
    record(folder, "gtc" + tail, Type::peap, Type::gtc, version);
  }
  // Options, then attributes: type, size of the value, value.
  write_hex(folder / "radius_answer" / "accept",
            "014f040302000408040a0900070b0573746166661b0400000e10");
  write_hex(folder / "radius_answer" / "challenge", "034f060102000615011804aabbccdd");
  write_hex(folder / "radius_answer" / "reject", "054f040402000412026e6f");
  write_hex(folder / "radius_answer" / "unsealed", "0002010014000102030405060708090a0b0c0d0e0f");
  write_hex(folder / "radius_answer" / "keys", "011a3a0000013711348000" + std::string(96, '5') +
                                                   "1a3a0000013710348001" + std::string(96, '6'));
  write_hex(folder / "radius_dynamic" / "disconnect", "010105616c696365370465530f00");
  write_hex(folder / "radius_dynamic" / "coa", "032c04306131621b04000000ff0b06677565737473");
  write_hex(folder / "radius_dynamic" / "unsealed", "002801001400000000000000000000000000000000");
  return 0;
}
