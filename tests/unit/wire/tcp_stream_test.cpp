#include "wire/tcp_stream.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace caponier::wire {
namespace {

using base::ByteVec;

constexpr std::size_t message_max = 1000;
constexpr std::size_t unsent_max = 4096;

ByteVec bytes_of(std::string_view text) { return base::to_vec(base::as_bytes(text)); }

/// What a reader makes of a stream that arrives in pieces of `cut` bytes.
struct Outcome {
  std::vector<ByteVec> messages;
  std::optional<TcpStreamFault> fault;
  std::size_t buffered_max = 0;
};
Outcome read_in_pieces(Bytes stream, std::size_t cut, TcpRole role = TcpRole::responder) {
  TcpStreamReader reader{role, message_max};
  Outcome outcome;
  while (!stream.empty()) {
    Bytes piece = stream.first(std::min(cut, stream.size()));
    stream = stream.subspan(piece.size());
    for (;;) {
      const auto message = reader.next(piece);
      if (!message) {
        outcome.fault = message.error();
        return outcome;
      }
      outcome.buffered_max = std::max(outcome.buffered_max, reader.buffered());
      if (!*message) break;
      outcome.messages.push_back(base::to_vec(**message));
    }
    EXPECT_TRUE(piece.empty());
  }
  return outcome;
}

ByteVec written(const std::vector<ByteVec>& messages, TcpRole role = TcpRole::originator) {
  TcpStreamWriter writer{role};
  for (const ByteVec& message : messages) {
    EXPECT_TRUE(writer.push(message, std::size_t{1} << 20));
  }
  return base::to_vec(writer.unsent());
}

const std::vector<ByteVec> some_messages = {
    bytes_of("\xff"),
    bytes_of("one message"),
    ByteVec(message_max, std::byte{7}),
    bytes_of("another"),
};

//= rfc9329#4-1 type=test
//= rfc9329#6.1-1 type=test
TEST(TcpStream, the_originator_begins_with_the_prefix_and_a_length_that_counts_itself) {
  EXPECT_EQ(written({bytes_of("ab")}), bytes_of(std::string_view{"IKETCP\0\x04"
                                                                 "ab",
                                                                 10}));
  EXPECT_EQ(written({bytes_of("ab")}, TcpRole::responder), bytes_of(std::string_view{"\0\x04"
                                                                                     "ab",
                                                                                     4}));
}

TEST(TcpStream, every_cut_of_a_stream_yields_the_same_messages) {
  const ByteVec stream = written(some_messages);
  for (std::size_t cut = 1; cut <= stream.size(); ++cut) {
    const Outcome outcome = read_in_pieces(stream, cut);
    ASSERT_FALSE(outcome.fault) << cut;
    ASSERT_EQ(outcome.messages, some_messages) << cut;
    ASSERT_LE(outcome.buffered_max, message_max + tcp_length_size) << cut;
  }
}

TEST(TcpStream, an_originator_expects_no_prefix_in_the_other_direction) {
  const Outcome outcome =
      read_in_pieces(written(some_messages, TcpRole::responder), 3, TcpRole::originator);
  EXPECT_EQ(outcome.messages, some_messages);
}

//= rfc9329#3-2 type=test
TEST(TcpStream, empty_messages_are_ignored) {
  const ByteVec stream =
      bytes_of(std::string_view{"IKETCP\0\x02\0\x02\0\x03"
                                "a\0\x02",
                                14});
  for (std::size_t cut = 1; cut <= stream.size(); ++cut) {
    const Outcome outcome = read_in_pieces(stream, cut);
    EXPECT_FALSE(outcome.fault);
    EXPECT_EQ(outcome.messages, std::vector<ByteVec>{bytes_of("a")});
  }
}

//= rfc9329#3.1-1 type=test
//= rfc9329#3.1-2 type=test
TEST(TcpStream, a_length_below_its_own_size_is_a_fault) {
  for (const char length : {'\0', '\1'}) {
    const std::string stream = std::string{"IKETCP\0", 7} + length + "abc";
    for (const std::size_t cut : {std::size_t{1}, stream.size()}) {
      EXPECT_EQ(read_in_pieces(base::as_bytes(stream), cut).fault, TcpStreamFault::bad_length);
    }
  }
}

TEST(TcpStream, a_message_above_the_limit_is_refused_by_its_length_alone) {
  const std::string_view head{"IKETCP\x03\xeb", 8};  // 1001 + 2
  const Outcome outcome = read_in_pieces(base::as_bytes(head), 1);
  EXPECT_EQ(outcome.fault, TcpStreamFault::too_long);
  EXPECT_LE(outcome.buffered_max, tcp_stream_prefix.size());
}

TEST(TcpStream, a_stranger_is_known_by_its_first_wrong_byte) {
  EXPECT_EQ(read_in_pieces(base::as_bytes("GET / HTTP/1.1"), 1).fault, TcpStreamFault::bad_prefix);
  TcpStreamReader reader{TcpRole::responder, message_max};
  Bytes wrong = base::as_bytes("IKEX");
  EXPECT_FALSE(reader.next(wrong).has_value());
  TcpStreamReader waiting{TcpRole::responder, message_max};
  Bytes begun = base::as_bytes("IKET");
  EXPECT_EQ(waiting.next(begun).value(), std::nullopt);
}

TEST(TcpStream, nothing_is_handed_out_before_the_whole_prefix_has_come) {
  const ByteVec stream = written({bytes_of("a")});
  for (std::size_t size = 0; size < stream.size(); ++size) {
    EXPECT_TRUE(read_in_pieces(Bytes{stream}.first(size), 100).messages.empty());
  }
}

TEST(TcpStream, a_writer_takes_no_more_than_may_wait) {
  TcpStreamWriter writer{TcpRole::responder};
  const ByteVec message(998);
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(writer.push(message, unsent_max));
  EXPECT_FALSE(writer.push(message, unsent_max));
  EXPECT_EQ(writer.unsent().size(), 4000U);
  writer.consume(1000);
  EXPECT_TRUE(writer.push(message, unsent_max));
}

TEST(TcpStream, a_writer_refuses_what_the_framing_cannot_say) {
  TcpStreamWriter writer{TcpRole::responder};
  EXPECT_FALSE(writer.push({}, 1U << 20U));
  EXPECT_FALSE(writer.push(ByteVec(tcp_message_max + 1), 1U << 20U));
  EXPECT_TRUE(writer.push(ByteVec(tcp_message_max), 1U << 20U));
  EXPECT_EQ(writer.unsent().size(), 0xffffU);
}

TEST(TcpStream, what_is_sent_in_small_steps_arrives_whole) {
  TcpStreamWriter writer{TcpRole::originator};
  TcpStreamReader reader{TcpRole::responder, message_max};
  std::vector<ByteVec> arrived;
  for (std::size_t i = 0; i < 500; ++i) {
    ASSERT_TRUE(writer.push(ByteVec(1 + i % 97, static_cast<std::byte>(i)), unsent_max));
    Bytes step = writer.unsent().first(std::min<std::size_t>(writer.unsent().size(), 1 + i % 120));
    const std::size_t size = step.size();
    while (true) {
      const auto message = reader.next(step);
      ASSERT_TRUE(message.has_value());
      if (!*message) break;
      arrived.push_back(base::to_vec(**message));
    }
    writer.consume(size);
  }
  ASSERT_GT(arrived.size(), 400U);
  for (std::size_t i = 0; i < arrived.size(); ++i) {
    ASSERT_EQ(arrived[i], ByteVec(1 + i % 97, static_cast<std::byte>(i)));
  }
}

}  // namespace
}  // namespace caponier::wire
