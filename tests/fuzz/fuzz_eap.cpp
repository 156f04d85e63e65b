// One method of EAP, one side: whatever the other side says, every step is well formed, the
// conversation ends, and nobody who lacks the password succeeds.

#include "crypto/openssl/legacy.h"
#include "eap/client.h"
#include "eap/server.h"
#include "fuzz/eap_input.h"
#include "fuzz/fuzz.h"
#include "fuzz/null_tls.h"

namespace {

using namespace caponier;
using fuzz::require;

constexpr auto type = static_cast<eap::Type>(CAPONIER_FUZZ_EAP);
constexpr base::Instant no_time{};

eap::TlsVersion version_of(std::uint8_t options) {
  return (options & fuzz::option_tls13) != 0 ? eap::TlsVersion::tls13 : eap::TlsVersion::tls12;
}

/// Checks a step; whether the conversation goes on.
bool check(const eap::Step& step, eap::Code code, std::uint8_t& identifier) {
  const auto* send = std::get_if<eap::Send>(&step);
  if (send != nullptr) {
    const auto packet = eap::Packet::decode(send->packet);
    require(packet && packet->code == code, "what is sent decodes");
    identifier = packet->identifier;
  }
  if (const auto* failure = std::get_if<eap::Failure>(&step)) {
    require(!failure->sentence.empty(), "a failure says why");
  }
  require(!std::holds_alternative<eap::Wait>(step), "nothing to wait for");
  return send != nullptr;
}

#ifdef CAPONIER_FUZZ_EAP_CLIENT

void run(std::uint8_t options, base::Reader& in) {
  base::SeededRng rng{1};
  const crypto::OpensslLegacy legacy;
  base::SecretBytes secret{16};
  rng.fill_secret(secret.reveal_mutable());
  const eap::Password password = eap::Cleartext{std::move(secret)};
  const fuzz::NullTlsContext tls{eap::TlsRole::client, version_of(options)};
  eap::ClientSettings settings;
  settings.methods = {type};
  settings.inner_methods = {eap::Type::mschapv2, eap::Type::gtc, eap::Type::md5_challenge};
  settings.identity = "alice";
  settings.demand_key = type != eap::Type::md5_challenge;
  using Inner = eap::ClientSettings::TtlsInner;
  settings.ttls_inner = (options & fuzz::option_inner_pap) != 0        ? Inner::pap
                        : (options & fuzz::option_inner_mschapv2) != 0 ? Inner::mschapv2
                                                                       : Inner::eap;
  eap::EapClient client{settings, {legacy, rng, &password, &tls}};
  std::uint8_t identifier = 0;
  bool goes_on = true;
  while (goes_on) {
    const auto packet = fuzz::next_packet(in, identifier);
    if (!packet) return;
    const eap::Step step = client.handle(*packet, no_time);
    goes_on = check(step, eap::Code::response, identifier);
    const bool is_success = std::holds_alternative<eap::Success>(step);
    require(!is_success || type != eap::Type::mschapv2, "a server proves the password");
  }
  require(std::holds_alternative<eap::Failure>(client.handle({}, no_time)), "the end is the end");
}

#else

/// Random, unknown to every input.
class OneUser final : public eap::Passwords {
 public:
  explicit OneUser(base::Rng& rng) { rng.fill_secret(secret_.reveal_mutable()); }
  [[nodiscard]] std::optional<eap::Password> find(std::string_view user) const override {
    if (user != "alice") return std::nullopt;
    return eap::Cleartext{secret_.duplicate()};
  }

 private:
  base::SecretBytes secret_{16};
};

void run(std::uint8_t options, base::Reader& in) {
  base::SeededRng rng{1};
  const crypto::OpensslLegacy legacy;
  const OneUser users{rng};
  const fuzz::NullTlsContext tls{eap::TlsRole::server, version_of(options)};
  eap::ServerSettings settings;
  settings.methods = {type};
  settings.inner_methods = {eap::Type::mschapv2, eap::Type::gtc, eap::Type::md5_challenge};
  eap::EapServer server{settings, {legacy, rng, &users, &tls}};
  std::uint8_t identifier = 0;
  check(server.start(no_time), eap::Code::request, identifier);
  bool goes_on = true;
  while (goes_on) {
    const auto packet = fuzz::next_packet(in, identifier);
    if (!packet) return;
    const eap::Step step = server.handle(*packet, no_time);
    goes_on = check(step, eap::Code::request, identifier);
    const bool is_success = std::holds_alternative<eap::Success>(step);
    require(!is_success || type == eap::Type::tls, "nobody without the password succeeds");
  }
  require(std::holds_alternative<eap::Failure>(server.handle({}, no_time)), "the end is the end");
}

#endif

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  base::Reader in{fuzz::bytes_of(data, size)};
  const auto options = in.u8("options");
  if (!options) return 0;
  run(*options, in);
  return 0;
}
