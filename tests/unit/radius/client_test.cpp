// The client machine: servers that answer wrongly, late, twice or never.

#include <gtest/gtest.h>

#include "unit/radius/server.h"

namespace caponier::radius {
namespace {

using namespace test;

constexpr ServerIndex first{0};
constexpr ServerIndex second{1};

TEST(RadiusClient, an_answer_comes_back_for_its_request) {
  Nas nas;
  const RequestId id = nas.submit(access_request("alice"));
  ASSERT_EQ(nas.sent.size(), 1U);
  EXPECT_EQ(nas.sent[0].to.to_string(), "192.0.2.1:1812");
  nas.deliver(nas.sent[0], nas.answer_to(nas.sent[0], Code::access_accept));
  ASSERT_EQ(nas.answers.size(), 1U);
  EXPECT_EQ(nas.answers[0].request, id);
  EXPECT_EQ(nas.client.under_way(), 0U);
  EXPECT_FALSE(nas.client.poll_deadline());
}

TEST(RadiusClient, message_authenticator_is_the_first_attribute_of_every_request) {
  Nas nas;
  nas.submit(access_request("alice"));
  Request accounting;
  accounting.code = Code::accounting_request;
  nas.submit(accounting);
  for (const Transmit& transmit : nas.sent) {
    const auto packet = PacketView::decode(transmit.datagram);
    ASSERT_TRUE(packet);
    EXPECT_EQ(packet->attributes.at(0).type, AttributeType::message_authenticator);
  }
}

TEST(RadiusClient, a_lost_request_is_repeated_as_it_was) {
  Nas nas;
  nas.submit(access_request("alice"));
  ASSERT_TRUE(nas.pass_deadline());
  ASSERT_EQ(nas.sent.size(), 2U);
  EXPECT_EQ(nas.sent[0].datagram, nas.sent[1].datagram);
  EXPECT_EQ(nas.sent[0].port, nas.sent[1].port);
  nas.deliver(nas.sent[1], nas.answer_to(nas.sent[1], Code::access_reject));
  EXPECT_EQ(nas.answers.size(), 1U);
}

TEST(RadiusClient, waits_double_and_end) {
  Nas nas;
  const RequestId id = nas.submit(access_request("alice"));
  while (nas.pass_deadline()) {
  }
  EXPECT_EQ(nas.sent.size(), ClientSettings{}.transmissions_per_server);
  ASSERT_EQ(nas.silent.size(), 1U);
  EXPECT_EQ(nas.silent[0].request, id);
  const auto took = nas.now - start_time;  // 2 + 4 + 8 s, each a tenth more or less
  EXPECT_GT(took, std::chrono::seconds{12});
  EXPECT_LT(took, std::chrono::seconds{16});
  EXPECT_EQ(nas.client.counters(first).timeouts, 1U);
}

TEST(RadiusClient, a_silent_server_is_left_for_the_next_and_avoided_until_its_dead_time_ends) {
  Nas nas{2};
  const RequestId id = nas.submit(access_request("alice"));
  while (nas.answers.empty() && nas.pass_deadline()) {
    if (nas.sent.back().to.to_string() == "192.0.2.2:1812") {
      nas.deliver(nas.sent.back(), nas.answer_to(nas.sent.back(), Code::access_accept));
    }
  }
  ASSERT_EQ(nas.answers.size(), 1U);
  EXPECT_EQ(nas.answers[0].request, id);
  EXPECT_EQ(nas.answers[0].server, second);
  ASSERT_EQ(nas.changes.size(), 1U);
  EXPECT_FALSE(nas.changes[0].is_alive);
  EXPECT_FALSE(nas.client.is_alive(first, nas.now));
  nas.submit(access_request("bob"));
  EXPECT_EQ(nas.sent.back().to.to_string(), "192.0.2.2:1812");
  nas.now = nas.now + ClientSettings{}.dead_time;
  nas.submit(access_request("carol"));
  EXPECT_EQ(nas.sent.back().to.to_string(), "192.0.2.1:1812");
}

TEST(RadiusClient, fail_over_uses_a_fresh_authenticator) {
  Nas nas{2};
  nas.submit(access_request("alice"));
  while (nas.sent.back().to.to_string() != "192.0.2.2:1812" && nas.pass_deadline()) {
  }
  const auto before = PacketView::decode(nas.sent.front().datagram);
  const auto after = PacketView::decode(nas.sent.back().datagram);
  ASSERT_TRUE(before && after);
  EXPECT_NE(before->authenticator, after->authenticator);
}

TEST(RadiusClient, a_conversation_stays_with_the_server_that_knows_its_state) {
  Nas nas{2};
  Request request = access_request("alice");
  request.server = second;
  nas.submit(request);
  while (nas.pass_deadline()) {
  }
  for (const Transmit& transmit : nas.sent) EXPECT_EQ(transmit.to.to_string(), "192.0.2.2:1812");
  EXPECT_EQ(nas.silent.size(), 1U);
}

TEST(RadiusClient, one_lost_request_does_not_make_a_busy_server_dead) {
  Nas nas;
  nas.submit(access_request("lost"));
  nas.now = nas.now + std::chrono::milliseconds{10};
  nas.submit(access_request("fine"));
  nas.deliver(nas.sent[1], nas.answer_to(nas.sent[1], Code::access_accept));
  while (nas.pass_deadline()) {
  }
  EXPECT_EQ(nas.silent.size(), 1U);
  EXPECT_TRUE(nas.changes.empty());
  EXPECT_TRUE(nas.client.is_alive(first, nas.now));
}

TEST(RadiusClient, a_dead_server_that_answers_lives_again) {
  Nas nas;
  nas.submit(access_request("alice"));
  while (nas.pass_deadline()) {
  }
  ASSERT_EQ(nas.changes.size(), 1U);
  nas.submit(access_request("bob"));
  nas.deliver(nas.sent.back(), nas.answer_to(nas.sent.back(), Code::access_accept));
  ASSERT_EQ(nas.changes.size(), 2U);
  EXPECT_TRUE(nas.changes[1].is_alive);
}

TEST(RadiusClient, a_wrong_authenticator_is_ignored_and_counted_and_the_right_one_still_counts) {
  Nas nas;
  nas.submit(access_request("alice"));
  const ByteVec good = nas.answer_to(nas.sent[0], Code::access_accept);
  ByteVec bad = good;
  bad[10] ^= std::byte{1};
  nas.deliver(nas.sent[0], bad);
  EXPECT_TRUE(nas.answers.empty());
  EXPECT_EQ(nas.client.counters(first).wrong_authenticator, 1U);
  nas.deliver(nas.sent[0], good);
  EXPECT_EQ(nas.answers.size(), 1U);
}

TEST(RadiusClient, a_missing_message_authenticator_is_ignored_and_counted) {  // CVE-2024-3596
  Nas nas;
  nas.submit(access_request("alice"));
  const auto request = PacketView::decode(nas.sent[0].datagram);
  base::Writer out;
  out.u8(static_cast<std::uint8_t>(Code::access_accept));
  out.u8(request->identifier);
  out.u16(header_size);
  const std::array<Bytes, 3> parts = {out.view(), request->authenticator,
                                      base::as_bytes(shared_secret)};
  ByteVec forged = base::to_vec(out.view());
  base::append(forged, nas.legacy.md5(parts));
  nas.deliver(nas.sent[0], forged);
  EXPECT_TRUE(nas.answers.empty());
  EXPECT_EQ(nas.client.counters(first).no_message_authenticator, 1U);
}

TEST(RadiusClient, a_repeated_answer_is_ignored) {
  Nas nas;
  nas.submit(access_request("alice"));
  const ByteVec answer = nas.answer_to(nas.sent[0], Code::access_accept);
  nas.deliver(nas.sent[0], answer);
  nas.deliver(nas.sent[0], answer);
  EXPECT_EQ(nas.answers.size(), 1U);
  EXPECT_EQ(nas.client.counters(first).unexpected, 1U);
}

TEST(RadiusClient, answers_from_elsewhere_of_other_codes_or_ports_are_ignored) {
  Nas nas;
  nas.submit(access_request("alice"));
  const Transmit& sent = nas.sent[0];
  const ByteVec good = nas.answer_to(sent, Code::access_accept);
  nas.client.handle_datagram(sent.port, endpoint("203.0.113.1", 1812), good, nas.now);
  nas.client.handle_datagram(sent.port, endpoint("192.0.2.1", 1813), good, nas.now);
  nas.client.handle_datagram(PortHandle{5}, sent.to, good, nas.now);
  nas.client.handle_datagram(sent.port, sent.to, Bytes{good}.first(10), nas.now);
  nas.deliver(sent, nas.answer_to(sent, Code::accounting_response));
  EXPECT_TRUE(nas.answers.empty());
  EXPECT_EQ(nas.client.strangers(), 1U);
  EXPECT_EQ(nas.client.counters(first).malformed, 1U);
  EXPECT_EQ(nas.client.counters(first).unexpected, 3U);
  nas.deliver(sent, good);
  EXPECT_EQ(nas.answers.size(), 1U);
}

TEST(RadiusClient, the_257th_request_takes_another_port_and_the_limit_is_all_ports) {
  ClientSettings settings;
  settings.ports_max = 2;
  Nas nas{1, settings};
  for (int i = 0; i < 512; ++i) nas.submit(access_request("alice"));
  EXPECT_EQ(nas.sent[255].port, PortHandle{0});
  EXPECT_EQ(nas.sent[256].port, PortHandle{1});
  const auto refused = nas.client.submit(access_request("alice"), nas.now);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error(), SubmitError::busy);
  nas.deliver(nas.sent[17], nas.answer_to(nas.sent[17], Code::access_accept));
  EXPECT_TRUE(nas.client.submit(access_request("alice"), nas.now));
}

TEST(RadiusClient, a_cancelled_request_is_forgotten) {
  Nas nas;
  const RequestId id = nas.submit(access_request("alice"));
  nas.client.cancel(id);
  nas.client.cancel(id);
  EXPECT_EQ(nas.client.under_way(), 0U);
  nas.deliver(nas.sent[0], nas.answer_to(nas.sent[0], Code::access_accept));
  EXPECT_TRUE(nas.answers.empty());
  EXPECT_FALSE(nas.pass_deadline());
}

TEST(RadiusClient, what_fits_no_packet_or_server_is_refused) {
  Nas nas{0};
  EXPECT_EQ(nas.client.submit(access_request("alice"), nas.now).error(), SubmitError::no_server);
  Nas one;
  Request large = access_request("alice");
  large.eap_message.resize(packet_size_max);
  EXPECT_EQ(one.client.submit(large, one.now).error(), SubmitError::too_large);
  EXPECT_EQ(one.client.under_way(), 0U);
}

TEST(RadiusClient, spurious_deadlines_are_harmless) {
  Nas nas;
  nas.submit(access_request("alice"));
  nas.client.handle_deadline(nas.now);
  nas.collect();
  EXPECT_EQ(nas.sent.size(), 1U);
}

}  // namespace
}  // namespace caponier::radius
