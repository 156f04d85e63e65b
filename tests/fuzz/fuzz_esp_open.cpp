// Any bytes as an ESP packet, and any bytes as what an authenticated peer put inside one. The first
// byte chooses the SA and which of the two, the second is the outer TOS, the rest is the packet.

#include "base/rng.h"
#include "crypto/null/provider.h"
#include "fuzz/fuzz.h"
#include "ipsec/engine.h"
#include "wire/esp.h"
#include "wire/ip.h"

namespace {

using namespace caponier;
using base::Bytes;
using base::ByteVec;
using fuzz::require;

constexpr base::Spi spi{0x01020304};
constexpr std::size_t packet_size_max = 4096;

constexpr crypto::CipherSuite aes_gcm{crypto::EncrId::aes_gcm_16, 128, crypto::IntegId::none};
constexpr crypto::CipherSuite aes_cbc{crypto::EncrId::aes_cbc, 128,
                                      crypto::IntegId::hmac_sha2_256_128};

struct Choice {
  explicit Choice(std::uint8_t bits)
      : transport((bits & 1) != 0),
        udp_encap((bits & 2) != 0),
        v6((bits & 4) != 0),
        esn((bits & 8) != 0),
        sealed((bits & 16) != 0),
        suite((bits & 32) != 0 ? aes_cbc : aes_gcm) {}
  bool transport;
  bool udp_encap;
  bool v6;
  bool esn;
  bool sealed;  ///< the input is plaintext, to be sealed with the SA's key first
  crypto::CipherSuite suite;
};

policy::DirectionKeys make_keys(const crypto::CipherSuite& suite) {
  return {base::SecretBytes{crypto::encr_key_size(suite)},
          base::SecretBytes{crypto::integ_key_size(suite)}};
}

/// The lower half of all addresses, so that selectors have something to refuse.
policy::TrafficSelectors selectors() {
  policy::TrafficSelectors all;
  for (const base::Family family : {base::Family::v4, base::Family::v6}) {
    const base::IpAddress lowest = base::IpAddress::lowest(family);
    all.push_back({lowest, lowest.with_low_bits(1, true)});
  }
  return all;
}

policy::InstallSa make_sa(const Choice& choice) {
  policy::InstallSa sa;
  sa.id = {1};
  sa.connection = "site";
  sa.child = "net";
  sa.mode = choice.transport ? policy::SaMode::transport : policy::SaMode::tunnel;
  sa.suite = {choice.suite, crypto::KeGroup::none, choice.esn};
  sa.spi_in = spi;
  sa.spi_out = spi;
  sa.keys_in = make_keys(choice.suite);
  sa.keys_out = make_keys(choice.suite);
  const auto address =
      base::IpAddress::lowest(choice.v6 ? base::Family::v6 : base::Family::v4).next().value();
  sa.path = {{address, 4500}, {address, 4500}};
  sa.udp_encap = choice.udp_encap;
  sa.peer_behind_nat = choice.udp_encap;
  sa.local = selectors();
  sa.remote = selectors();
  return sa;
}

ByteVec sealed(Bytes text, const Choice& choice, const crypto::CryptoProvider& provider,
               base::Rng& rng) {
  const policy::DirectionKeys keys = make_keys(choice.suite);
  const auto cipher =
      provider.make_cipher(choice.suite, keys.encr.reveal(), keys.integ.reveal(), rng).value();
  // The last bytes are the trailer: missing ones come in front.
  const std::size_t alignment = std::max<std::size_t>(4, cipher->block_size());
  const std::size_t text_size =
      std::max<std::size_t>(alignment, (text.size() + alignment - 1) / alignment * alignment);
  ByteVec esp(wire::esp_header_size + cipher->iv_size() + text_size + cipher->icv_size());
  const base::MutBytes all{esp};
  wire::write_esp_header(all, spi, 1);
  crypto::PacketJob job;
  job.header = all.first(wire::esp_header_size);
  if (choice.esn) job.esn_high = 0;
  job.iv = all.subspan(wire::esp_header_size, cipher->iv_size());
  job.text = all.subspan(wire::esp_header_size + cipher->iv_size(), text_size);
  base::copy_into(job.text.first(text.size()), text);
  job.icv = all.last(cipher->icv_size());
  job.iv_counter = 1;
  cipher->seal({&job, 1});
  require(job.ok, "the test's own packet can be sealed");
  return esp;
}

void check_delivered(ipsec::Engine& engine, ipsec::PacketBuffer& packet) {
  const auto upper = wire::upper_layer(packet.bytes());
  require(upper.has_value() && upper->end == packet.size(), "what is delivered is exactly IP");
  const auto fields = wire::selector_fields(packet.bytes());
  require(fields.has_value(), "what is delivered has selector fields");
  require(policy::matches_any(selectors(), fields->source, fields->protocol, fields->has_ports,
                              fields->source_port) &&
              policy::matches_any(selectors(), fields->destination, fields->protocol,
                                  fields->has_ports, fields->destination_port),
          "what is delivered is within the selectors");
  const std::uint64_t drops = engine.drops().total();
  ipsec::ProtectItem item;
  item.packet = &packet;
  engine.protect({&item, 1}, {});
  require((item.verdict == ipsec::Verdict::drop) == (engine.drops().total() == drops + 1),
          "a dropped packet counts once");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2 || size > packet_size_max) return 0;
  const Choice choice{data[0]};
  const Bytes input = fuzz::bytes_of(data, size).subspan(2);
  base::SeededRng rng{1};
  const crypto::NullProvider provider{nullptr};
  ipsec::Engine engine{{}, rng, provider};
  engine.set_policies({{ipsec::PolicyAction::protect, "site", "net", selectors(), selectors()}});
  require(engine.install(make_sa(choice), {}).has_value(), "the SA can be installed");

  const ByteVec esp = choice.sealed ? sealed(input, choice, provider, rng) : base::to_vec(input);
  ipsec::PacketBuffer first{packet_size_max + 64};
  ipsec::PacketBuffer second{packet_size_max + 64};
  first.assign(esp);
  second.assign(esp);
  ipsec::OpenItem items[2];
  items[0].packet = &first;
  items[1].packet = &second;
  items[0].outer_tos = items[1].outer_tos = data[1];
  engine.open(items, {});
  require(items[1].verdict == ipsec::Verdict::drop, "the same packet never passes twice");
  const bool delivered = items[0].verdict == ipsec::Verdict::forward;
  require(engine.drops().total() == (delivered ? 1 : 2), "a dropped packet counts once");
  if (delivered) check_delivered(engine, first);
  while (engine.poll_notice().has_value()) {
  }
  return 0;
}
