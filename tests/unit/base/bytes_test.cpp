#include "base/bytes.h"

#include <array>

#include <gtest/gtest.h>

#include "base/bounded.h"
#include "base/event.h"
#include "base/rng.h"
#include "base/secret.h"

namespace caponier::base {
namespace {

TEST(Reader, names_the_field_and_offset_where_bytes_ran_out) {
  const auto bytes = *from_hex("0102030405");
  Reader in{bytes};
  EXPECT_EQ(in.u16("a").value(), 0x0102U);
  auto inner = in.sub(2, "b").value();
  EXPECT_EQ(inner.u8("b.x").value(), 3U);
  const auto error = inner.u16("b.y").error();
  EXPECT_EQ(error.fault, WireFault::truncated);
  EXPECT_EQ(error.offset, 3U);
  EXPECT_EQ(error.field, "b.y");
  EXPECT_FALSE(inner.finish("b"));
}

TEST(Writer, an_overflowing_length_field_poisons_the_result) {
  Writer out;
  out.u16(0);
  out.patch_u16(0, 65536);
  EXPECT_TRUE(out.failed());
  EXPECT_FALSE(out.finish());
}

TEST(Hex, round_trips_and_refuses_foreign_characters) {
  EXPECT_EQ(to_hex(*from_hex("00FFa5")), "00ffa5");
  EXPECT_FALSE(from_hex("0"));
  EXPECT_FALSE(from_hex("zz"));
}

TEST(Secret, is_empty_after_a_move_and_wiped_memory_is_zero) {
  SecretBytes a{*from_hex("010203")};
  const SecretBytes b{std::move(a)};
  EXPECT_EQ(b.size(), 3U);
  auto memory = *from_hex("ffff");
  wipe(memory);
  EXPECT_TRUE(equal(memory, *from_hex("0000")));
}

TEST(EqualConstantTime, agrees_with_plain_equality) {
  EXPECT_TRUE(equal_constant_time(*from_hex("0102"), *from_hex("0102")));
  EXPECT_FALSE(equal_constant_time(*from_hex("0102"), *from_hex("0103")));
  EXPECT_FALSE(equal_constant_time(*from_hex("01"), *from_hex("0102")));
}

TEST(SeededRng, is_reproducible_and_keeps_public_and_secret_streams_apart) {
  SeededRng a{7};
  SeededRng b{7};
  EXPECT_EQ(a.public_u64(), b.public_u64());
  std::array<std::byte, 8> secret{};
  b.fill_secret(secret);
  EXPECT_EQ(a.public_u64(), b.public_u64());
  EXPECT_LT(a.public_below(10), 10U);
}

TEST(BoundedQueue, refuses_or_drops_the_oldest_at_its_limit) {
  BoundedQueue<int> queue{2};
  EXPECT_TRUE(queue.push(1));
  EXPECT_TRUE(queue.push(2));
  EXPECT_FALSE(queue.push(3));
  EXPECT_TRUE(queue.push_dropping_oldest(4));
  EXPECT_EQ(queue.pop(), 2);
  EXPECT_EQ(queue.pop(), 4);
  EXPECT_EQ(queue.pop(), std::nullopt);
}

TEST(Printable, escapes_what_a_terminal_would_interpret_and_cuts) {
  EXPECT_EQ(printable("a\x1b[2J\n"), "a\\x1b[2J\\x0a");
  EXPECT_EQ(printable(std::string(200, 'x'), 4), "xxxx...");
}

}  // namespace
}  // namespace caponier::base
