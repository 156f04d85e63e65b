#include "ipsec/ah.h"

#include <gtest/gtest.h>

#include "crypto/openssl/provider.h"
#include "unit/ipsec/header_packets.h"
#include "unit/ipsec/pair.h"
#include "wire/ah.h"
#include "wire/icmp.h"

namespace caponier::ipsec::test {
namespace {

constexpr std::size_t v4_size = wire::ipv4_header_size_min;
constexpr std::size_t v6_size = wire::ipv6_header_size;

crypto::CipherSuite mac(crypto::IntegId integ) { return {crypto::EncrId::null, 0, integ}; }

std::vector<crypto::IntegId> all_macs() {
  std::vector<crypto::IntegId> macs;
  for (const crypto::IntegInfo& info : crypto::all_integ()) macs.push_back(info.id);
  return macs;
}

Spec ah_tunnel(bool outer_v4 = true) {
  Spec spec;
  spec.protocol = policy::SaProtocol::ah;
  spec.suite = mac(crypto::IntegId::hmac_sha2_256_128);
  spec.path = outer_v4 ? base::Path{{ip(host_a), 0}, {ip(host_b), 0}}
                       : base::Path{{ip(host6_a), 0}, {ip(host6_b), 0}};
  return spec;
}

Spec ah_transport(bool v4 = true) {
  Spec spec = ah_tunnel(v4);
  spec.mode = policy::SaMode::transport;
  spec.a_nets = {prefix(spec.path.local.address.to_string())};
  spec.b_nets = {prefix(spec.path.remote.address.to_string())};
  return spec;
}

const crypto::CryptoProvider& openssl() {
  static const crypto::OpensslProvider provider;
  return provider;
}

/// HMAC-SHA-256-128 of B's inbound key, computed without any of the code under test.
ByteVec hmac_to_b(const Spec& spec, Bytes text) {
  const auto prf = openssl().make_prf(crypto::PrfId::hmac_sha2_256).value();
  const ByteVec key(32, std::byte{key_fill_to_b(spec)});
  const std::array<Bytes, 1> parts{text};
  return base::to_vec(prf->compute(key, parts).reveal().first(16));
}

void zero(ByteVec& bytes, std::size_t at, std::size_t count) {
  std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), count, std::byte{0});
}

void append_u32(ByteVec& bytes, std::uint32_t value) {
  bytes.resize(bytes.size() + 4);
  base::store_be(&bytes[bytes.size() - 4], value);
}

std::optional<DropReason> reason_of(const Opened& opened) {
  if (opened.item.verdict == Verdict::forward) return std::nullopt;
  return opened.item.drop;
}

Opened open_ah(Engine& engine, const ByteVec& packet) {
  return open_whole(engine, packet, policy::SaProtocol::ah);
}

//= rfc4302#2-1 rfc4302#2.3-1 rfc4302#2.6-1 type=test
TEST(Ah, an_ipv4_tunnel_packet_is_as_the_rfc_draws_it) {
  Pair pair{ah_tunnel(), {}, openssl()};
  const ByteVec inner = v4_packet(33);
  const Protected sent = protect_one(pair.a, inner);
  ASSERT_EQ(sent.item.verdict, Verdict::forward);
  EXPECT_TRUE(sent.item.is_whole);
  EXPECT_EQ(sent.item.protocol, policy::SaProtocol::ah);
  ASSERT_EQ(sent.esp.size(), v4_size + 28 + inner.size());

  const auto header = wire::Ipv4View::checked(sent.esp).value();
  EXPECT_EQ(header.total_length(), sent.esp.size());
  EXPECT_EQ(header.protocol(), 51);
  EXPECT_EQ(header.source(), ip(host_a));
  EXPECT_EQ(header.destination(), ip(host_b));
  EXPECT_NE(header.identification(), 0);
  EXPECT_EQ(wire::internet_checksum(header.header()), 0);

  ByteVec model = sent.esp;  // RFC 4302 s3.3.3.1.1
  zero(model, 1, 1);
  zero(model, 6, 3);
  zero(model, 10, 2);
  EXPECT_EQ(model[v4_size], std::byte{4});      // next header
  EXPECT_EQ(model[v4_size + 1], std::byte{5});  // 28 octets: 7 words, less 2
  EXPECT_EQ(base::load_be<std::uint16_t>(&model[v4_size + 2]), 0);
  EXPECT_EQ(base::load_be<std::uint32_t>(&model[v4_size + 4]), spi_to_b(pair.spec).value);
  EXPECT_EQ(base::load_be<std::uint32_t>(&model[v4_size + 8]), 1u);
  const ByteVec icv = base::to_vec(Bytes{model}.subspan(v4_size + 12, 16));
  zero(model, v4_size + 12, 16);
  append_u32(model, 0);  // the upper half of the sequence number
  EXPECT_EQ(icv, hmac_to_b(pair.spec, model));
  EXPECT_EQ(base::to_vec(Bytes{sent.esp}.last(inner.size())), inner);
}

//= rfc4302#2-1 rfc4302#2.6-1 type=test
TEST(Ah, an_ipv6_transport_packet_is_padded_to_64_bits) {
  Spec spec = ah_transport(false);
  spec.esn = false;
  Pair pair{spec, {}, openssl()};
  const ByteVec plain = udp_packet(host6_a, host6_b, 33);
  const Protected sent = protect_one(pair.a, plain);
  ASSERT_EQ(sent.item.verdict, Verdict::forward);
  ASSERT_EQ(sent.esp.size(), plain.size() + 32);  // 12 + 16, and 4 of padding
  ByteVec model = plain;
  const ByteVec ah(32);
  model.insert(model.begin() + v6_size, ah.begin(), ah.end());
  base::store_be<std::uint16_t>(&model[4], static_cast<std::uint16_t>(model.size() - v6_size));
  model[6] = std::byte{51};
  model[7] = std::byte{0};
  model[v6_size] = std::byte{17};
  model[v6_size + 1] = std::byte{6};
  base::store_be(&model[v6_size + 4], spi_to_b(spec).value);
  base::store_be<std::uint32_t>(&model[v6_size + 8], 1);
  EXPECT_EQ(base::to_vec(Bytes{sent.esp}.subspan(v6_size + 12, 16)), hmac_to_b(spec, model));
  EXPECT_EQ(base::to_vec(Bytes{sent.esp}.subspan(v6_size + 28, 4)), ByteVec(4));
}

//= rfc4302#5-4 type=test
TEST(Ah, every_mac_round_trips_in_both_modes_and_families) {
  for (const crypto::IntegId integ : all_macs()) {
    for (const bool v4 : {true, false}) {
      for (const bool esn : {true, false}) {
        Spec tunnel = ah_tunnel(v4);
        Spec transport = ah_transport(v4);
        tunnel.suite = transport.suite = mac(integ);
        tunnel.esn = transport.esn = esn;
        Pair in_tunnel{tunnel, {}, openssl()};
        Pair in_transport{transport, {}, openssl()};
        ASSERT_TRUE(in_tunnel.installed && in_transport.installed);
        for (std::size_t size = 0; size < 300; size += 7) {
          for (const ByteVec& packet : {v4_packet(size), v6_packet(size)}) {
            EXPECT_EQ(in_tunnel.a_to_b(packet), packet);
          }
          const ByteVec packet = host_packet(v4, size);
          EXPECT_EQ(in_transport.a_to_b(packet), packet) << crypto::to_string(transport.suite);
        }
        EXPECT_EQ(in_tunnel.b.drops().total() + in_transport.b.drops().total(), 0u);
      }
    }
  }
}

//= rfc4301#4.1-8 type=test
TEST(Ah, what_routers_change_does_no_harm) {
  for (const bool v4 : {true, false}) {
    Pair pair{ah_transport(v4)};
    ByteVec sent = protect_one(pair.a, host_packet(v4, 50)).esp;
    if (v4) {
      sent[1] = std::byte{0xb9};                         // DSCP, ECN
      set_v4_word(sent, 6, 0);                           // DF
      set_v4_word(sent, 8, std::uint16_t{3} << 8 | 51);  // TTL
    } else {
      base::store_be<std::uint32_t>(sent.data(), 0x6b9abcde);  // class and flow label
      sent[7] = std::byte{3};                                  // hop limit
    }
    const Opened got = open_ah(pair.b, sent);
    EXPECT_EQ(reason_of(got), std::nullopt);
    EXPECT_EQ(wire::selector_fields(got.packet).value().protocol, 17);
  }
}

//= rfc4302#3.4.3-7 rfc4302#3.4.4-1 type=test
TEST(Ah, any_other_change_is_noticed) {
  for (const bool v4 : {true, false}) {
    Pair pair{ah_transport(v4)};
    const ByteVec sent = protect_one(pair.a, host_packet(v4, 50)).esp;
    const std::set<std::size_t> may_change =
        v4 ? std::set<std::size_t>{1, 6, 7, 8, 10, 11} : std::set<std::size_t>{0, 1, 2, 3, 7};
    const std::size_t header = v4 ? v4_size : v6_size;
    for (std::size_t at = 0; at < sent.size(); ++at) {
      if (may_change.contains(at)) continue;
      ByteVec changed = sent;
      changed[at] ^= std::byte{1};
      const Opened got = open_ah(pair.b, changed);
      EXPECT_EQ(got.item.verdict, Verdict::drop) << at;
      if (at >= header + wire::ah_fixed_size) {
        EXPECT_EQ(got.item.drop, DropReason::esp_bad_icv) << at;
      }
    }
    EXPECT_EQ(reason_of(open_ah(pair.b, sent)), std::nullopt);
    EXPECT_EQ(reason_of(open_ah(pair.b, sent)), DropReason::esp_replay);
  }
}

//= rfc4302#2.5.1-1 rfc4302#3.4.3-6 type=test
TEST(Ah, extended_sequence_numbers_wrap_unseen) {
  Pair pair{ah_tunnel(), {}, openssl()};
  pair.a.advance_sequence({1}, 0x70000000);
  EXPECT_TRUE(pair.a_to_b(v4_packet()));
  pair.a.advance_sequence({1}, 0xfffffffe);
  EXPECT_TRUE(pair.a_to_b(v4_packet()));
  EXPECT_TRUE(pair.a_to_b(v4_packet()));
  EXPECT_TRUE(pair.a_to_b(v4_packet()));
  // After a gap of a whole half the receiver guesses (RFC 4302 appendix B3).
  pair.a.advance_sequence({1}, 0x2'8000'0000);
  bool came_through = false;
  for (int i = 0; i < 70 && !came_through; ++i) came_through = pair.a_to_b(v4_packet()).has_value();
  EXPECT_TRUE(came_through);
}

std::uint32_t sequence_of_next(Pair& pair) {
  return base::load_be<std::uint32_t>(&protect_one(pair.a, v4_packet()).esp[v4_size + 8]);
}

//= rfc4302#2.5-1..5 rfc4302#3.3.2-1 type=test
TEST(Ah, sequence_numbers_count_from_one_and_never_wrap_without_esn) {
  for (const std::uint32_t window : {0U, 64U}) {
    Spec spec = ah_tunnel();
    spec.esn = false;
    spec.window = window;
    Pair pair{spec};
    for (std::uint32_t expected = 1; expected < 100; ++expected) {
      ASSERT_EQ(sequence_of_next(pair), expected);
    }
    pair.a.advance_sequence({1}, 0xfffffffd);
    EXPECT_EQ(sequence_of_next(pair), 0xfffffffe);
    EXPECT_EQ(sequence_of_next(pair), 0xffffffff);
    EXPECT_EQ(protect_one(pair.a, v4_packet()).item.drop, DropReason::clear_sequence_limit);
    const auto expired = notices_of<Expired>(pair.a);
    ASSERT_EQ(expired.size(), 2u);
    EXPECT_FALSE(expired[0].hard) << "in time for a new SA";
    EXPECT_TRUE(expired[1].hard);
  }
}

//= rfc4302#2.5-3 rfc4302#3.4.3-1 rfc4302#3.4.3-3..5 rfc4302#3.4.3-9..10 type=test
TEST(Ah, each_packet_of_the_window_is_accepted_once_and_none_before_it) {
  for (const std::uint32_t window : {32U, 64U, 1000U}) {
    Spec spec = ah_tunnel();
    spec.esn = false;
    spec.window = window;
    Pair pair{spec};
    std::vector<ByteVec> sent;
    for (std::uint32_t i = 0; i <= window; ++i) {
      sent.push_back(protect_one(pair.a, v4_packet()).esp);
    }
    for (std::uint32_t i = window; i > 0; --i) {
      EXPECT_EQ(reason_of(open_ah(pair.b, sent[i])), std::nullopt) << i;
    }
    for (std::uint32_t i = 0; i <= window; ++i) {
      sent[i].back() ^= std::byte{1};  // seen before anybody computes an ICV
      EXPECT_EQ(reason_of(open_ah(pair.b, sent[i])), DropReason::esp_replay) << i;
    }
  }
  Spec unchecked = ah_tunnel();
  unchecked.window = 0;
  Pair pair{unchecked};
  const ByteVec sent = protect_one(pair.a, v4_packet()).esp;
  EXPECT_EQ(reason_of(open_ah(pair.b, sent)), std::nullopt);
  EXPECT_EQ(reason_of(open_ah(pair.b, sent)), std::nullopt);
}

//= rfc4302#2.4-1 type=test
TEST(Ah, one_spi_may_name_an_sa_of_each_protocol) {
  Pair pair{ah_tunnel()};
  Spec esp;
  esp.id = 1;
  policy::InstallSa other = install_for_b(esp);
  other.id = {2};
  ASSERT_TRUE(pair.b.install(std::move(other), {}).has_value());
  const ByteVec sent = protect_one(pair.a, v4_packet()).esp;
  EXPECT_EQ(open_ah(pair.b, sent).item.sa, policy::ChildSaId{1});
  ByteVec as_esp = sent;
  as_esp[9] = std::byte{50};
  const Opened got = open_whole(pair.b, as_esp, policy::SaProtocol::esp);
  EXPECT_EQ(reason_of(got), DropReason::esp_no_sa);
}

//= rfc4302#3.4.1-1 rfc4302#3.4.2-1 type=test
TEST(Ah, what_is_no_whole_ah_packet_is_dropped_by_name) {
  Pair pair{ah_tunnel()};
  const ByteVec sent = protect_one(pair.a, v4_packet()).esp;
  const auto expect = [&](const ByteVec& packet, DropReason reason) {
    EXPECT_EQ(reason_of(open_ah(pair.b, packet)), reason);
  };
  for (std::size_t size = 0; size < sent.size(); ++size) {
    expect(base::to_vec(Bytes{sent}.first(size)), DropReason::esp_malformed);
  }
  ByteVec changed = sent;
  set_v4_word(changed, 6, 0x2000);
  expect(changed, DropReason::esp_malformed);  // a fragment
  changed = sent;
  changed[9] = std::byte{50};
  expect(changed, DropReason::esp_malformed);
  for (const unsigned length : {0U, 1U, 4U, 7U, 255U}) {
    changed = sent;
    changed[v4_size + 1] = std::byte{static_cast<std::uint8_t>(length)};
    expect(changed, DropReason::esp_malformed);
  }
  changed = sent;
  changed[v4_size + 4] ^= std::byte{1};
  expect(changed, DropReason::esp_no_sa);
  expect(v6_packet(), DropReason::esp_malformed);
}

/// The ICV of what lies in `packet`, an IPv4 tunnel packet without ESN, computed anew.
void seal_again(const Spec& spec, ByteVec& packet) {
  ByteVec model = packet;
  zero(model, 1, 1);
  zero(model, 6, 3);
  zero(model, 10, 2);
  zero(model, v4_size + 12, 16);
  base::copy_into(base::MutBytes{packet}.subspan(v4_size + 12), hmac_to_b(spec, model));
}

//= rfc4302#2.3-1 type=test
TEST(Ah, the_reserved_field_may_say_anything_that_is_authentic) {
  Spec spec = ah_tunnel();
  spec.esn = false;
  Pair pair{spec, {}, openssl()};
  ByteVec packet = protect_one(pair.a, v4_packet()).esp;
  EXPECT_EQ(base::load_be<std::uint16_t>(&packet[v4_size + 2]), 0u);
  base::store_be<std::uint16_t>(&packet[v4_size + 2], 0xabcd);
  EXPECT_EQ(reason_of(open_ah(pair.b, packet)), DropReason::esp_bad_icv);
  seal_again(spec, packet);
  EXPECT_EQ(open_ah(pair.b, packet).packet, v4_packet());
}

TEST(Ah, ipv4_padded_to_64_bits_is_accepted) {
  Spec spec = ah_tunnel();
  spec.esn = false;
  Pair pair{spec, {}, openssl()};
  ByteVec packet = protect_one(pair.a, v4_packet()).esp;
  packet.insert(packet.begin() + v4_size + 28, 4, std::byte{0xcc});
  packet[v4_size + 1] = std::byte{6};
  base::store_be(&packet[2], static_cast<std::uint16_t>(packet.size()));
  seal_again(spec, packet);
  const Opened got = open_ah(pair.b, packet);
  EXPECT_EQ(reason_of(got), std::nullopt);
  EXPECT_EQ(got.packet, v4_packet());
}

TEST(Ah, ipv4_options_are_covered_as_appendix_a_says) {
  // Those of the table, then one that nobody knows.
  const std::vector<std::pair<unsigned, bool>> options{
      {130, false}, {133, false}, {134, false}, {148, false}, {149, false}, {68, true}, {7, true},
      {82, true},   {136, true},  {11, true},   {12, true},   {145, true},  {10, true}, {205, true},
      {142, true},  {15, true},   {144, true},  {147, true},  {222, true}};
  for (const auto& [type, may_change] : options) {
    Pair pair{ah_transport(), {}, openssl()};
    const ByteVec plain = with_v4_options({1, static_cast<int>(type), 6, 1, 2, 3, 4, 0});
    const Protected sent = protect_one(pair.a, plain);
    ASSERT_EQ(sent.item.verdict, Verdict::forward);
    ByteVec changed = sent.esp;
    changed[v4_size + 4] ^= std::byte{0x55};  // data of the option
    const Opened got = open_ah(pair.b, changed);
    EXPECT_EQ(got.item.verdict == Verdict::forward, may_change) << type;
    const Opened unchanged = open_ah(pair.b, protect_one(pair.a, plain).esp);
    EXPECT_EQ(unchanged.packet, plain) << type;
  }
}

TEST(Ah, a_source_routed_packet_is_covered_as_it_arrives) {
  Spec spec = ah_transport();
  spec.b_nets = {prefix("198.51.100.7"), prefix(host_b)};
  Pair pair{spec, {}, openssl()};
  const ByteVec plain =
      with_v4_options({131, 7, 4, 198, 51, 100, 1, 0}, "198.51.100.7");  // last: host_b
  Protected sent = protect_one(pair.a, plain);
  ASSERT_EQ(sent.item.verdict, Verdict::forward);
  EXPECT_EQ(reason_of(open_ah(pair.b, sent.esp)), DropReason::esp_malformed);  // not there yet
  // What the router at 198.51.100.7 makes of it (RFC 791 s3.1).
  base::copy_into(base::MutBytes{sent.esp}.subspan(16), ip(host_b).bytes());
  base::copy_into(base::MutBytes{sent.esp}.subspan(23), ip("198.51.100.7").bytes());
  sent.esp[22] = std::byte{8};
  EXPECT_EQ(reason_of(open_ah(pair.b, sent.esp)), std::nullopt);
}

TEST(Ah, options_that_make_no_sense_are_refused_by_name) {
  const std::vector<std::vector<int>> bad{{7, 1, 0, 0},  {7, 0, 0, 0},   {7, 9, 0, 0},
                                          {1, 1, 1, 7},  {131, 2, 0, 0}, {131, 3, 3, 0},
                                          {131, 4, 4, 0}};
  for (const auto& options : bad) {
    Pair pair{ah_transport()};
    EXPECT_EQ(protect_one(pair.a, with_v4_options(options)).item.drop, DropReason::clear_headers);
  }
}

//= rfc4301#4.1-10 type=test
TEST(Ah, stands_behind_what_routers_read_and_before_destination_options) {
  Pair pair{ah_transport(false), {}, openssl()};
  const Extension hop{0, {5, 2, 0, 0, 0x3e, 0}};  // router alert; one that may change
  const Extension destination{60, {1, 4, 0, 0, 0, 0}};
  const Extension routing{43, routing_data(2, 0, {host6_b})};
  const ByteVec plain = with_extensions({hop, destination, routing, destination});
  const Protected sent = protect_one(pair.a, plain);
  ASSERT_EQ(sent.item.verdict, Verdict::forward);
  const Bytes bytes{sent.esp};
  EXPECT_EQ(bytes[6], std::byte{0});
  EXPECT_EQ(bytes[40], std::byte{60});
  EXPECT_EQ(bytes[48], std::byte{43});
  EXPECT_EQ(bytes[56], std::byte{51});
  EXPECT_EQ(bytes[80], std::byte{60});  // next header of AH, behind 24 octets of routing
  EXPECT_EQ(open_ah(pair.b, sent.esp).packet, plain);
}

TEST(Ah, ipv6_options_that_may_change_are_not_covered) {
  for (const std::uint8_t type : {std::uint8_t{0x3e}, std::uint8_t{0x1e}}) {
    Pair pair{ah_transport(false), {}, openssl()};
    const ByteVec plain = with_extensions({{0, {type, 4, 9, 9, 9, 9}}});
    ByteVec sent = protect_one(pair.a, plain).esp;
    sent[44] ^= std::byte{0xff};
    EXPECT_EQ(open_ah(pair.b, sent).item.verdict == Verdict::forward, (type & 0x20) != 0);
    sent[44] ^= std::byte{0xff};
    sent[43] ^= std::byte{1};  // its length is covered in any case
    EXPECT_EQ(open_ah(pair.b, sent).item.verdict, Verdict::drop);
  }
}

TEST(Ah, a_routing_header_is_covered_as_it_arrives) {
  Spec spec = ah_transport(false);
  const std::string_view first = "2001:db8::71";
  const std::string_view second = "2001:db8::72";
  spec.b_nets = {prefix(first), prefix(host6_b)};
  Pair pair{spec, {}, openssl()};
  const ByteVec plain = with_extensions({{43, routing_data(0, 2, {second, host6_b})}}, first);
  Protected sent = protect_one(pair.a, plain);
  ASSERT_EQ(sent.item.verdict, Verdict::forward);
  const base::MutBytes packet{sent.esp};
  const auto swap_with = [&](std::size_t slot) {  // RFC 2460 s4.4
    std::swap_ranges(&packet[24], &packet[40], &packet[48 + 16 * slot]);
    packet[43] = std::byte{static_cast<std::uint8_t>(std::to_integer<unsigned>(packet[43]) - 1)};
  };
  swap_with(0);
  EXPECT_EQ(reason_of(open_ah(pair.b, sent.esp)), DropReason::esp_malformed);  // not there yet
  swap_with(1);
  EXPECT_EQ(reason_of(open_ah(pair.b, sent.esp)), std::nullopt);
}

TEST(Ah, routes_that_nobody_can_foresee_are_refused_by_name) {
  Pair pair{ah_transport(false)};
  const auto reason = [&](const std::vector<std::uint8_t>& data) {
    return protect_one(pair.a, with_extensions({{43, data}})).item.drop;
  };
  EXPECT_EQ(reason(routing_data(4, 1, {host6_b})), DropReason::clear_headers);
  EXPECT_EQ(reason(routing_data(0, 2, {host6_b})), DropReason::clear_headers);
  EXPECT_EQ(protect_one(pair.a, with_extensions({{0, {5, 200, 0, 0, 0, 0}}})).item.drop,
            DropReason::clear_headers);
  std::vector<Extension> many(30, Extension{60, std::vector<std::uint8_t>(22)});
  EXPECT_EQ(protect_one(pair.a, with_extensions(many)).item.verdict, Verdict::drop);
}

//= rfc4302#3.3.4-1..2 type=test
TEST(Ah, a_packet_beyond_the_path_mtu_says_how_to_split_it) {
  Pair pair{ah_tunnel()};
  pair.a.set_path_mtu({1}, 1400);
  EXPECT_EQ(pair.a.inner_mtu({1}, 1400), 1400u - 20 - 28);
  EXPECT_EQ(protect_one(pair.a, v4_packet(1400 - 48 - 28)).item.fragment_to, 0u);
  EXPECT_EQ(protect_one(pair.a, v4_packet(1400 - 47 - 28)).item.drop, DropReason::clear_too_big);
  const auto notices = notices_of<TooBig>(pair.a);
  ASSERT_EQ(notices.size(), 1u);
  const auto reply = wire::Ipv4View::checked(notices[0].icmp_reply).value();
  EXPECT_EQ(reply.destination(), ip("10.1.0.5"));
  EXPECT_EQ(wire::IcmpView::checked(reply.payload())->next_hop_mtu(), 1400u - 20 - 28);
  Pair transport{ah_transport()};
  transport.a.set_path_mtu({1}, 1400);
  const Protected sent = protect_one(transport.a, without_df(host_packet(true, 1400)));
  EXPECT_EQ(sent.item.fragment_to, 1400u);
  EXPECT_FALSE(sent.item.dont_fragment);
}

TEST(Ah, cannot_be_had_in_udp_or_with_a_cipher) {
  Spec spec = ah_tunnel();
  spec.udp_encap = true;
  EXPECT_FALSE(Pair{spec}.installed);
  spec = ah_tunnel();
  spec.suite = aes_gcm;
  EXPECT_FALSE(Pair{spec}.installed);
  spec = ah_tunnel();
  spec.mode = policy::SaMode::beet;
  EXPECT_FALSE(Pair{spec}.installed);
}

TEST(Ah, selectors_hold_for_what_it_delivers) {
  Spec spec = ah_transport();
  Pair pair{spec};
  pair.b.remove({1});
  policy::InstallSa sa = install_for_b(spec);
  sa.local = {prefix(host_b, 17, 7, 7)};
  ASSERT_TRUE(pair.b.install(std::move(sa), {}).has_value());
  EXPECT_EQ(reason_of(open_ah(pair.b, protect_one(pair.a, host_packet(true, 9)).esp)),
            DropReason::esp_selector);
}

}  // namespace
}  // namespace caponier::ipsec::test
