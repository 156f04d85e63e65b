#include "gateway/sessions.h"

#include <gtest/gtest.h>

#include "unit/ipsec/pair.h"

namespace caponier::gateway {
namespace {

using namespace ipsec::test;
using std::chrono::minutes;

struct Bench {
  base::SeededRng rng{7};
  crypto::NullProvider crypto{nullptr};
  base::NoLock lock;
  Inspection inspection{lock, Capture{16, {}}, Tracer{16}};
  std::array<WorkerPorts, 1> ports{WorkerPorts{&rng, &lock}};
  Workers workers{{}, ports, crypto, inspection};
  Sessions sessions;
  Instant now = at_seconds(100);

  void come(std::uint64_t sa, std::optional<base::Duration> timeout = {},
            std::optional<base::Duration> idle = {}) {
    Session session;
    session.connection = "users";
    session.user = "alice";
    session.grant.session_timeout = timeout;
    session.grant.idle_timeout = idle;
    sessions.expect({sa}, std::move(session));
    EXPECT_TRUE(sessions.handle_up({sa}, {}, now));
  }
};

TEST(Sessions, a_rekey_is_no_end_and_the_lease_is_one) {
  Bench b;
  b.come(1);
  b.sessions.move({1}, {2});
  EXPECT_FALSE(b.sessions.end({1}));
  b.sessions.handle_down({2}, ike::EndReason::peer_deleted);
  const auto down = b.sessions.end({2});
  ASSERT_TRUE(down);
  EXPECT_EQ(down->id, SessionId{1});
  EXPECT_EQ(down->cause, radius::TerminateCause::user_request);
  EXPECT_EQ(b.sessions.size(), 0u);
}

/// Who authenticates anew has two IKE SAs for a while, at the same address.
Session at_address(std::string_view address, std::string user = "alice") {
  Session session;
  session.connection = "users";
  session.user = std::move(user);
  session.addresses = {base::IpAddress::parse(address).value()};
  return session;
}

TEST(Sessions, who_authenticates_anew_goes_on_with_the_session) {
  Bench b;
  b.sessions.expect({1}, at_address("10.9.0.7"));
  ASSERT_TRUE(b.sessions.handle_up({1}, {}, b.now));
  b.sessions.expect({2}, at_address("10.9.0.7"));
  EXPECT_FALSE(b.sessions.handle_up({2}, {}, b.now + minutes{1}));
  EXPECT_EQ(b.sessions.size(), 1u);
  b.sessions.handle_down({1}, ike::EndReason::replaced);
  EXPECT_FALSE(b.sessions.end({1}));
  ASSERT_NE(b.sessions.find(ike::IkeSaId{2}), nullptr);
  EXPECT_EQ(b.sessions.find(ike::IkeSaId{2})->id, SessionId{1});
  b.sessions.handle_down({2}, ike::EndReason::timeout);
  const auto down = b.sessions.end({2});
  ASSERT_TRUE(down);
  EXPECT_EQ(down->id, SessionId{1});
  EXPECT_EQ(down->cause, radius::TerminateCause::lost_carrier);
  EXPECT_EQ(b.sessions.size(), 0u);
}

TEST(Sessions, another_device_or_another_user_has_a_session_of_its_own) {
  Bench b;
  for (const auto& [sa, session] :
       std::vector<std::pair<std::uint64_t, Session>>{{1, at_address("10.9.0.7")},
                                                      {2, at_address("10.9.0.8")},
                                                      {3, at_address("10.9.0.7", "mallory")}}) {
    b.sessions.expect({sa}, session);
    EXPECT_TRUE(b.sessions.handle_up({sa}, {}, b.now)) << sa;
  }
  EXPECT_EQ(b.sessions.size(), 3u);
}

TEST(Sessions, authenticating_anew_prolongs_what_radius_grants_and_not_what_we_grant_ourselves) {
  for (const bool is_radius : {true, false}) {
    Bench b;
    for (const std::uint64_t sa : {1, 2}) {
      Session session = at_address("10.9.0.7");
      (is_radius ? session.grant.session_timeout : session.session_timeout) = minutes{60};
      b.sessions.expect({sa}, std::move(session));
      (void)b.sessions.handle_up({sa}, {}, b.now + minutes{static_cast<long>(sa) * 10});
    }
    EXPECT_EQ(b.sessions.poll_deadline()->at, b.now + minutes{is_radius ? 80 : 70});
  }
}

TEST(Sessions, one_that_is_ended_while_the_user_authenticates_anew_is_ended_whole) {
  Bench b;
  for (const std::uint64_t sa : {1, 2}) {
    b.sessions.expect({sa}, at_address("10.9.0.7"));
    (void)b.sessions.handle_up({sa}, {}, b.now);
  }
  const auto expired = b.sessions.order_end(SessionId{1}, radius::TerminateCause::admin_reset);
  ASSERT_EQ(expired.size(), 2u);
  EXPECT_FALSE(b.sessions.end({1}));
  EXPECT_EQ(b.sessions.end({2})->cause, radius::TerminateCause::admin_reset);
}

TEST(Sessions, who_never_came_up_was_none) {
  Bench b;
  b.sessions.expect({1}, {});
  EXPECT_FALSE(b.sessions.end({1}));
  EXPECT_EQ(b.sessions.size(), 0u);
}

TEST(Sessions, a_session_timeout_ends_it_and_is_the_cause) {
  Bench b;
  b.come(1, minutes{60});
  ASSERT_TRUE(b.sessions.poll_deadline());
  EXPECT_EQ(b.sessions.poll_deadline()->at, b.now + minutes{60});
  EXPECT_TRUE(b.sessions.handle_deadline(b.now + minutes{59}, b.workers).empty());
  const auto expired = b.sessions.handle_deadline(b.now + minutes{60}, b.workers);
  ASSERT_EQ(expired.size(), 1u);
  EXPECT_EQ(expired[0].sa, ike::IkeSaId{1});
  b.sessions.handle_down({1}, ike::EndReason::local_request);
  EXPECT_EQ(b.sessions.end({1})->cause, radius::TerminateCause::session_timeout);
}

TEST(Sessions, traffic_puts_the_idle_timeout_off) {
  Bench b;
  Spec spec;
  b.come(1, {}, minutes{10});
  const auto sa = install_for_a(spec);
  b.sessions.handle_child_up({1}, sa.id);
  ASSERT_TRUE(b.workers.install(install_for_a(spec), b.now));
  b.workers.set_policies(
      {{ipsec::PolicyAction::protect, "site", spec.child, spec.a_nets, spec.b_nets}});
  ipsec::PacketBuffer packet;
  packet.assign(udp_packet("10.1.0.5", "10.2.0.9", 10));
  ipsec::ProtectItem item;
  item.packet = &packet;
  b.workers[0].protect({&item, 1}, b.now + minutes{4});
  EXPECT_TRUE(b.sessions.handle_deadline(b.now + minutes{10}, b.workers).empty());
  EXPECT_EQ(b.sessions.poll_deadline()->at, b.now + minutes{14});
  EXPECT_EQ(b.sessions.usage({1}, b.workers)->output_packets, 1u);
  b.sessions.handle_child_removed(sa.id, b.workers);
  EXPECT_EQ(b.sessions.usage({1}, b.workers)->output_packets, 1u);
  EXPECT_EQ(b.sessions.handle_deadline(b.now + minutes{14}, b.workers).size(), 1u);
  EXPECT_EQ(b.sessions.end({1})->cause, radius::TerminateCause::idle_timeout);
}

TEST(Sessions, a_change_counts_from_the_beginning_of_the_session) {
  Bench b;
  b.come(1);
  EXPECT_FALSE(b.sessions.poll_deadline());
  b.sessions.change({1}, {minutes{5}, {}, {"staff"}}, "staff", b.now + minutes{1});
  EXPECT_EQ(b.sessions.poll_deadline()->at, b.now + minutes{5});
  EXPECT_EQ(b.sessions.find(SessionId{1})->group, "staff");
}

}  // namespace
}  // namespace caponier::gateway
