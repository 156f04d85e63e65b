#include "ipsec/transport.h"

#include <gtest/gtest.h>

#include "unit/ipsec/pair.h"
#include "wire/ip_split.h"

namespace caponier::ipsec::test {
namespace {

constexpr std::string_view client = "10.0.0.2";  // behind the NAT
constexpr std::string_view nat = "203.0.113.5";  // what the server sees
constexpr std::string_view server = "198.51.100.1";

/// A is the client. `b` has its own path; the selectors it got are the client's own or substituted
/// ones (RFC 7296 s2.23.1).
Spec natted() {
  Spec spec;
  spec.mode = policy::SaMode::transport;
  spec.udp_encap = true;
  spec.path = {{ip(client), 4500}, {ip(server), 4500}};
  spec.a_nets = {prefix(client)};
  spec.b_nets = {prefix(server)};
  return spec;
}

Spec plain() {
  Spec spec = natted();
  spec.udp_encap = false;
  return spec;
}

ByteVec from_client(std::uint8_t protocol) {
  if (protocol == wire::ip_protocol::tcp) return syn_packet(client, server, 1000);
  return udp_packet(client, server, 51);
}

void expect_delivery_behind_nat(std::string_view selector, std::string_view source) {
  for (const std::uint8_t protocol : {wire::ip_protocol::tcp, wire::ip_protocol::udp}) {
    Pair pair{natted()};
    pair.b.remove({1});
    policy::InstallSa sa = install_for_b(natted());
    sa.path.remote = {ip(nat), 61000};
    sa.remote = {prefix(selector)};
    ASSERT_TRUE(pair.b.install(std::move(sa), {}).has_value());
    const Protected sent = protect_one(pair.a, from_client(protocol));
    ASSERT_EQ(sent.item.verdict, Verdict::forward);
    const Opened got = open_one(pair.b, sent.esp);
    ASSERT_EQ(got.item.verdict, Verdict::forward) << base::info_of(got.item.drop).name;
    const auto header = wire::Ipv4View::checked(got.packet).value();
    EXPECT_EQ(header.source(), ip(source));
    EXPECT_EQ(header.destination(), ip(server));
    EXPECT_EQ(header.ttl(), 64);
    EXPECT_EQ(wire::internet_checksum(header.header()), 0);
    EXPECT_TRUE(has_good_checksum(got.packet));
  }
}

TEST(Transport, behind_nat_delivers_the_selectors_address_with_a_right_checksum) {
  expect_delivery_behind_nat(client, client);
  expect_delivery_behind_nat(nat, nat);
}

TEST(Transport, behind_nat_delivers_the_seen_address_to_wider_selectors) {
  expect_delivery_behind_nat("203.0.113.0/24", nat);
}

TEST(Transport, a_udp_checksum_that_was_not_made_stays_away) {
  Pair pair{natted()};
  ByteVec packet = from_client(wire::ip_protocol::udp);
  base::store_be<std::uint16_t>(packet.data() + 26, 0);
  EXPECT_EQ(pair.a_to_b(packet), packet);
}

TEST(Transport, our_own_end_is_the_selectors_single_address) {
  policy::InstallSa sa = install_for_a(natted());
  sa.path.local.address = ip("192.168.9.9");
  EXPECT_EQ(transport_addresses(sa).local, ip(client));
  EXPECT_EQ(transport_addresses(sa).remote, ip(server));
  sa.local = {prefix("10.0.0.0/24")};
  EXPECT_EQ(transport_addresses(sa).local, ip("192.168.9.9"));
  sa.remote = {prefix("203.0.113.9/32")};
  EXPECT_EQ(transport_addresses(sa).remote, ip("203.0.113.9"));
  sa.udp_encap = false;
  EXPECT_EQ(transport_addresses(sa).remote, ip(server));
  sa.local = {prefix("2001:db8::1/128")};
  EXPECT_EQ(transport_addresses(sa).local, ip("192.168.9.9"));
}

TEST(Transport, fragments_wait_until_the_packet_is_whole) {
  Pair pair{plain()};
  const ByteVec packet = without_df(udp_packet(client, server, 4000));
  const auto split = wire::Ipv4Split::plan(packet, 1400).value();
  for (std::size_t i = split.count() - 1; i > 0; --i) {
    ByteVec piece(split.size_of(i));
    split.write(i, piece);
    EXPECT_EQ(protect_one(pair.a, piece).item.verdict, Verdict::held);
  }
  EXPECT_TRUE(take_all(pair.a).empty());
  ByteVec first = packet;
  split.cut_first(first);
  first.resize(split.size_of(0));
  EXPECT_EQ(protect_one(pair.a, first).item.verdict, Verdict::held);
  const auto whole = take_all(pair.a, 9000);
  ASSERT_EQ(whole, (std::vector<ByteVec>{packet}));
  const Protected sent = protect_one(pair.a, whole.front());
  EXPECT_EQ(sent.item.verdict, Verdict::forward);
  EXPECT_FALSE(sent.item.dont_fragment);
  const Opened got = open_one(pair.b, sent.esp);
  EXPECT_TRUE(base::equal(Bytes{got.packet}.subspan(20), Bytes{packet}.subspan(20)));
  EXPECT_EQ(pair.a.drops().total(), 0u);
}

TEST(Transport, of_ipv6_what_had_come_in_fragments_may_leave_in_fragments) {
  Spec spec = plain();
  spec.path = {{ip("2001:db8::1"), 0}, {ip("2001:db8::2"), 0}};
  spec.a_nets = {prefix("2001:db8::1/128")};
  spec.b_nets = {prefix("2001:db8::2/128")};
  Pair pair{spec};
  const ByteVec packet = udp_packet("2001:db8::1", "2001:db8::2", 4000);
  EXPECT_EQ(protect_one(pair.a, packet).item.drop, DropReason::clear_too_big);
  const auto split = wire::Ipv6Split::plan(packet, 1400, 9).value();
  for (std::size_t i = 0; i < split.count(); ++i) {
    ByteVec piece(split.size_of(i));
    split.write(i, piece);
    EXPECT_EQ(protect_one(pair.a, piece).item.verdict, Verdict::held);
  }
  PacketBuffer buffer{9000};
  PacketBuffer* const to = &buffer;
  ASSERT_EQ(pair.a.take_waiting({&to, 1}), 1u);
  ProtectItem item;
  item.packet = &buffer;
  pair.a.protect({&item, 1}, {});
  ASSERT_EQ(item.verdict, Verdict::forward);
  EXPECT_EQ(item.fragment_to, 1500u);
  EXPECT_EQ(open_one(pair.b, base::to_vec(std::as_const(buffer).bytes())).packet, packet);
}

TEST(Transport, options_in_udp_are_refused_by_name) {
  Pair pair{natted()};
  ByteVec packet = wire::make_ip_packet({ip(client), ip(server), 17}, 12);
  set_v4_word(packet, 0, 0x4600);  // the first 4 bytes of the payload become options
  EXPECT_EQ(protect_one(pair.a, packet).item.drop, DropReason::clear_headers);
}

//= rfc4301#4.1-8 type=test
TEST(Transport, the_outer_ds_field_is_the_packets_own) {
  Pair pair{plain()};
  const Protected sent = protect_one(pair.a, from_client(wire::ip_protocol::udp));
  const Opened got = open_one(pair.b, sent.esp, {}, {}, 0xb9);
  EXPECT_EQ(wire::Ipv4View::checked(got.packet)->tos(), 0xb9);
}

TEST(Transport, packets_outside_the_selectors_are_dropped) {
  Spec spec = plain();
  spec.b_nets = {prefix(server, 17, 2000, 2000)};
  Pair pair{spec};
  EXPECT_TRUE(pair.a_to_b(from_client(wire::ip_protocol::udp)));
  ByteVec text(8 + 4);
  base::store_be<std::uint16_t>(text.data() + 2, 2001);
  base::store_be<std::uint16_t>(text.data() + 4, 8);
  text[8] = std::byte{1};
  text[9] = std::byte{2};
  text[10] = std::byte{2};
  text[11] = std::byte{17};
  EXPECT_EQ(open_one(pair.b, pair.forge_to_b(text, 9)).item.drop, DropReason::esp_selector);
  text[11] = std::byte{44};
  EXPECT_EQ(open_one(pair.b, pair.forge_to_b(text, 10)).item.drop, DropReason::esp_bad_inner);
}

}  // namespace
}  // namespace caponier::ipsec::test
