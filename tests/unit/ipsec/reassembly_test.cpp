// Fragments: in any order, twice, overlapping, too many; and against a model.

#include "ipsec/reassembly.h"

#include <gtest/gtest.h>

#include <map>

#include "unit/ipsec/pair.h"
#include "wire/ip_split.h"

namespace caponier::ipsec::test {
namespace {

/// An IPv4 fragment of `size` octets from `offset` on.
ByteVec fragment(std::uint16_t id, std::size_t offset, std::size_t size, bool more,
                 std::byte fill = std::byte{7}, std::string_view from = "192.0.2.1") {
  ByteVec packet(20 + size, fill);
  wire::write_ipv4_header(packet, {.source = ip(from),
                                   .destination = ip("198.51.100.1"),
                                   .protocol = 50,
                                   .total_length = static_cast<std::uint16_t>(packet.size()),
                                   .identification = id,
                                   .more_fragments = more,
                                   .fragment_offset = static_cast<std::uint16_t>(offset)});
  return packet;
}

std::vector<ByteVec> pieces_v6(const ByteVec& packet, std::uint32_t id) {
  const auto split = wire::Ipv6Split::plan(packet, 1280, id).value();
  std::vector<ByteVec> pieces;
  for (std::size_t i = 0; i < split.count(); ++i) {
    split.write(i, pieces.emplace_back(split.size_of(i)));
  }
  return pieces;
}

/// Counts what is dropped, as the engine does.
std::optional<ByteVec> add_to(Reassembly& reassembly, base::DropCounters& drops,
                              const ByteVec& packet, Instant now = {}) {
  auto whole = reassembly.add(packet, now);
  if (whole.has_value()) return *whole;
  drops.add(whole.error());
  return std::nullopt;
}

class ReassemblyTest : public ::testing::Test {
 protected:
  std::optional<ByteVec> add(const ByteVec& packet, Instant now = {}) {
    return add_to(reassembly, drops, packet, now);
  }
  ReassemblyLimits limits;
  base::DropCounters drops;
  Reassembly reassembly{limits, drops};
};

TEST_F(ReassemblyTest, passes_whole_packets_on) {
  EXPECT_EQ(add(v4_packet()), v4_packet());
  EXPECT_EQ(add(v6_packet()), v6_packet());
  ByteVec padded = v4_packet();
  padded.resize(padded.size() + 9);
  EXPECT_EQ(add(padded), v4_packet());
  EXPECT_EQ(drops.total(), 0u);
}

TEST_F(ReassemblyTest, makes_a_whole_of_fragments_in_every_order) {
  const ByteVec packet = v6_packet(3000);
  std::vector<ByteVec> pieces = pieces_v6(packet, 5);
  ASSERT_EQ(pieces.size(), 3u);
  std::ranges::sort(pieces);
  do {
    EXPECT_FALSE(add(pieces[0]).has_value());
    EXPECT_FALSE(add(pieces[1]).has_value());
    EXPECT_EQ(add(pieces[2]), packet);
    EXPECT_EQ(reassembly.set_count(), 0u);
    EXPECT_EQ(reassembly.byte_count(), 0u);
  } while (std::ranges::next_permutation(pieces).found);
  EXPECT_EQ(drops.total(), 0u);
}

TEST_F(ReassemblyTest, ignores_what_comes_twice) {
  EXPECT_FALSE(add(fragment(1, 0, 16, true)).has_value());
  EXPECT_FALSE(add(fragment(1, 0, 16, true)).has_value());
  EXPECT_TRUE(add(fragment(1, 16, 4, false)).has_value());
  EXPECT_EQ(drops.total(), 0u);
}

TEST_F(ReassemblyTest, drops_the_whole_packet_and_its_rest_when_fragments_overlap) {
  const std::vector<ByteVec> overlaps = {
      fragment(1, 0, 16, true, std::byte{8}),  // other bytes in the same place
      fragment(1, 8, 16, true),                // over the end of one
      fragment(1, 8, 8, true),                 // inside one
      fragment(1, 24, 40, true),               // over the begin of one
  };
  for (const ByteVec& overlap : overlaps) {
    base::DropCounters counted;
    Reassembly fresh{limits, counted};
    EXPECT_FALSE(add_to(fresh, counted, fragment(1, 0, 16, true)).has_value());
    EXPECT_FALSE(add_to(fresh, counted, fragment(1, 32, 8, true)).has_value());
    EXPECT_FALSE(add_to(fresh, counted, overlap).has_value());
    EXPECT_EQ(counted[DropReason::clear_fragment], 1u);
    EXPECT_EQ(fresh.byte_count(), 0u);
    for (const auto& late : {fragment(1, 0, 40, true), fragment(1, 40, 4, false)}) {
      EXPECT_FALSE(add_to(fresh, counted, late).has_value());
    }
    EXPECT_EQ(counted[DropReason::clear_fragment], 3u);
  }
}

TEST_F(ReassemblyTest, refuses_two_ends_and_what_lies_beyond_the_end) {
  EXPECT_FALSE(add(fragment(1, 32, 8, false)).has_value());
  EXPECT_FALSE(add(fragment(1, 40, 8, true)).has_value());
  EXPECT_EQ(drops[DropReason::clear_fragment], 1u);
  EXPECT_FALSE(add(fragment(2, 32, 8, false)).has_value());
  EXPECT_FALSE(add(fragment(2, 16, 8, false)).has_value());
  EXPECT_EQ(drops[DropReason::clear_fragment], 2u);
  EXPECT_FALSE(add(fragment(3, 32, 8, true)).has_value());
  EXPECT_FALSE(add(fragment(3, 16, 8, false)).has_value());
  EXPECT_EQ(drops[DropReason::clear_fragment], 3u);
}

TEST_F(ReassemblyTest, refuses_what_makes_no_sense) {
  EXPECT_FALSE(add({}).has_value());
  EXPECT_FALSE(add(ByteVec(3, std::byte{0x45})).has_value());
  EXPECT_FALSE(add(fragment(1, 0, 15, true)).has_value());       // no multiple of eight
  EXPECT_FALSE(add(fragment(1, 8, 0, false)).has_value());       // nothing in it
  EXPECT_FALSE(add(fragment(1, 65528, 80, false)).has_value());  // ends beyond any packet
  EXPECT_EQ(drops[DropReason::clear_fragment], 5u);
  EXPECT_EQ(reassembly.set_count(), 0u);
}

TEST_F(ReassemblyTest, keeps_a_mark_of_congestion_on_any_fragment) {
  ByteVec first = fragment(1, 0, 16, true);
  ByteVec last = fragment(1, 16, 8, false);
  set_v4_word(first, 0, 0x4502);
  set_v4_word(last, 0, 0x4503);
  EXPECT_FALSE(add(last).has_value());
  const auto whole = add(first);
  ASSERT_TRUE(whole.has_value());
  const auto view = wire::Ipv4View::checked(*whole).value();
  EXPECT_EQ(view.ecn(), wire::Ecn::ce);
  EXPECT_EQ(wire::internet_checksum(view.header()), 0);
  EXPECT_FALSE(view.is_fragment());
}

TEST_F(ReassemblyTest, takes_an_atomic_fragment_for_itself) {
  const ByteVec packet = v6_packet(100);
  ByteVec atomic = packet;
  const ByteVec header{std::byte{17}, std::byte{0}, std::byte{0}, std::byte{0},
                       std::byte{0},  std::byte{0}, std::byte{0}, std::byte{5}};
  atomic.insert(atomic.begin() + 40, header.begin(), header.end());
  atomic[6] = std::byte{44};
  base::store_be(atomic.data() + 4, static_cast<std::uint16_t>(atomic.size() - 40));
  EXPECT_EQ(add(atomic), packet);
}

TEST_F(ReassemblyTest, forgets_what_stays_incomplete) {
  EXPECT_FALSE(reassembly.poll_deadline().has_value());
  EXPECT_FALSE(add(fragment(1, 0, 16, true), at_seconds(1)).has_value());
  EXPECT_EQ(reassembly.poll_deadline()->at, at_seconds(1) + limits.age_max);
  reassembly.handle_deadline(at_seconds(1) + limits.age_max - base::Duration{1});
  EXPECT_EQ(reassembly.set_count(), 1u);
  reassembly.handle_deadline(at_seconds(1) + limits.age_max);
  EXPECT_EQ(reassembly.set_count(), 0u);
  EXPECT_EQ(drops[DropReason::clear_fragment_limit], 1u);
}

TEST(ReassemblyLimitsTest, hold_for_sets_sources_fragments_and_bytes) {
  ReassemblyLimits limits;
  limits.sets_max = 3;
  limits.sets_per_source_max = 2;
  limits.fragments_per_set_max = 2;
  limits.bytes_max = 100;
  base::DropCounters drops;
  Reassembly reassembly{limits, drops};
  const auto add = [&](const ByteVec& packet) {
    return add_to(reassembly, drops, packet).has_value();
  };
  EXPECT_FALSE(add(fragment(1, 0, 8, true)));
  EXPECT_FALSE(add(fragment(2, 0, 8, true)));
  EXPECT_EQ(drops.total(), 0u);
  EXPECT_FALSE(add(fragment(3, 0, 8, true)));  // a third of one source
  EXPECT_EQ(drops[DropReason::clear_fragment_limit], 1u);
  EXPECT_FALSE(add(fragment(3, 0, 8, true, std::byte{1}, "192.0.2.7")));
  EXPECT_FALSE(add(fragment(3, 0, 8, true, std::byte{1}, "192.0.2.8")));  // a fourth of all
  EXPECT_EQ(drops[DropReason::clear_fragment_limit], 2u);
  EXPECT_FALSE(add(fragment(1, 16, 8, true)));
  EXPECT_FALSE(add(fragment(1, 32, 8, true)));  // a third of one packet
  EXPECT_EQ(drops[DropReason::clear_fragment_limit], 3u);
  EXPECT_FALSE(add(fragment(2, 8, 96, true)));  // too many bytes
  EXPECT_EQ(drops[DropReason::clear_fragment_limit], 4u);
  EXPECT_EQ(reassembly.set_count(), 3u);
  EXPECT_EQ(reassembly.byte_count(), 8u);
}

/// What a patient reader makes of the fragments of one packet: a byte map, poisoned by any overlap.
struct Model {
  std::map<std::size_t, std::byte> bytes;
  std::optional<std::size_t> end;
  std::map<std::size_t, std::size_t> pieces;
  bool is_spoiled = false;

  bool add(std::size_t begin, std::size_t size, bool more) {
    const auto same = pieces.find(begin);
    if (!is_spoiled && same != pieces.end() && same->second == size) return false;
    bool bad = is_spoiled;
    for (std::size_t i = begin; i < begin + size; ++i) bad = bad || bytes.contains(i);
    if (end && (!more || begin + size > *end)) bad = true;
    if (!more && !bytes.empty() && bytes.rbegin()->first >= begin + size) bad = true;
    if (bad) {
      is_spoiled = true;
      return false;
    }
    pieces[begin] = size;
    for (std::size_t i = begin; i < begin + size; ++i) bytes[i] = std::byte{7};
    if (!more) end = begin + size;
    return end && bytes.size() == *end;
  }
};

TEST(ReassemblyModel, agrees_on_random_fragments_of_one_packet) {
  base::SeededRng rng{7};
  std::size_t complete = 0;
  for (int round = 0; round < 20000; ++round) {
    base::DropCounters drops;
    Reassembly reassembly{{}, drops};
    Model model;
    const std::size_t units = 3 + rng.public_below(5);
    for (int step = 0; step < 8; ++step) {
      const std::size_t begin = rng.public_below(units);
      const std::size_t end = begin + 1 + rng.public_below(2);
      const bool more = end < units;
      const bool expected = model.add(begin * 8, (end - begin) * 8, more);
      const auto whole = add_to(reassembly, drops, fragment(1, begin * 8, (end - begin) * 8, more));
      ASSERT_EQ(whole.has_value(), expected) << "round " << round;
      if (whole) {
        ASSERT_EQ(whole->size(), 20 + *model.end);
        ++complete;
        break;
      }
      if (model.is_spoiled) {
        ASSERT_EQ(reassembly.byte_count(), 0u);
        break;
      }
    }
  }
  EXPECT_GT(complete, 500u);
}

}  // namespace
}  // namespace caponier::ipsec::test
