// Packets into super-packets.

#include "offload/coalescer.h"

#include <gtest/gtest.h>

#include <functional>

#include "unit/offload/batch.h"
#include "unit/offload/packets.h"

namespace caponier::offload {
namespace {

using base::ByteVec;
using packets::Spec;
namespace flag = packets::flag;
using Counts = std::vector<std::size_t>;

constexpr std::uint32_t each = 100;

Spec tcp(std::size_t payload, bool is_v6 = false) {
  return {.is_v6 = is_v6, .payload = packets::pattern(payload)};
}

Spec udp(std::size_t payload, bool is_v6 = false) {
  return {.is_v6 = is_v6, .is_tcp = false, .payload = packets::pattern(payload)};
}

/// Four packets of a stream of which the third is changed, and what becomes of them.
Counts with_third(Spec whole, const std::function<void(Spec&)>& change) {
  whole.payload = packets::pattern(4 * each);
  std::vector<Spec> specs = packets::cut(whole, each);
  change(specs[2]);
  return Batch{}.add(specs).counts();
}

/// The same, with the change made to the finished packet.
Counts with_third_spoiled(const Spec& whole, const std::function<void(ByteVec&)>& change) {
  std::vector<ByteVec> made = packets::make_all(packets::cut(whole, each));
  change(made[2]);
  Batch batch;
  for (const ByteVec& packet : made) batch.add(packet);
  const std::vector<Joined> groups = batch.groups();
  Counts counts;
  for (const Joined& joined : groups) counts.push_back(joined.count);
  if (groups.size() > 1) {
    EXPECT_EQ(groups[1].packet, made[2]) << "untouched";
    EXPECT_EQ(groups[1].header, VirtioHeader{});
  }
  return counts;
}

TEST(Coalescer, makes_of_a_stream_what_the_kernel_would_have_sent_with_offload) {
  for (const bool is_v6 : {false, true}) {
    for (Spec whole : {tcp(2500, is_v6), udp(2500, is_v6)}) {
      if (whole.is_tcp) whole.tcp_options = packets::pattern(12);
      const auto groups = Batch{}.add(packets::cut(whole, 1000)).groups();
      ASSERT_EQ(groups.size(), 1u);
      EXPECT_EQ(groups[0].header, packets::gso_header(whole, 1000));
      EXPECT_EQ(groups[0].count, 3u);
      EXPECT_EQ(groups[0].packet, packets::make_partial(whole));
    }
  }
}

TEST(Coalescer, says_of_a_lone_packet_that_its_checksum_was_verified) {
  for (const Spec& spec : {tcp(100), tcp(100, true), udp(100), udp(100, true)}) {
    const auto groups = Batch{}.add(spec).groups();
    ASSERT_EQ(groups.size(), 1u);
    EXPECT_EQ(groups[0].header, VirtioHeader{.flags = virtio::flag_data_valid});
    EXPECT_EQ(groups[0].packet, packets::make(spec));
  }
}

TEST(Coalescer, ends_a_group_with_a_shorter_segment) {
  std::vector<Spec> specs = packets::cut(tcp(250), each);
  for (Spec more : packets::cut(tcp(200), each)) {
    more.sequence += 250;
    more.identification = static_cast<std::uint16_t>(more.identification + 3);
    specs.push_back(more);
  }
  EXPECT_EQ(Batch{}.add(specs).counts(), (Counts{3, 2}));
}

TEST(Coalescer, does_not_join_a_longer_segment) {
  std::vector<Spec> specs = packets::cut(tcp(100), each);
  Spec longer = tcp(101);
  longer.sequence += 100;
  longer.identification = 2;
  specs.push_back(longer);
  EXPECT_EQ(Batch{}.add(specs).counts(), (Counts{1, 1}));
}

TEST(Coalescer, ends_a_group_with_fin_or_psh_and_keeps_them) {
  for (const unsigned ending : {flag::fin, flag::psh}) {
    const auto set = [&](Spec& spec) {
      spec.flags = static_cast<std::uint8_t>(flag::ack | ending);
    };
    EXPECT_EQ(with_third(tcp(0), set), (Counts{3, 1}));
    Spec whole = tcp(3 * each);
    set(whole);
    const auto groups = Batch{}.add(packets::cut(whole, each)).groups();
    ASSERT_EQ(groups.size(), 1u);
    EXPECT_EQ(groups[0].packet, packets::make_partial(whole));
  }
}

TEST(Coalescer, begins_no_group_with_fin_or_psh) {
  std::vector<Spec> specs = packets::cut(tcp(3 * each), each);
  specs[0].flags = flag::ack | flag::psh;
  EXPECT_EQ(Batch{}.add(specs).counts(), (Counts{1, 2}));
}

TEST(Coalescer, joins_nothing_with_syn_rst_urg_or_cwr) {
  for (const unsigned other : {flag::syn, flag::rst, flag::urg, flag::cwr}) {
    const auto set = [&](Spec& spec) { spec.flags = static_cast<std::uint8_t>(flag::ack | other); };
    EXPECT_EQ(with_third(tcp(0), set), (Counts{2, 1, 1})) << other;
    std::vector<Spec> all = packets::cut(tcp(3 * each), each);
    for (Spec& spec : all) set(spec);
    EXPECT_EQ(Batch{}.add(all).counts(), (Counts{1, 1, 1})) << other;
  }
}

TEST(Coalescer, joins_no_pure_acknowledgments) {
  const std::vector<Spec> acknowledgments(3, tcp(0));
  EXPECT_EQ(Batch{}.add(acknowledgments).counts(), (Counts{1, 1, 1}));
  std::vector<Spec> specs = packets::cut(tcp(2 * each), each);
  Spec acknowledgment = tcp(0);
  acknowledgment.sequence += each;
  specs.insert(specs.begin() + 1, acknowledgment);
  EXPECT_EQ(Batch{}.add(specs).counts(), (Counts{1, 1, 1})) << "nor what stands around one";
}

TEST(Coalescer, joins_only_what_segmentation_would_make_again) {
  for (const bool is_v6 : {false, true}) {
    const auto apart = [&](const std::function<void(Spec&)>& change) {
      const Counts counts = with_third(tcp(0, is_v6), change);
      return counts == Counts{2, 1, 1} || counts == Counts{2, 2};
    };
    EXPECT_TRUE(apart([](Spec& spec) { ++spec.acknowledgment; }));
    EXPECT_TRUE(apart([](Spec& spec) { ++spec.window; }));
    EXPECT_TRUE(apart([](Spec& spec) { ++spec.urgent_pointer; }));
    EXPECT_TRUE(apart([](Spec& spec) { spec.flags |= flag::ece; }));
    EXPECT_TRUE(apart([](Spec& spec) { ++spec.sequence; }));
    EXPECT_TRUE(apart([](Spec& spec) { --spec.sequence; }));
    EXPECT_TRUE(apart([](Spec& spec) { spec.sequence -= each; }));
    EXPECT_TRUE(apart([](Spec& spec) { spec.tcp_options = ByteVec(4); }));
    EXPECT_TRUE(apart([](Spec& spec) { --spec.ttl; }));
    EXPECT_TRUE(apart([](Spec& spec) { spec.tos = 4; }));
    EXPECT_TRUE(apart([](Spec& spec) { spec.tos = 3; })) << "congestion experienced";
  }
  const auto other_label = [](Spec& spec) { spec.flow_label = 9; };
  EXPECT_EQ(with_third(tcp(0, true), other_label), (Counts{2, 1, 1}));
  const auto may_fragment = [](Spec& spec) { spec.dont_fragment = false; };
  EXPECT_EQ(with_third(tcp(0), may_fragment), (Counts{2, 1, 1}));
}

TEST(Coalescer, joins_only_equal_options) {
  Spec whole = tcp(3 * each);
  whole.tcp_options = packets::pattern(12);
  std::vector<Spec> specs = packets::cut(whole, each);
  specs[1].tcp_options[11] ^= std::byte{1};  // another timestamp
  EXPECT_EQ(Batch{}.add(specs).counts(), (Counts{1, 1, 1}));
}

TEST(Coalescer, joins_identifications_that_count) {
  Spec whole = tcp(3 * each);
  whole.identification = 0xffff;
  whole.dont_fragment = false;
  EXPECT_EQ(Batch{}.add(packets::cut(whole, each)).counts(), (Counts{3}));
  const auto skip = [](Spec& spec) { spec.identification = 9; };
  EXPECT_EQ(with_third(tcp(0), skip), (Counts{2, 1, 1}));
}

TEST(Coalescer, joins_identifications_that_stay_only_where_they_mean_nothing) {
  std::vector<Spec> specs = packets::cut(tcp(4 * each), each);
  for (Spec& spec : specs) spec.identification = 0;
  EXPECT_EQ(Batch{}.add(specs).counts(), (Counts{4}));
  std::vector<Spec> fragile = specs;
  for (Spec& spec : fragile) spec.dont_fragment = false;
  EXPECT_EQ(Batch{}.add(fragile).counts(), (Counts{1, 1, 1, 1}));
  std::vector<Spec> mixed = specs;
  mixed[2].identification = 2;
  EXPECT_EQ(Batch{}.add(mixed).counts(), (Counts{2, 1, 1}));
  mixed = specs;
  mixed[1].identification = 1;
  EXPECT_EQ(Batch{}.add(mixed).counts(), (Counts{2, 2}));
}

TEST(Coalescer, passes_on_wrong_checksums_untouched) {
  for (const bool is_v6 : {false, true}) {
    for (const Spec& whole : {tcp(4 * each, is_v6), udp(4 * each, is_v6)}) {
      const auto payload = [](ByteVec& packet) { packet.back() ^= std::byte{1}; };
      EXPECT_EQ(with_third_spoiled(whole, payload), (Counts{2, 1, 1}));
      const auto checksum = [&](ByteVec& packet) {
        packet[whole.transport_at() + whole.checksum_offset()] ^= std::byte{1};
      };
      EXPECT_EQ(with_third_spoiled(whole, checksum), (Counts{2, 1, 1}));
    }
  }
  const auto ip_checksum = [](ByteVec& packet) { packet[10] ^= std::byte{1}; };
  EXPECT_EQ(with_third_spoiled(tcp(4 * each), ip_checksum), (Counts{2, 1, 1}));
}

TEST(Coalescer, begins_no_group_with_a_wrong_checksum) {
  std::vector<ByteVec> made = packets::make_all(packets::cut(tcp(3 * each), each));
  made[0].back() ^= std::byte{1};
  EXPECT_EQ(Batch{}.add(made[0]).add(made[1]).add(made[2]).counts(), (Counts{1, 2}));
}

TEST(Coalescer, passes_on_what_is_odd_and_nothing_of_its_flow_overtakes) {
  const Spec whole = tcp(4 * each);
  const auto recompute = [](ByteVec& packet) { packets::put_ip_checksum(packet); };
  const Counts alone{2, 1, 1};
  EXPECT_EQ(with_third_spoiled(whole,
                               [&](ByteVec& packet) {
                                 packet[6] |= std::byte{0x20};  // more fragments
                                 recompute(packet);
                               }),
            alone);
  EXPECT_EQ(with_third_spoiled(whole,
                               [&](ByteVec& packet) {
                                 packet[7] |= std::byte{0x10};  // a later fragment
                                 recompute(packet);
                               }),
            alone);
  EXPECT_EQ(with_third_spoiled(whole,
                               [&](ByteVec& packet) {
                                 packet[6] |= std::byte{0x80};  // the reserved bit
                                 recompute(packet);
                               }),
            alone);
  EXPECT_EQ(with_third_spoiled(whole, [](ByteVec& packet) { packet.push_back(std::byte{0}); }),
            alone);
  EXPECT_EQ(with_third_spoiled(whole, [](ByteVec& packet) { packet.pop_back(); }), alone);
  EXPECT_EQ(with_third_spoiled(whole, [](ByteVec& packet) { packet[32] = std::byte{0x40}; }),
            alone);
  EXPECT_EQ(with_third_spoiled(whole, [](ByteVec& packet) { packet[32] = std::byte{0xf0}; }),
            alone);
}

TEST(Coalescer, passes_on_options_and_extension_headers) {
  for (const bool is_v6 : {false, true}) {
    const auto extra = [](Spec& spec) { spec.ip_extra = ByteVec(8); };
    EXPECT_EQ(with_third(tcp(0, is_v6), extra), (Counts{2, 1, 1}));
    std::vector<Spec> all = packets::cut(tcp(3 * each, is_v6), each);
    for (Spec& spec : all) extra(spec);
    EXPECT_EQ(Batch{}.add(all).counts(), (Counts{1, 1, 1}));
  }
}

TEST(Coalescer, passes_on_whatever_else_there_is) {
  ByteVec icmp = packets::make(tcp(100));
  icmp[9] = std::byte{1};
  Batch batch;
  const std::vector<Spec> specs = packets::cut(tcp(2 * each), each);
  batch.add(specs[0]).add(ByteVec{}).add(ByteVec(1)).add(ByteVec(19, std::byte{0x45}));
  batch.add(ByteVec(39, std::byte{0x60})).add(icmp).add(specs[1]);
  EXPECT_EQ(batch.counts(), (Counts{2, 1, 1, 1, 1, 1})) << "and it ends no group of TCP or UDP";
}

TEST(Coalescer, keeps_flows_apart) {
  std::vector<std::vector<Spec>> flows;
  for (const auto& change : std::vector<std::function<void(Spec&)>>{
           [](Spec&) {}, [](Spec& spec) { spec.source_port = 1001; },
           [](Spec& spec) { spec.destination_port = 2001; }, [](Spec& spec) { spec.host = 6; },
           [](Spec& spec) { spec.is_tcp = false; }, [](Spec& spec) { spec.is_v6 = true; },
           [](Spec& spec) { spec.is_tcp = false, spec.is_v6 = true; }}) {
    Spec whole = tcp(3 * each);
    change(whole);
    flows.push_back(packets::cut(whole, each));
  }
  Batch batch;
  for (std::size_t i = 0; i < 3; ++i) {
    for (const auto& flow : flows) batch.add(flow[i]);
  }
  EXPECT_EQ(batch.counts(), Counts(flows.size(), 3));
}

TEST(Coalescer, joins_datagrams_of_one_size_and_a_shorter_last) {
  EXPECT_EQ(Batch{}.add(packets::cut(udp(350), each)).counts(), (Counts{4}));
  std::vector<Spec> specs = packets::cut(udp(400), each);
  specs[1].payload.pop_back();
  EXPECT_EQ(Batch{}.add(specs).counts(), (Counts{2, 2}));
  specs = packets::cut(udp(400), each);
  specs[2].payload.push_back(std::byte{1});
  EXPECT_EQ(Batch{}.add(specs).counts(), (Counts{2, 2}));
}

TEST(Coalescer, joins_no_datagrams_without_checksum_or_payload_or_with_a_wrong_length) {
  const auto no_checksum = [](ByteVec& packet) { packet[26] = packet[27] = std::byte{0}; };
  EXPECT_EQ(with_third_spoiled(udp(4 * each), no_checksum), (Counts{2, 1, 1}));
  const auto wrong_length = [](ByteVec& packet) { packet[25] ^= std::byte{1}; };
  EXPECT_EQ(with_third_spoiled(udp(4 * each), wrong_length), (Counts{2, 1, 1}));
  const std::vector<Spec> empty(3, udp(0));
  EXPECT_EQ(Batch{}.add(empty).counts(), (Counts{1, 1, 1}));
}

TEST(Coalescer, leaves_udp_alone_for_kernels_that_cannot_take_it) {
  Batch batch{UdpCoalescing::off};
  batch.add(packets::cut(udp(300), each)).add(packets::cut(tcp(300), each));
  const auto groups = batch.groups();
  ASSERT_EQ(groups.size(), 4u);
  EXPECT_EQ(groups[0].header, VirtioHeader{});
  EXPECT_EQ(groups[3].count, 3u);
}

TEST(Coalescer, joins_no_more_than_a_kernel_would) {
  for (const Spec& whole : {tcp(150 * each), udp(150 * each)}) {
    EXPECT_EQ(Batch{}.add(packets::cut(whole, each)).counts(), (Counts{64, 64, 22}));
  }
}

TEST(Coalescer, makes_no_packet_larger_than_ip_allows) {
  for (const bool is_v6 : {false, true}) {
    Spec whole = tcp(61 * 1100, is_v6);
    const std::size_t fit = (65535 - whole.payload_at()) / 1100;
    const auto groups = Batch{}.add(packets::cut(whole, 1100)).groups();
    ASSERT_EQ(groups.size(), 2u);
    EXPECT_EQ(groups[0].count, fit);
    EXPECT_EQ(groups[1].count, 61 - fit);
    Spec exact = tcp(65535 - whole.payload_at(), is_v6);
    EXPECT_EQ(Batch{}.add(packets::cut(exact, 1100)).counts(), (Counts{fit + 1}));
    exact.payload.push_back(std::byte{0});
    EXPECT_EQ(Batch{}.add(packets::cut(exact, 1100)).counts(), (Counts{fit, 1}));
  }
}

TEST(Coalescer, follows_a_sequence_beyond_its_end) {
  Spec whole = tcp(4 * each);
  whole.sequence = 0xffffff00;
  EXPECT_EQ(Batch{}.add(packets::cut(whole, each)).counts(), (Counts{4}));
}

TEST(Coalescer, takes_no_more_than_its_capacity_until_cleared) {
  Batch batch{UdpCoalescing::on, 2};
  std::vector<ByteVec> made = packets::make_all(packets::cut(tcp(3 * each), each));
  batch.add(made[0]).add(made[1]);
  EXPECT_FALSE(batch.coalescer().add(made[2]));
  EXPECT_EQ(batch.counts(), (Counts{2}));
  EXPECT_EQ(batch.counts(), (Counts{2})) << "asking twice changes nothing";
  EXPECT_FALSE(batch.coalescer().add(made[2]));
  batch.coalescer().clear();
  EXPECT_EQ(batch.counts(), Counts{});
  batch.coalescer().clear();
  batch.add(made[2]);
  EXPECT_EQ(batch.counts(), (Counts{1})) << "nothing is joined to what is gone";
}

}  // namespace
}  // namespace caponier::offload
