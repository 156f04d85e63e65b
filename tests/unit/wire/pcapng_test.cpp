#include "wire/pcapng.h"

#include <gtest/gtest.h>

#include "unit/wire/samples.h"

namespace caponier::wire {
namespace {

using base::Bytes;
using base::ByteVec;
using base::Reader;

struct Option {
  std::uint16_t code = 0;
  Bytes value;
};

struct Block {
  std::uint32_t type = 0;
  Bytes body;
};

/// Checks what surrounds every block.
Block block_of(Bytes bytes) {
  Reader in{bytes};
  const std::uint32_t type = in.u32("type").value();
  EXPECT_EQ(in.u32("length").value(), bytes.size());
  EXPECT_EQ(bytes.size() % 4, 0U);
  const Bytes body = in.take(in.remaining() - 4, "body").value();
  EXPECT_EQ(in.u32("length again").value(), bytes.size());
  return {type, body};
}

std::vector<Option> options_of(Reader& in) {
  std::vector<Option> options;
  for (;;) {
    Option option;
    option.code = in.u16("code").value();
    const std::size_t size = in.u16("size").value();
    option.value = in.take(size, "value").value();
    EXPECT_TRUE(in.skip((4 - size % 4) % 4, "padding").has_value());
    if (option.code == 0) break;
    options.push_back(option);
  }
  EXPECT_EQ(in.remaining(), 0U);
  return options;
}

TEST(Pcapng, a_section_begins_with_its_magic_and_version) {
  const ByteVec bytes = pcapng_section_header("caponier");
  const Block block = block_of(bytes);
  EXPECT_EQ(block.type, 0x0a0d0d0aU);
  Reader in{block.body};
  EXPECT_EQ(in.u32("magic").value(), 0x1a2b3c4dU);
  EXPECT_EQ(in.u32("version").value(), 0x00010000U);
  EXPECT_EQ(in.u64("section length").value(), ~std::uint64_t{0});
  const auto options = options_of(in);
  ASSERT_EQ(options.size(), 1U);
  EXPECT_EQ(options[0].code, 4U);
  EXPECT_EQ(base::as_text(options[0].value), "caponier");
}

TEST(Pcapng, an_interface_is_raw_ip_in_nanoseconds) {
  const ByteVec bytes = pcapng_interface("wan");
  const Block block = block_of(bytes);
  EXPECT_EQ(block.type, 1U);
  Reader in{block.body};
  EXPECT_EQ(in.u16("link type").value(), 101U);
  EXPECT_EQ(in.u16("reserved").value(), 0U);
  EXPECT_EQ(in.u32("snap length").value(), pcapng_packet_size_max);
  const auto options = options_of(in);
  ASSERT_EQ(options.size(), 2U);
  EXPECT_EQ(options[0].code, 2U);
  EXPECT_EQ(base::as_text(options[0].value), "wan");
  EXPECT_EQ(options[1].code, 9U);
  EXPECT_EQ(base::to_hex(options[1].value), "09");
}

TEST(Pcapng, a_packet_carries_time_direction_and_comment) {
  const ByteVec data = samples::bytes("4500001400");
  const ByteVec bytes =
      pcapng_packet({1, 0x0102030405060708, PcapngDirection::outbound, data, "why"});
  const Block block = block_of(bytes);
  EXPECT_EQ(block.type, 6U);
  Reader in{block.body};
  EXPECT_EQ(in.u32("interface").value(), 1U);
  EXPECT_EQ(in.u32("time high").value(), 0x01020304U);
  EXPECT_EQ(in.u32("time low").value(), 0x05060708U);
  EXPECT_EQ(in.u32("captured").value(), 5U);
  EXPECT_EQ(in.u32("original").value(), 5U);
  EXPECT_TRUE(base::equal(in.take(5, "data").value(), data));
  EXPECT_TRUE(in.skip(3, "padding").has_value());
  const auto options = options_of(in);
  ASSERT_EQ(options.size(), 2U);
  EXPECT_EQ(options[0].code, 2U);
  EXPECT_EQ(base::to_hex(options[0].value), "00000002");
  EXPECT_EQ(options[1].code, 1U);
  EXPECT_EQ(base::as_text(options[1].value), "why");
}

TEST(Pcapng, long_comments_are_cut_between_characters) {
  std::string text(pcapng_text_size_max - 1, 'a');
  text += "\xc3\xa9";  // its second octet would be the first one beyond the limit
  const ByteVec bytes = pcapng_packet({0, 0, PcapngDirection::unknown, {}, text});
  const Block block = block_of(bytes);
  Reader in{block.body.subspan(20)};
  const auto options = options_of(in);
  ASSERT_EQ(options.size(), 2U);
  EXPECT_EQ(options[1].value.size(), pcapng_text_size_max - 1);
}

TEST(Pcapng, long_packets_are_cut_but_keep_their_length) {
  const ByteVec data(pcapng_packet_size_max + 1);
  const ByteVec bytes = pcapng_packet({0, 0, PcapngDirection::inbound, data, ""});
  Reader in{block_of(bytes).body.subspan(12)};
  EXPECT_EQ(in.u32("captured").value(), pcapng_packet_size_max);
  EXPECT_EQ(in.u32("original").value(), pcapng_packet_size_max + 1);
}

}  // namespace
}  // namespace caponier::wire
