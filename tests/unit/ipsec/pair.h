#pragma once
// Two engines whose associations mirror each other, and packets to send between them.

#include <algorithm>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/rng.h"
#include "crypto/null/provider.h"
#include "ipsec/engine.h"
#include "wire/checksum.h"
#include "wire/ip.h"
#include "wire/ip_packet.h"
#include "wire/udp.h"

namespace caponier::ipsec::test {

using base::Bytes;
using base::ByteVec;
using base::DropReason;
using base::Instant;
using base::IpAddress;

inline constexpr crypto::CipherSuite aes_gcm{crypto::EncrId::aes_gcm_16, 256,
                                             crypto::IntegId::none};
inline constexpr crypto::CipherSuite aes_cbc{crypto::EncrId::aes_cbc, 128,
                                             crypto::IntegId::hmac_sha2_256_128};

inline Instant at_seconds(long seconds) { return Instant{std::chrono::seconds{seconds}}; }
inline IpAddress ip(std::string_view text) { return IpAddress::parse(text).value(); }
inline policy::TrafficSelector prefix(std::string_view text, std::uint8_t protocol = 0,
                                      std::uint16_t first_port = 0,
                                      std::uint16_t last_port = 0xffff) {
  return policy::TrafficSelector::from_prefix(base::Prefix::parse(text).value(), protocol,
                                              first_port, last_port);
}

/// One Child SA as A sees it; B gets the mirror image.
struct Spec {
  std::uint64_t id = 1;
  policy::SaMode mode = policy::SaMode::tunnel;
  policy::SaProtocol protocol = policy::SaProtocol::esp;
  crypto::CipherSuite suite = aes_gcm;
  bool esn = true;
  bool udp_encap = false;
  bool b_behind_nat = false;  ///< A follows B's endpoint
  std::uint32_t window = 64;
  base::Path path{{ip("192.0.2.1"), 4500}, {ip("198.51.100.1"), 4500}};
  policy::TrafficSelectors a_nets{prefix("10.1.0.0/16"), prefix("2001:db8:1::/48")};
  policy::TrafficSelectors b_nets{prefix("10.2.0.0/16"), prefix("2001:db8:2::/48")};
  policy::Lifetime lifetime{};
  std::string child = "net";
  std::optional<policy::ResourceId> resource{};
};

inline policy::DirectionKeys make_keys(const crypto::CipherSuite& suite, std::uint8_t fill) {
  const auto key = [&](std::size_t size) {
    return base::SecretBytes{Bytes{ByteVec(size, std::byte{fill})}};
  };
  return {key(crypto::encr_key_size(suite)), key(crypto::integ_key_size(suite))};
}

inline base::Spi spi_to_a(const Spec& spec) {
  return {0xa0000000 + static_cast<std::uint32_t>(spec.id)};
}
inline base::Spi spi_to_b(const Spec& spec) {
  return {0xb0000000 + static_cast<std::uint32_t>(spec.id)};
}
inline std::uint8_t key_fill_to_a(const Spec& spec) {
  return static_cast<std::uint8_t>(0x10 + spec.id);
}
inline std::uint8_t key_fill_to_b(const Spec& spec) {
  return static_cast<std::uint8_t>(0x80 + spec.id);
}

inline policy::InstallSa install_for_a(const Spec& spec) {
  policy::InstallSa sa;
  sa.id = {spec.id};
  sa.connection = "site";
  sa.child = spec.child;
  sa.mode = spec.mode;
  sa.protocol = spec.protocol;
  sa.suite = {spec.suite, crypto::KeGroup::none, spec.esn};
  sa.spi_in = spi_to_a(spec);
  sa.spi_out = spi_to_b(spec);
  sa.keys_in = make_keys(spec.suite, key_fill_to_a(spec));
  sa.keys_out = make_keys(spec.suite, key_fill_to_b(spec));
  sa.path = spec.path;
  sa.udp_encap = spec.udp_encap;
  sa.peer_behind_nat = spec.b_behind_nat;
  sa.local = spec.a_nets;
  sa.remote = spec.b_nets;
  sa.lifetime = spec.lifetime;
  sa.replay_window = spec.window;
  sa.resource = spec.resource;
  return sa;
}

inline policy::InstallSa install_for_b(const Spec& spec) {
  policy::InstallSa sa = install_for_a(spec);
  std::swap(sa.spi_in, sa.spi_out);
  std::swap(sa.keys_in, sa.keys_out);
  std::swap(sa.path.local, sa.path.remote);
  std::swap(sa.local, sa.remote);
  sa.peer_behind_nat = false;
  sa.lifetime = {};
  return sa;
}

/// What left an engine's protect().
struct Protected {
  ProtectItem item;
  ByteVec esp;
};
struct Opened {
  OpenItem item;
  ByteVec packet;
};

inline constexpr std::size_t buffer_size = 4096;

/// All that the engine wants to be given again.
inline std::vector<ByteVec> take_all(Engine& engine, std::size_t capacity = buffer_size) {
  std::vector<ByteVec> packets;
  PacketBuffer buffer{capacity};
  PacketBuffer* const to = &buffer;
  while (engine.take_waiting({&to, 1}) == 1) {
    packets.push_back(base::to_vec(std::as_const(buffer).bytes()));
  }
  return packets;
}

inline std::vector<Protected> protect_all(Engine& engine, const std::vector<ByteVec>& packets,
                                          Instant now) {
  std::vector<PacketBuffer> buffers;
  std::vector<ProtectItem> items(packets.size());
  buffers.reserve(packets.size());
  for (std::size_t i = 0; i < packets.size(); ++i) {
    buffers.emplace_back(std::max(buffer_size, packets[i].size()));
    buffers[i].assign(packets[i]);
    items[i].packet = &buffers[i];
  }
  engine.protect(items, now);
  std::vector<Protected> out;
  for (std::size_t i = 0; i < packets.size(); ++i) {
    out.push_back({items[i], base::to_vec(std::as_const(buffers[i]).bytes())});
    out.back().item.packet = nullptr;
  }
  return out;
}

inline Protected protect_one(Engine& engine, const ByteVec& packet, Instant now = {}) {
  return protect_all(engine, {packet}, now).front();
}

inline std::vector<Opened> open_all(Engine& engine, const std::vector<ByteVec>& packets,
                                    const base::Path& path, Instant now, std::uint8_t outer_tos = 0,
                                    policy::SaProtocol protocol = policy::SaProtocol::esp,
                                    bool is_whole = false) {
  std::vector<PacketBuffer> buffers;
  std::vector<OpenItem> items(packets.size());
  buffers.reserve(packets.size());
  for (std::size_t i = 0; i < packets.size(); ++i) {
    buffers.emplace_back(std::max(buffer_size, packets[i].size()));
    buffers[i].assign(packets[i]);
    items[i].packet = &buffers[i];
    items[i].path = path;
    items[i].outer_tos = outer_tos;
    items[i].protocol = protocol;
    items[i].is_whole = is_whole;
  }
  engine.open(items, now);
  std::vector<Opened> out;
  for (std::size_t i = 0; i < packets.size(); ++i) {
    out.push_back({items[i], base::to_vec(std::as_const(buffers[i]).bytes())});
    out.back().item.packet = nullptr;
  }
  return out;
}

inline Opened open_one(Engine& engine, const ByteVec& packet, const base::Path& path = {},
                       Instant now = {}, std::uint8_t outer_tos = 0) {
  return open_all(engine, {packet}, path, now, outer_tos).front();
}
inline Opened open_whole(Engine& engine, const ByteVec& packet, policy::SaProtocol protocol) {
  return open_all(engine, {packet}, {}, {}, 0, protocol, true).front();
}

class Pair {
 public:
  explicit Pair(const Spec& first = {}, EngineLimits limits = {}) : Pair(first, limits, null_) {}
  Pair(const Spec& first, EngineLimits limits, const crypto::CryptoProvider& crypto)
      : spec(first), provider(crypto), a(limits, rng, crypto), b(limits, rng, crypto) {
    a.set_policies({{PolicyAction::protect, "site", spec.child, spec.a_nets, spec.b_nets}});
    b.set_policies({{PolicyAction::protect, "site", spec.child, spec.b_nets, spec.a_nets}});
    installed = install(spec);
  }

  bool install(const Spec& more, Instant now = {}) {
    return a.install(install_for_a(more), now).has_value() &&
           b.install(install_for_b(more), now).has_value();
  }

  /// What B makes of what A makes of `packet`; empty when either drops it.
  std::optional<ByteVec> a_to_b(const ByteVec& packet, Instant now = {}) {
    return pass(a, b, packet, now);
  }
  std::optional<ByteVec> b_to_a(const ByteVec& packet, Instant now = {}) {
    return pass(b, a, packet, now);
  }

  /// An ESP packet to B with any text, as only a holder of the keys can make it.
  ByteVec forge_to_b(Bytes text, std::uint64_t sequence) {
    const policy::DirectionKeys keys = make_keys(spec.suite, key_fill_to_b(spec));
    const auto cipher =
        provider.make_cipher(spec.suite, keys.encr.reveal(), keys.integ.reveal(), rng).value();
    ByteVec esp(8 + cipher->iv_size() + text.size() + cipher->icv_size());
    const base::MutBytes all{esp};
    base::store_be(all.data(), spi_to_b(spec).value);
    base::store_be(all.data() + 4, static_cast<std::uint32_t>(sequence));
    crypto::PacketJob job;
    job.header = all.first(8);
    if (spec.esn) job.esn_high = static_cast<std::uint32_t>(sequence >> 32);
    job.iv = all.subspan(8, cipher->iv_size());
    job.text = all.subspan(8 + cipher->iv_size(), text.size());
    base::copy_into(job.text, text);
    job.icv = all.last(cipher->icv_size());
    job.iv_counter = 1'000'000 + sequence;
    cipher->seal({&job, 1});
    return esp;
  }

  Spec spec;
  base::SeededRng rng{1};
  crypto::NullProvider null_{nullptr};
  const crypto::CryptoProvider& provider;
  Engine a;
  Engine b;
  bool installed = false;

 private:
  static std::optional<ByteVec> pass(Engine& from, Engine& to, const ByteVec& packet, Instant now) {
    const Protected sent = protect_one(from, packet, now);
    if (sent.item.verdict != Verdict::forward) return std::nullopt;
    const base::Path path{sent.item.path.remote, sent.item.path.local};
    const Opened got =
        open_all(to, {sent.esp}, path, now, sent.item.tos, sent.item.protocol, sent.item.is_whole)
            .front();
    if (got.item.verdict != Verdict::forward) return std::nullopt;
    return got.packet;
  }
};

inline ByteVec udp_packet(std::string_view from, std::string_view to, std::size_t payload,
                          std::uint16_t from_port = 1000, std::uint16_t to_port = 2000) {
  ByteVec data(payload);
  for (std::size_t i = 0; i < payload; ++i) data[i] = static_cast<std::byte>(i * 7 + 3);
  return wire::make_udp_packet({ip(from), from_port}, {ip(to), to_port}, data);
}
inline ByteVec v4_packet(std::size_t payload = 100) {
  return udp_packet("10.1.0.5", "10.2.0.9", payload);
}
inline ByteVec v6_packet(std::size_t payload = 100) {
  return udp_packet("2001:db8:1::5", "2001:db8:2::9", payload);
}

/// Rewrites an IPv4 header's word and its checksum.
inline void set_v4_word(ByteVec& packet, std::size_t at, std::uint16_t value) {
  base::store_be(packet.data() + at, value);
  base::store_be<std::uint16_t>(packet.data() + 10, 0);
  base::store_be(packet.data() + 10, wire::internet_checksum(Bytes{packet}.first(20)));
}
inline ByteVec without_df(ByteVec packet) {
  set_v4_word(packet, 6, 0);
  return packet;
}

/// A SYN with an MSS option, checksums correct.
inline ByteVec syn_packet(std::string_view from, std::string_view to, std::uint16_t mss) {
  constexpr std::size_t segment_size = 24;
  ByteVec packet = wire::make_ip_packet({ip(from), ip(to), wire::ip_protocol::tcp}, segment_size);
  const base::MutBytes tcp = base::MutBytes{packet}.last(segment_size);
  base::store_be<std::uint16_t>(tcp.data(), 40000);
  base::store_be<std::uint16_t>(tcp.data() + 2, 443);
  tcp[12] = std::byte{0x60};
  tcp[13] = std::byte{0x02};
  tcp[20] = std::byte{2};
  tcp[21] = std::byte{4};
  base::store_be(tcp.data() + 22, mss);
  base::store_be(tcp.data() + 16,
                 wire::transport_checksum(ip(from), ip(to), wire::ip_protocol::tcp, tcp));
  return packet;
}

/// The transport checksum of an IP packet without options holds.
inline bool has_good_checksum(Bytes packet) {
  const auto upper = wire::upper_layer(packet).value();
  const auto fields = wire::selector_fields(packet).value();
  const Bytes segment = packet.subspan(upper.offset, upper.end - upper.offset);
  return wire::transport_checksum(fields.source, fields.destination, upper.protocol, segment) == 0;
}

template <class T>
std::vector<T> notices_of(Engine& engine) {
  std::vector<T> found;
  while (auto notice = engine.poll_notice()) {
    if (T* const match = std::get_if<T>(&*notice)) found.push_back(std::move(*match));
  }
  return found;
}

}  // namespace caponier::ipsec::test
