#include "gateway/accounting_desk.h"

#include <gtest/gtest.h>

#include "crypto/openssl/legacy.h"

namespace caponier::gateway {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

constexpr std::string_view secret = "kGq8ZxuW3tYb";
const base::Endpoint radius_server{*base::IpAddress::parse("10.1.0.5"), 1813};

struct Desk {
  crypto::OpensslLegacy legacy;
  base::SeededRng rng{7};
  AccountingDesk desk{legacy, rng, seconds{1'700'000'000}};
  base::Instant now{seconds{1000}};
  std::vector<radius::Transmit> sent;
  std::vector<AccountingAction> rest;

  Desk() { configure(true); }

  void configure(bool accounts) {
    auto config = std::make_shared<config::Config>();
    config::PeerConfig server;
    server.name = "users";
    server.kind = config::PeerKind::server;
    server.server.emplace();
    server.local_id = policy::Identity::parse("vpn.example.org");
    config->peers.push_back(server);
    config->radius.emplace();
    if (accounts) config->radius->accounting = {radius_server};
    config->radius->secret = std::make_shared<base::SecretBytes>(base::as_bytes(secret));
    config->radius->coa = base::Endpoint{*base::IpAddress::parse("10.1.0.1"), 3799};
    config->radius->coa_clients = {radius_server.address};
    desk.apply(config, now);
    collect();
  }
  void collect() {
    while (auto action = desk.poll_action()) {
      if (auto* transmit = std::get_if<radius::Transmit>(&*action)) {
        sent.push_back(std::move(*transmit));
      } else {
        rest.push_back(std::move(*action));
      }
    }
  }
  void come(std::uint64_t id, const std::string& user) {
    Session session;
    session.id = {id};
    session.connection = "users";
    session.user = user;
    session.addresses = {*base::IpAddress::parse("10.9.0.7")};
    session.since = now;
    desk.handle(SessionUp{session}, now);
    collect();
  }
  void answer(const radius::Transmit& request) {
    const auto asked = radius::PacketView::decode(request.datagram);
    radius::PacketBuilder builder{static_cast<radius::Code>(5), asked->identifier};
    const auto sealed = builder.seal_answer(legacy, base::as_bytes(secret), asked->authenticator);
    desk.handle_datagram(request.port, request.to, *sealed, now);
    collect();
  }
  bool pass_deadline() {
    const auto deadline = desk.poll_deadline();
    if (!deadline) return false;
    now = std::max(now, deadline->at);
    desk.handle_deadline(now);
    collect();
    return true;
  }
  std::uint32_t value(const radius::Transmit& request, radius::AttributeType type) {
    return radius::PacketView::decode(request.datagram)->find_u32(type).value_or(0);
  }
  void ask(radius::Code code, const std::function<void(radius::PacketBuilder&)>& fill) {
    radius::PacketBuilder builder{code, 1};
    builder.add_u32(
        radius::AttributeType::event_timestamp,
        static_cast<std::uint32_t>(std::chrono::duration_cast<seconds>(now.since_origin).count()) +
            1'700'000'000);
    fill(builder);
    const auto sealed = builder.seal_hashed_request(legacy, base::as_bytes(secret));
    desk.handle_dynamic({radius_server.address, 40000}, *sealed, now);
    collect();
  }
  radius::Code answered() {
    const auto* const answer = std::get_if<radius::DynamicTransmit>(&rest.back());
    return answer == nullptr ? radius::Code{} : radius::PacketView::decode(answer->datagram)->code;
  }
};

using enum radius::AttributeType;

TEST(AccountingDesk, a_session_is_told_from_start_to_stop) {
  Desk d;
  d.come(5, "alice");
  ASSERT_EQ(d.sent.size(), 1u);
  EXPECT_EQ(d.sent[0].to, radius_server);
  EXPECT_EQ(d.value(d.sent[0], acct_status_type), 1u);
  EXPECT_EQ(d.value(d.sent[0], nas_port), 5u);
  EXPECT_FALSE(d.desk.is_idle());
  d.answer(d.sent[0]);
  EXPECT_TRUE(d.desk.is_idle());
  d.now = d.now + seconds{30};
  d.desk.handle(SessionDown{{5}, radius::TerminateCause::idle_timeout, {700, 900, 7, 9}}, d.now);
  d.collect();
  ASSERT_EQ(d.sent.size(), 2u);
  EXPECT_EQ(d.value(d.sent[1], acct_status_type), 2u);
  EXPECT_EQ(d.value(d.sent[1], acct_input_octets), 700u);
  EXPECT_EQ(d.value(d.sent[1], acct_session_time), 30u);
  EXPECT_EQ(d.value(d.sent[1], acct_terminate_cause), 4u);
}

TEST(AccountingDesk, usage_is_asked_for_in_between) {
  Desk d;
  d.come(5, "alice");
  d.answer(d.sent[0]);
  ASSERT_TRUE(d.pass_deadline());
  EXPECT_EQ(d.now, base::Instant{seconds{1000}} + minutes{10});
  ASSERT_EQ(d.rest.size(), 1u);
  EXPECT_EQ(std::get<AskUsage>(d.rest[0]).session, SessionId{5});
  EXPECT_FALSE(d.desk.poll_deadline());
  d.desk.handle_usage({5}, {1, 2, 3, 4}, d.now);
  d.collect();
  ASSERT_EQ(d.sent.size(), 2u);
  EXPECT_EQ(d.value(d.sent[1], acct_status_type), 3u);
}

TEST(AccountingDesk, what_nobody_takes_is_told_again_until_somebody_does) {
  Desk d;
  d.come(5, "alice");
  d.desk.handle(SessionDown{{5}, radius::TerminateCause::user_request, {}}, d.now);
  d.collect();
  while (d.sent.size() < 7 && d.pass_deadline()) {
  }
  ASSERT_GE(d.sent.size(), 7u);
  EXPECT_FALSE(d.desk.is_idle());
  for (const radius::Transmit& request : std::vector{d.sent}) d.answer(request);
  while (!d.desk.is_idle() && d.pass_deadline()) d.answer(d.sent.back());
  EXPECT_TRUE(d.desk.is_idle());
}

TEST(AccountingDesk, a_disconnect_ends_the_sessions_it_names_and_no_other) {
  Desk d;
  d.come(5, "alice");
  d.come(6, "bob");
  d.ask(radius::Code::disconnect_request, [](auto& out) { out.add_text(user_name, "alice"); });
  ASSERT_EQ(d.rest.size(), 1u);
  const auto end = std::get<EndSessions>(d.rest[0]);
  EXPECT_EQ(end.sessions, std::vector{SessionId{5}});
  d.desk.answer(end.request, radius::ErrorCause::none);
  d.collect();
  EXPECT_EQ(d.answered(), radius::Code::disconnect_ack);
}

TEST(AccountingDesk, a_disconnect_of_nobody_is_refused) {
  Desk d;
  d.come(5, "alice");
  d.ask(radius::Code::disconnect_request, [](auto& out) { out.add_text(user_name, "mallory"); });
  EXPECT_EQ(d.answered(), radius::Code::disconnect_nak);
}

TEST(AccountingDesk, a_change_is_of_timeouts_and_groups_and_of_nothing_else) {
  Desk d;
  d.come(5, "alice");
  d.ask(radius::Code::coa_request, [](auto& out) {
    out.add_text(user_name, "alice");
    out.add_u32(session_timeout, 60);
    out.add_text(filter_id, "staff");
  });
  const auto change = std::get<ChangeSessions>(d.rest.back());
  EXPECT_EQ(change.change.session_timeout, base::Duration{seconds{60}});
  EXPECT_EQ(change.change.filters, std::vector<std::string>{"staff"});
  d.ask(radius::Code::coa_request, [](auto& out) {
    out.add_text(user_name, "alice");
    out.add_u32(session_timeout, 60);
    out.add_text(framed_route, "10.8.0.0/24");
  });
  EXPECT_EQ(d.answered(), radius::Code::coa_nak);
  d.ask(radius::Code::coa_request, [](auto& out) { out.add_text(user_name, "alice"); });
  EXPECT_EQ(d.answered(), radius::Code::coa_nak);
}

TEST(AccountingDesk, without_servers_nothing_is_told_or_kept) {
  Desk d;
  d.configure(false);
  d.come(5, "alice");
  d.desk.handle(SessionDown{{5}, radius::TerminateCause::user_request, {}}, d.now);
  d.collect();
  EXPECT_TRUE(d.sent.empty());
  EXPECT_TRUE(d.desk.is_idle());
}

}  // namespace
}  // namespace caponier::gateway
