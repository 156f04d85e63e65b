// What accounting requests say (RFC 2866, RFC 2869).

#include <gtest/gtest.h>

#include "radius/accounting.h"
#include "unit/radius/server.h"

namespace caponier::radius {
namespace {

using namespace test;

AccountingSettings settings() {
  AccountingSettings made;
  made.nas.identifier = "gateway";
  made.session_id = "0a1b";
  made.user_name = "alice";
  made.classes.push_back(base::to_vec(base::as_bytes("class")));
  made.framed_addresses.push_back(base::IpAddress::parse("10.9.0.7").value());
  made.interim_interval = std::chrono::minutes{5};
  return made;
}

/// As it is on the wire.
PacketView sent(Nas& nas, Request request) {
  nas.submit(std::move(request));
  const auto packet = PacketView::decode(nas.sent.back().datagram);
  EXPECT_TRUE(packet.has_value());
  return packet.value_or(PacketView{});
}

TEST(RadiusAccounting, start_says_who_and_goes_to_the_accounting_port) {
  Nas nas;
  const AccountingSession session{settings(), nas.now};
  const PacketView packet = sent(nas, session.start({1'700'000'000}));
  EXPECT_EQ(nas.sent.back().to.port, 1813);
  EXPECT_EQ(packet.code, Code::accounting_request);
  EXPECT_EQ(packet.find_u32(AttributeType::acct_status_type), 1U);
  EXPECT_EQ(base::as_text(packet.find(AttributeType::acct_session_id).value()), "0a1b");
  EXPECT_EQ(base::as_text(packet.find(AttributeType::class_).value()), "class");
  EXPECT_EQ(packet.find_u32(AttributeType::framed_ip_address), 0x0a090007U);
  EXPECT_EQ(packet.find_u32(AttributeType::event_timestamp), 1'700'000'000U);
  EXPECT_EQ(check_hashed_request(nas.legacy, base::as_bytes(shared_secret), packet),
            Authenticity::authentic);
}

TEST(RadiusAccounting, counters_beyond_four_gibibytes_are_in_gigawords) {
  Nas nas;
  const AccountingSession session{settings(), nas.now};
  const Usage usage{(3ULL << 32U) + 5, (1ULL << 32U) - 1, 70, 80};
  const PacketView packet = sent(nas, session.stop(usage, TerminateCause::session_timeout, {0},
                                                   nas.now + std::chrono::seconds{90}));
  EXPECT_EQ(packet.find_u32(AttributeType::acct_input_octets), 5U);
  EXPECT_EQ(packet.find_u32(AttributeType::acct_input_gigawords), 3U);
  EXPECT_EQ(packet.find_u32(AttributeType::acct_output_octets), 0xffffffffU);
  EXPECT_EQ(packet.find_u32(AttributeType::acct_output_gigawords), 0U);
  EXPECT_EQ(packet.find_u32(AttributeType::acct_session_time), 90U);
  EXPECT_EQ(packet.find_u32(AttributeType::acct_terminate_cause), 5U);
}

TEST(RadiusAccounting, interim_updates_are_due_again_and_again) {
  AccountingSession session{settings(), start_time};
  EXPECT_EQ(session.poll_deadline()->at, start_time + std::chrono::minutes{5});
  const Instant later = start_time + std::chrono::minutes{6};
  EXPECT_EQ(session.interim({}, {0}, later).attributes.front().value.back(), std::byte{3});
  EXPECT_EQ(session.poll_deadline()->at, later + std::chrono::minutes{5});
}

TEST(RadiusAccounting, an_interval_below_a_minute_is_a_minute_and_none_is_never) {
  AccountingSettings often = settings();
  often.interim_interval = std::chrono::seconds{1};
  EXPECT_EQ((AccountingSession{often, start_time}.poll_deadline()->at),
            start_time + interim_interval_min);
  often.interim_interval = {};
  EXPECT_FALSE((AccountingSession{often, start_time}.poll_deadline()));
}

TEST(RadiusAccounting, an_answer_needs_no_message_authenticator) {
  Nas nas;
  const AccountingSession session{settings(), nas.now};
  const PacketView packet = sent(nas, session.start({0}));
  base::Writer out;
  out.u8(static_cast<std::uint8_t>(Code::accounting_response));
  out.u8(packet.identifier);
  out.u16(header_size);
  const std::array<Bytes, 3> parts = {out.view(), packet.authenticator,
                                      base::as_bytes(shared_secret)};
  ByteVec answer = base::to_vec(out.view());
  base::append(answer, nas.legacy.md5(parts));
  nas.deliver(nas.sent.back(), answer);
  EXPECT_EQ(nas.answers.size(), 1U);
}

}  // namespace
}  // namespace caponier::radius
