#include "ike/reason.h"

#include <gtest/gtest.h>

#include "base/rng.h"

namespace caponier::ike {
namespace {

ChildRefusal refusal() {
  policy::Evidence seen;
  seen.symptom = policy::Symptom::child_no_selectors;
  seen.ours.mode = policy::SaMode::tunnel;
  seen.ours.group = crypto::KeGroup::curve25519;
  seen.our_offers = policy::default_esp_offers();
  const auto net = [](const char* text) {
    return policy::TrafficSelector::from_prefix(base::Prefix::parse(text).value());
  };
  seen.ours.local = {net("10.1.0.0/16")};
  seen.ours.remote = {net("10.2.0.0/16"), net("2001:db8::/32")};
  ChildRefusal refusal;
  refusal.seen = std::make_shared<const policy::Evidence>(std::move(seen));
  return refusal;
}

TEST(Reason, says_what_the_other_end_has_as_seen_from_here) {
  const ChildRefusal refused = refusal();
  const auto notify = make_reason(refused);
  ASSERT_TRUE(notify);
  EXPECT_FALSE(wire::is_error(notify->type)) << "others must ignore it";
  const auto read = read_reason({*notify});
  ASSERT_TRUE(read);
  EXPECT_EQ(read->symptom, policy::Symptom::child_no_selectors);
  EXPECT_EQ(read->theirs.local, refused.seen->ours.remote);
  EXPECT_EQ(read->theirs.remote, refused.seen->ours.local);
  EXPECT_EQ(read->theirs.mode, policy::SaMode::tunnel);
  EXPECT_EQ(read->theirs.group, crypto::KeGroup::curve25519);
  EXPECT_EQ(read->their_offers, policy::to_wire(refused.seen->our_offers, {}, true));
}

TEST(Reason, nothing_is_said_of_what_has_no_word) {
  ChildRefusal refused;
  EXPECT_FALSE(make_reason(refused));
  policy::Evidence seen;
  seen.symptom = policy::Symptom::child_other;
  refused.seen = std::make_shared<const policy::Evidence>(seen);
  EXPECT_FALSE(make_reason(refused));
}

TEST(Reason, one_that_is_cut_anywhere_is_none) {
  const auto whole = make_reason(refusal());
  ASSERT_TRUE(whole);
  for (std::size_t size = 0; size < whole->data.size(); ++size) {
    wire::NotifyPayload cut = *whole;
    cut.data.resize(size);
    EXPECT_FALSE(read_reason({cut})) << size;
  }
  wire::NotifyPayload longer = *whole;
  longer.data.push_back(std::byte{0});
  EXPECT_FALSE(read_reason({longer}));
  longer.data.resize(reason_size_max + 1);
  EXPECT_FALSE(read_reason({longer}));
}

TEST(Reason, octets_by_chance_do_no_harm) {
  const auto whole = make_reason(refusal());
  base::SeededRng rng{8};
  for (int i = 0; i < 20000; ++i) {
    wire::NotifyPayload changed = *whole;
    for (int j = 0; j < 3; ++j) {
      changed.data[rng.public_below(changed.data.size())] =
          static_cast<std::byte>(rng.public_below(256));
    }
    if (const auto read = read_reason({changed})) {
      EXPECT_LE(read->their_offers.proposals.size(), policy::evidence_proposals_max);
    }
  }
}

}  // namespace
}  // namespace caponier::ike
