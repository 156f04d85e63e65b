// Any bytes as a whole outer packet with AH or ESP, and any bytes as a clear packet whose headers
// stay outside: what one engine protects another must open to the same, or refuse by name. The
// first byte chooses the SA and which of the two, the rest is the packet.

#include "base/rng.h"
#include "crypto/null/provider.h"
#include "fuzz/fuzz.h"
#include "ipsec/engine.h"
#include "wire/ip.h"

namespace {

using namespace caponier;
using base::Bytes;
using base::ByteVec;
using fuzz::require;

constexpr std::size_t packet_size_max = 4096;
constexpr crypto::CipherSuite mac{crypto::EncrId::null, 0, crypto::IntegId::hmac_sha2_256_128};

struct Choice {
  explicit Choice(std::uint8_t bits)
      : transport((bits & 1) != 0),
        ah((bits & 2) != 0),
        v6((bits & 4) != 0),
        esn((bits & 8) != 0),
        is_clear((bits & 16) != 0) {}
  bool transport;
  bool ah;
  bool v6;
  bool esn;
  bool is_clear;  ///< to be protected first
};

policy::TrafficSelectors everything() {
  return {policy::TrafficSelector::any(base::Family::v4),
          policy::TrafficSelector::any(base::Family::v6)};
}

policy::InstallSa make_sa(const Choice& choice) {
  policy::InstallSa sa;
  sa.id = {1};
  sa.connection = "site";
  sa.child = "net";
  sa.mode = choice.transport ? policy::SaMode::transport : policy::SaMode::tunnel;
  sa.protocol = choice.ah ? policy::SaProtocol::ah : policy::SaProtocol::esp;
  sa.suite = {mac, crypto::KeGroup::none, choice.esn};
  sa.spi_in = sa.spi_out = {0x01020304};
  for (policy::DirectionKeys* const keys : {&sa.keys_in, &sa.keys_out}) {
    keys->integ = base::SecretBytes{crypto::integ_key_size(mac)};
  }
  const auto address =
      base::IpAddress::lowest(choice.v6 ? base::Family::v6 : base::Family::v4).next().value();
  sa.path = {{address, 0}, {address, 0}};
  sa.local = sa.remote = everything();
  return sa;
}

/// All but what may be chosen anew: identification, flags and checksum of IPv4.
bool is_alike(Bytes sent, Bytes got) {
  if (sent.size() != got.size()) return false;
  const bool v4 = wire::ip_version(sent) == 4;
  for (std::size_t i = 0; i < sent.size(); ++i) {
    const bool may_differ = v4 && ((i >= 4 && i < 8) || i == 10 || i == 11);
    if (sent[i] != got[i] && !may_differ) return false;
  }
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1 || size > packet_size_max) return 0;
  const Choice choice{data[0]};
  const ByteVec input = base::to_vec(fuzz::bytes_of(data, size).subspan(1));
  base::SeededRng rng{1};
  const crypto::NullProvider provider{nullptr};
  ipsec::EngineLimits limits;
  limits.clamp_mss = false;
  ipsec::Engine engine{limits, rng, provider};
  engine.set_policies({{ipsec::PolicyAction::protect, "site", "net", everything(), everything()}});
  require(engine.install(make_sa(choice), {}).has_value(), "the SA can be installed");
  engine.set_path_mtu({1}, packet_size_max + 512);

  ipsec::PacketBuffer packet{packet_size_max + 512};
  packet.assign(input);
  ipsec::OpenItem opened;
  opened.packet = &packet;
  opened.protocol = choice.ah ? policy::SaProtocol::ah : policy::SaProtocol::esp;
  opened.is_whole = true;
  if (choice.is_clear) {
    ipsec::ProtectItem item;
    item.packet = &packet;
    engine.protect({&item, 1}, {});
    if (item.verdict != ipsec::Verdict::forward || !item.is_whole) return 0;
    require(!choice.ah || wire::ip_version(packet.bytes()) != 0, "AH is a whole packet");
  }
  engine.open({&opened, 1}, {});
  if (opened.verdict != ipsec::Verdict::forward) {
    // In transport mode an IPv6 packet with No Next Header is what a dummy looks like.
    require(!choice.is_clear || opened.drop == base::DropReason::esp_malformed ||
                opened.drop == base::DropReason::esp_bad_inner ||
                (choice.transport && opened.drop == base::DropReason::esp_dummy),
            "what is not delivered had not arrived, or was no packet");
    return 0;
  }
  const auto upper = wire::upper_layer(packet.bytes());
  require(upper.has_value() && upper->end == packet.size(), "what is delivered is exactly IP");
  const std::size_t plain_size = std::min(packet.size(), input.size());
  require(!choice.is_clear || is_alike(Bytes{input}.first(plain_size), packet.bytes()),
          "what was protected comes out again");
  return 0;
}
