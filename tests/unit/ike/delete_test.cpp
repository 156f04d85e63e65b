// Deletion (RFC 7296 s1.4.1, s2.25): one side, both at once, and what comes late.

#include <gtest/gtest.h>

#include "unit/ike/rekey.h"

namespace caponier::ike::test {
namespace {

using wire::ExchangeType;

class Deletion : public Collision {
 public:
  Deletion() { expects_traffic = false; }
};

TEST(ChildDelete, one_side_deletes_and_the_other_answers_with_its_half) {
  for (const bool by_a : {true, false}) {
    Deletion pair;
    const auto spi = (by_a ? pair.b : pair.a).live().at(0)->spi_in;
    by_a ? pair.delete_child_a() : pair.delete_child_b();
    pair.finish();
    Forger forger{pair.a.record.keys.at(0)};
    const auto answer = forger.open(pair.sent.back().message);
    const auto* const deletion = wire::find<wire::DeletePayload>(answer);
    ASSERT_NE(deletion, nullptr);
    EXPECT_EQ(base::load_be<std::uint32_t>(deletion->spis.at(0).data()), spi.value);
    EXPECT_TRUE(pair.a.live().empty());
    EXPECT_TRUE(pair.b.live().empty());
  }
}

TEST(ChildDelete, both_at_once_answer_without_their_half) {
  Deletion pair;
  pair.delete_child_a();
  pair.delete_child_b();
  pair.finish();
  Forger forger{pair.a.record.keys.at(0)};
  for (const Datagram& datagram : pair.sent) {
    if (!datagram.header().is_response()) continue;
    EXPECT_TRUE(forger.open(datagram.message).empty());
  }
  EXPECT_TRUE(pair.a.live().empty());
  EXPECT_TRUE(pair.b.live().empty());
  EXPECT_EQ(pair.a.ike_count(IkeState::established), 1u);
}

TEST(ChildDelete, of_what_is_gone_already_is_answered_without_a_half) {
  Deletion pair;
  Forger forger{pair.a.record.keys.at(0)};
  wire::DeletePayload deletion{wire::ProtocolId::esp, 4, {ByteVec(4, std::byte{7})}};
  pair.inject(true, forger.request(ExchangeType::informational, 2, {deletion}));
  EXPECT_TRUE(forger.open(pair.sent.back().message).empty());
  EXPECT_EQ(pair.b.live().size(), 1u);
}

TEST(ChildDelete, of_a_child_and_of_the_ike_sa_at_once_leaves_nothing) {
  for (const std::string_view order : {"ab", "ba"}) {
    Deletion pair;
    pair.delete_child_a();
    pair.delete_ike_b();
    for (const char to : order) to == 'a' ? pair.next_to_a() : pair.next_to_b();
    pair.settle();
    EXPECT_TRUE(pair.a.endpoint.snapshot().empty());
    EXPECT_TRUE(pair.b.endpoint.snapshot().empty());
    EXPECT_TRUE(pair.a.live().empty());
    EXPECT_TRUE(pair.b.live().empty());
  }
}

TEST(ChildDelete, survives_the_loss_of_any_one_message) {
  for (std::size_t lost = 0; lost < 4; ++lost) {
    Deletion pair;
    std::size_t count = 0;
    pair.filter = [&](Datagram&) { return count++ != lost; };
    pair.delete_child_a();
    pair.delete_child_b();
    pair.settle();
    EXPECT_TRUE(pair.a.live().empty()) << lost;
    EXPECT_TRUE(pair.b.live().empty()) << lost;
    EXPECT_EQ(pair.a.ike_count(IkeState::established), 1u);
  }
}

TEST(IkeDelete, one_side_or_both_at_once_leave_nothing) {
  for (const int who : {1, 2, 3}) {
    Deletion pair;
    if ((who & 1) != 0) pair.delete_ike_a();
    if ((who & 2) != 0) pair.delete_ike_b();
    pair.settle();
    EXPECT_TRUE(pair.a.endpoint.snapshot().empty()) << who;
    EXPECT_TRUE(pair.b.endpoint.snapshot().empty()) << who;
    EXPECT_TRUE(pair.a.live().empty()) << who;
    EXPECT_TRUE(pair.b.live().empty()) << who;
  }
}

}  // namespace
}  // namespace caponier::ike::test
