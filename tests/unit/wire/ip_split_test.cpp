// Fragmentation by a sender.

#include "wire/ip_split.h"

#include <gtest/gtest.h>

#include "wire/checksum.h"
#include "wire/ip.h"
#include "wire/ip_packet.h"
#include "wire/udp.h"

namespace caponier::wire {
namespace {

using base::ByteVec;

base::IpAddress ip(std::string_view text) { return base::IpAddress::parse(text).value(); }

ByteVec packet_of(std::string_view from, std::string_view to, std::size_t payload) {
  ByteVec data(payload);
  for (std::size_t i = 0; i < payload; ++i) data[i] = static_cast<std::byte>(i * 7 + 3);
  return make_udp_packet({ip(from), 1}, {ip(to), 2}, data);
}

ByteVec v4(std::size_t payload) {
  ByteVec packet = packet_of("10.1.0.5", "10.2.0.9", payload);
  packet[6] = std::byte{0};  // no DF
  return packet;
}

ByteVec piece_of(const Ipv4Split& split, std::size_t index, const ByteVec& packet) {
  ByteVec piece(split.size_of(index));
  if (index > 0) {
    split.write(index, piece);
    return piece;
  }
  ByteVec whole = packet;
  split.cut_first(whole);
  whole.resize(piece.size());
  return whole;
}

TEST(Ipv4Split, pieces_are_valid_fit_and_make_the_payload_again) {
  for (const std::size_t mtu : {68U, 576U, 1281U, 1500U}) {
    const ByteVec packet = v4(2000);
    const auto split = Ipv4Split::plan(packet, mtu).value();
    ByteVec payload;
    for (std::size_t i = 0; i < split.count(); ++i) {
      const ByteVec piece = piece_of(split, i, packet);
      const auto view = Ipv4View::checked(piece).value();
      EXPECT_LE(piece.size(), mtu);
      EXPECT_EQ(piece.size(), view.total_length());
      EXPECT_EQ(internet_checksum(view.header()), 0);
      EXPECT_EQ(view.fragment_offset(), payload.size());
      EXPECT_EQ(view.more_fragments(), i + 1 < split.count());
      EXPECT_EQ(view.identification(), Ipv4View::checked(packet)->identification());
      base::append(payload, view.payload());
    }
    EXPECT_EQ(payload, base::to_vec(base::Bytes{packet}.subspan(20)));
  }
}

TEST(Ipv4Split, is_refused_where_it_is_forbidden_needless_or_impossible) {
  EXPECT_FALSE(Ipv4Split::plan(packet_of("10.1.0.5", "10.2.0.9", 2000), 1000).has_value());
  EXPECT_FALSE(Ipv4Split::plan(v4(972), 1000).has_value());
  EXPECT_TRUE(Ipv4Split::plan(v4(973), 1000).has_value());
  EXPECT_FALSE(Ipv4Split::plan(v4(973), 27).has_value());
  EXPECT_FALSE(Ipv4Split::plan({}, 1000).has_value());
  ByteVec far = v4(2000);
  base::store_be<std::uint16_t>(far.data() + 6, 0x1fff);  // it would end beyond 65535
  EXPECT_FALSE(Ipv4Split::plan(far, 1000).has_value());
}

TEST(Ipv4Split, repeats_only_the_options_that_are_to_be_copied) {
  ByteVec packet = v4(1000);
  const ByteVec options{std::byte{0x07}, std::byte{3}, std::byte{4},  // record route: not copied
                        std::byte{1},                                 // padding
                        std::byte{0x94}, std::byte{4}, std::byte{0}, std::byte{0},  // router alert
                        std::byte{0},    std::byte{0}, std::byte{0}, std::byte{0}};
  packet.insert(packet.begin() + 20, options.begin(), options.end());
  packet[0] = std::byte{0x48};
  base::store_be(packet.data() + 2, static_cast<std::uint16_t>(packet.size()));
  const auto split = Ipv4Split::plan(packet, 500).value();
  const ByteVec first = piece_of(split, 0, packet);
  EXPECT_EQ(base::to_vec(Ipv4View::checked(first)->options()), options);
  const ByteVec later = piece_of(split, 1, packet);
  const auto view = Ipv4View::checked(later).value();
  EXPECT_EQ(base::to_vec(view.options()),
            (ByteVec{std::byte{0x94}, std::byte{4}, std::byte{0}, std::byte{0}}));
  EXPECT_EQ(internet_checksum(view.header()), 0);
  EXPECT_EQ(view.fragment_offset(), Ipv4View::checked(first)->payload().size());
}

TEST(Ipv6Split, pieces_are_valid_fit_and_make_the_payload_again) {
  const ByteVec packet = packet_of("2001:db8::1", "2001:db8::2", 3000);
  const auto split = Ipv6Split::plan(packet, 1280, 0xfeedbeef).value();
  ByteVec payload;
  for (std::size_t i = 0; i < split.count(); ++i) {
    ByteVec piece(split.size_of(i));
    split.write(i, piece);
    EXPECT_LE(piece.size(), 1280u);
    const auto view = Ipv6View::checked(piece).value();
    EXPECT_EQ(view.packet().size(), piece.size());
    EXPECT_EQ(view.next_header(), ip_protocol::fragment);
    const auto upper = upper_layer(piece).value();
    EXPECT_EQ(upper.protocol, ip_protocol::udp);
    EXPECT_TRUE(upper.is_fragment);
    const base::Bytes fragment = view.payload();
    const unsigned offset = base::load_be<std::uint16_t>(fragment.data() + 2);
    EXPECT_EQ(offset & 0xfff8U, payload.size());
    EXPECT_EQ(offset & 1U, i + 1 < split.count() ? 1U : 0U);
    EXPECT_EQ(base::load_be<std::uint32_t>(fragment.data() + 4), 0xfeedbeefU);
    base::append(payload, fragment.subspan(8));
  }
  EXPECT_EQ(payload, base::to_vec(base::Bytes{packet}.subspan(40)));
  EXPECT_FALSE(Ipv6Split::plan(packet, packet.size(), 1).has_value());
  EXPECT_FALSE(Ipv6Split::plan(packet, 55, 1).has_value());
}

}  // namespace
}  // namespace caponier::wire
