#include "vici/log_line.h"

#include <gtest/gtest.h>

namespace caponier::vici {
namespace {

std::vector<std::string> texts_of(const std::vector<LogLine>& lines) {
  std::vector<std::string> texts;
  for (const LogLine& line : lines) texts.push_back(line.text);
  return texts;
}

using Texts = std::vector<std::string>;

TEST(LogLine, a_file_has_time_thread_group_and_the_ike_sa) {
  EXPECT_EQ(file_line("Nov 22 22:08:12", {"IKE", 0, "gw", "3", "words"}),
            "Nov 22 22:08:12 01[IKE] <gw|3> words\n");
  EXPECT_EQ(file_line("", {"CFG", 1, "", "", "words"}), "01[CFG] words\n");
}

TEST(LogLine, what_people_look_for_is_said_in_the_words_they_know) {
  using enum base::EventKind;
  const auto say = [](base::EventKind kind,
                      std::vector<std::pair<std::string_view, std::string>> fields) {
    return texts_of(known_lines({kind, "gw", "ours", std::move(fields)}));
  };
  EXPECT_EQ(say(ike_auth_failed, {{"notify", "AUTHENTICATION_FAILED"}}),
            Texts{"received AUTHENTICATION_FAILED notify error"});
  EXPECT_EQ(say(ike_auth_failed, {}), Texts{});
  EXPECT_EQ(say(ike_no_proposal, {{"notify", "NO_PROPOSAL_CHOSEN"}}),
            Texts{"received NO_PROPOSAL_CHOSEN notify error"});
  EXPECT_EQ(say(ike_no_proposal, {}), Texts{"received proposals unacceptable"});
  EXPECT_EQ(say(ike_peer_unknown, {{"sa", "3"}}), Texts{"no matching peer config found"});
  EXPECT_EQ(say(ike_timeout, {{"retransmits", "5"}}), Texts{"giving up after 5 retransmits"});
  EXPECT_EQ(say(config_loaded, {}), Texts{});
}

TEST(LogLine, an_ike_sa_that_comes_up_names_both_ends) {
  gateway::SaChange change;
  change.kind = gateway::SaChange::Kind::ike_up;
  change.connection = "gw";
  change.sa.emplace();
  change.sa->id = {4};
  change.sa->path.local.address = *base::IpAddress::parse("192.0.2.1");
  change.sa->path.remote.address = *base::IpAddress::parse("192.0.2.2");
  change.sa->local_id = policy::Identity::parse("a.example.org");
  change.sa->remote_id = policy::Identity::parse("b@example.org");
  const auto lines = log_lines(change, nullptr);
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(file_line("", lines.front()),
            "01[IKE] <gw|4> IKE_SA gw[4] established between "
            "192.0.2.1[a.example.org]...192.0.2.2[b@example.org]\n");
}

TEST(LogLine, a_child_that_was_refused_says_with_what) {
  gateway::SaChange change;
  change.kind = gateway::SaChange::Kind::child_failed;
  change.child_name = "net";
  change.reason = ike::EndReason::selectors;
  EXPECT_EQ(texts_of(log_lines(change, nullptr)).front(),
            "received TS_UNACCEPTABLE notify, no CHILD_SA built");
}

}  // namespace
}  // namespace caponier::vici
