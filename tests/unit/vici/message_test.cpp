#include "vici/message.h"

#include <gtest/gtest.h>

#include "vici/packet.h"

namespace caponier::vici {
namespace {

using namespace std::string_literals;

std::expected<Message, MessageError> decode(const std::string& text) {
  return Message::decode(base::as_bytes(text));
}

MessageFault fault_of(const std::string& text) {
  const auto decoded = decode(text);
  EXPECT_FALSE(decoded) << "taken: " << text;
  return decoded ? MessageFault::truncated : decoded.error().fault;
}

/// The example of the protocol's description: a value, two sections, a list.
const std::string described =
    "\3\4key1\0\6value1"
    "\1\10section1"
    "\1\13sub-section"
    "\3\4key2\0\6value2"
    "\2"
    "\4\5list1"
    "\5\0\5item1"
    "\5\0\5item2"
    "\6"
    "\2"s;

Message described_tree() {
  Message sub;
  sub.add("key2", "value2");
  Message section;
  section.add_section("sub-section", sub).add_list("list1", {"item1", "item2"});
  Message root;
  root.add("key1", "value1").add_section("section1", section);
  return root;
}

TEST(ViciMessage, the_described_example_is_read_and_written_octet_by_octet) {
  const auto decoded = decode(described);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(*decoded, described_tree());
  EXPECT_EQ(described_tree().encode(), described);
}

TEST(ViciMessage, the_writer_makes_the_same_octets_without_a_tree) {
  MessageWriter out;
  out.value("key1", "value1").begin_section("section1").begin_section("sub-section");
  out.value("key2", "value2").end_section();
  out.list("list1", {"item1", "item2"}).end_section();
  EXPECT_EQ(out.text(), described);
}

TEST(ViciMessage, what_is_in_it_is_found_by_name_and_kind) {
  const Message message = described_tree();
  EXPECT_EQ(message.value("key1"), "value1");
  EXPECT_FALSE(message.value("section1"));
  EXPECT_FALSE(message.value("key2"));
  ASSERT_NE(message.section("section1"), nullptr);
  EXPECT_EQ(message.section("key1"), nullptr);
  EXPECT_EQ(message.section("section1")->list("list1").size(), 2U);
  EXPECT_TRUE(message.list("key1").empty());
  EXPECT_EQ(message.text("nothing", "else"), "else");
}

TEST(ViciMessage, an_empty_message_is_one_and_names_and_values_may_be_empty) {
  EXPECT_TRUE(decode("")->elements.empty());
  const auto decoded = decode("\3\0\0\0\4\0\6\1\0\2"s);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->elements.size(), 3U);
}

TEST(ViciMessage, values_are_octets_of_any_kind) {
  const std::string blob("\0\xff\n\2", 4);
  Message message;
  message.add("data", blob);
  const auto decoded = decode(message.encode());
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->value("data"), blob);
}

TEST(ViciMessage, of_two_keys_of_one_name_the_last_counts) {
  EXPECT_EQ(decode("\3\1a\0\1x\3\1a\0\1y"s)->value("a"), "y");
}

TEST(ViciMessage, yes_has_four_spellings) {
  for (const char* word : {"yes", "true", "enabled", "1"}) {
    EXPECT_TRUE(Message{}.add("a", word).is_yes("a")) << word;
  }
  for (const char* word : {"no", "", "Yes", "2"}) {
    EXPECT_FALSE(Message{}.add("a", word).is_yes("a")) << word;
  }
}

TEST(ViciMessage, it_may_end_nowhere_but_between_elements) {
  for (std::size_t size = 1; size < described.size(); ++size) {
    const auto decoded = decode(described.substr(0, size));
    if (size == 14) {
      EXPECT_TRUE(decoded) << "the first key alone is a message";
    } else {
      EXPECT_FALSE(decoded) << size;
    }
  }
}

TEST(ViciMessage, each_malformation_has_a_name) {
  EXPECT_EQ(fault_of("\3\4ke"s), MessageFault::truncated);
  EXPECT_EQ(fault_of("\3\1a\0\2x"s), MessageFault::truncated);
  EXPECT_EQ(fault_of("\3\1a\0"s), MessageFault::truncated);
  EXPECT_EQ(fault_of("\0"s), MessageFault::unknown_type);
  EXPECT_EQ(fault_of("\7\1a"s), MessageFault::unknown_type);
  EXPECT_EQ(fault_of("\2"s), MessageFault::unbalanced_section);
  EXPECT_EQ(fault_of("\1\1a"s), MessageFault::unbalanced_section);
  EXPECT_EQ(fault_of("\6"s), MessageFault::unbalanced_list);
  EXPECT_EQ(fault_of("\4\1a"s), MessageFault::unbalanced_list);
  EXPECT_EQ(fault_of("\5\0\1x"s), MessageFault::item_outside_list);
  EXPECT_EQ(fault_of("\4\1a\3\1b\0\0\6"s), MessageFault::element_inside_list);
  EXPECT_EQ(fault_of("\4\1a\4\1b\6\6"s), MessageFault::element_inside_list);
  EXPECT_EQ(fault_of("\1\1a\4\1b\2\6"s), MessageFault::element_inside_list);
}

TEST(ViciMessage, the_error_tells_where) {
  const auto decoded = decode("\3\1a\0\1x\7"s);
  ASSERT_FALSE(decoded);
  EXPECT_EQ(decoded.error().to_string(), "unknown element at octet 6");
}

TEST(ViciMessage, sections_inside_each_other_have_a_limit) {
  const auto nested = [](std::size_t depth) {
    std::string text;
    for (std::size_t i = 0; i < depth; ++i) text += "\1\0"s;
    return text + std::string(depth, '\2');
  };
  EXPECT_TRUE(decode(nested(depth_max)));
  EXPECT_EQ(fault_of(nested(depth_max + 1)), MessageFault::too_deep);
}

TEST(ViciMessage, the_number_of_elements_has_a_limit) {
  std::string text;
  for (std::size_t i = 0; i < elements_max; ++i) text += "\3\0\0\0"s;
  EXPECT_TRUE(decode(text));
  EXPECT_EQ(fault_of(text + "\3\0\0\0"s), MessageFault::too_many_elements);
}

TEST(ViciMessage, what_is_too_long_for_its_length_is_cut_and_stays_readable) {
  Message message;
  message.add(std::string(name_size_max + 1, 'n'), std::string(value_size_max + 1, 'v'));
  const auto decoded = decode(message.encode());
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->elements.at(0).name.size(), name_size_max);
  EXPECT_EQ(decoded->elements.at(0).value.size(), value_size_max);
}

TEST(ViciPacket, named_and_unnamed_packets_are_written_octet_by_octet) {
  EXPECT_EQ(make_packet(PacketType::cmd_request, "version"), "\0\0\0\11\0\7version"s);
  EXPECT_EQ(make_packet(PacketType::cmd_response, {}, "\3\1a\0\1x"s), "\0\0\0\7\1\3\1a\0\1x"s);
  EXPECT_EQ(make_packet(PacketType::event_confirm), "\0\0\0\1\5"s);
  EXPECT_EQ(make_packet(PacketType::event, "log", "m"), "\0\0\0\6\7\3logm"s);
}

TEST(ViciPacket, each_type_is_read_back) {
  for (unsigned type = 0; type <= 7; ++type) {
    const std::string text = make_packet(static_cast<PacketType>(type), "name", "body");
    const auto segment = first_segment(text);
    ASSERT_TRUE(segment && *segment);
    const auto packet = Packet::decode(**segment);
    ASSERT_TRUE(packet);
    EXPECT_EQ(static_cast<unsigned>(packet->type), type);
    EXPECT_EQ(packet->name, is_named(packet->type) ? "name" : "");
    EXPECT_EQ(packet->message, "body");
  }
}

TEST(ViciPacket, a_segment_is_waited_for_until_it_is_whole) {
  const std::string text = make_packet(PacketType::cmd_request, "stats") + "\0\0"s;
  for (std::size_t size = 0; size < text.size() - 2; ++size) {
    const auto segment = first_segment(std::string_view{text}.substr(0, size));
    ASSERT_TRUE(segment);
    EXPECT_FALSE(*segment) << size;
  }
  EXPECT_EQ((*first_segment(text))->size(), 7U);
}

TEST(ViciPacket, a_length_beyond_the_limit_is_refused_before_it_arrives) {
  EXPECT_TRUE(first_segment("\0\10\0\0"s));
  EXPECT_EQ(first_segment("\0\10\0\1"s).error(), PacketFault::too_long);
  EXPECT_EQ(first_segment("\xff\xff\xff\xff"s).error(), PacketFault::too_long);
}

TEST(ViciPacket, what_is_no_packet_is_refused_by_name) {
  EXPECT_EQ(Packet::decode("").error(), PacketFault::empty);
  EXPECT_EQ(Packet::decode("\10"s).error(), PacketFault::unknown_type);
  EXPECT_EQ(Packet::decode("\0"s).error(), PacketFault::truncated);
  EXPECT_EQ(Packet::decode("\0\5vers"s).error(), PacketFault::truncated);
}

}  // namespace
}  // namespace caponier::vici
