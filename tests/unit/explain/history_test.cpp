#include "explain/history.h"

#include <gtest/gtest.h>

#include <fmt/format.h>

namespace caponier::explain {
namespace {

using namespace std::chrono_literals;

policy::Evidence seen(std::string peer, policy::Symptom symptom, std::string child = {}) {
  policy::Evidence evidence;
  evidence.connection = std::move(peer);
  evidence.symptom = symptom;
  evidence.child = std::move(child);
  return evidence;
}

struct Book {
  History history;
  base::Instant now{1h};
  void note(policy::Evidence evidence) {
    now = now + 1s;
    history.note(std::move(evidence), nullptr, nullptr, now);
  }
};

TEST(History, the_same_failure_is_one_entry_with_its_times) {
  Book b;
  for (int i = 0; i < 5; ++i) b.note(seen("branch", policy::Symptom::init_unanswered));
  const auto all = b.history.of("branch");
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all.front()->times, 5u);
  EXPECT_EQ(all.front()->last - all.front()->first, 4s);
  EXPECT_TRUE(b.history.of("other").empty());
}

TEST(History, what_came_up_since_is_past_and_counts_anew) {
  Book b;
  b.note(seen("branch", policy::Symptom::init_unanswered));
  ASSERT_NE(b.history.current("branch"), nullptr);
  b.history.note_success("branch", "branch");
  EXPECT_EQ(b.history.current("branch"), nullptr);
  EXPECT_TRUE(b.history.of("branch").front()->is_past);
  b.note(seen("branch", policy::Symptom::init_unanswered));
  EXPECT_EQ(b.history.current("branch")->times, 1u);
}

TEST(History, one_child_s_success_says_nothing_of_another) {
  Book b;
  b.note(seen("branch", policy::Symptom::child_no_selectors, "voice"));
  b.history.note_success("branch", "data");
  ASSERT_NE(b.history.current("branch"), nullptr);
  b.history.note_success("branch", "voice");
  EXPECT_EQ(b.history.current("branch"), nullptr);
}

TEST(History, refused_keys_are_mended_by_new_keys_alone) {
  Book b;
  policy::Evidence refused = seen("branch", policy::Symptom::child_refused, "branch");
  refused.is_rekey = true;
  b.note(refused);
  b.history.note_success("branch", "branch");
  EXPECT_NE(b.history.current("branch"), nullptr) << "the first keys need no key exchange";
  b.history.note_success("branch", "branch", true);
  EXPECT_EQ(b.history.current("branch"), nullptr);
}

TEST(History, what_is_surer_beside_the_newest_is_told) {
  Book b;
  b.note(seen("branch", policy::Symptom::init_unanswered));
  b.note(seen("branch", policy::Symptom::init_no_proposal));
  b.note(seen("branch", policy::Symptom::init_unanswered));
  EXPECT_EQ(b.history.current("branch")->diagnosis.certainty, Certainty::proven);
  // It has not come again while the newest came twice: it may be mended.
  b.history.note_change("branch");
  b.note(seen("branch", policy::Symptom::init_unanswered));
  b.note(seen("branch", policy::Symptom::init_unanswered));
  EXPECT_EQ(b.history.current("branch")->diagnosis.certainty, Certainty::possible);
}

TEST(History, sixty_four_of_each_peer_are_kept) {
  Book b;
  for (std::size_t i = 0; i < failures_per_peer_max + 10; ++i) {
    b.note(seen("branch", policy::Symptom::child_no_selectors, fmt::format("c{}", i)));
  }
  EXPECT_EQ(b.history.of("branch").size(), failures_per_peer_max);
  EXPECT_EQ(b.history.of("branch").front()->seen.child,
            fmt::format("c{}", failures_per_peer_max + 9));
  EXPECT_EQ(b.history.size(), failures_per_peer_max);
}

TEST(History, of_all_peers_together_the_oldest_goes) {
  Book b;
  for (std::size_t i = 0; i < failures_max + 3; ++i) {
    b.note(seen(fmt::format("p{}", i), policy::Symptom::init_unanswered));
  }
  EXPECT_EQ(b.history.size(), failures_max);
  EXPECT_TRUE(b.history.of("p0").empty());
  EXPECT_TRUE(b.history.of("p2").empty());
  EXPECT_EQ(b.history.of("p3").size(), 1u);
  b.history.forget("p3");
  EXPECT_EQ(b.history.size(), failures_max - 1);
}

}  // namespace
}  // namespace caponier::explain
