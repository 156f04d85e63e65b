// SUPPORTED_AUTH_METHODS (RFC 9593): said, read, and used to explain.

#include <gtest/gtest.h>

#include <utility>

#include "ike/auth_methods.h"
#include "ike/messages.h"
#include "unit/ike/pair.h"

namespace caponier::ike::test {
namespace {

using base::EventKind;
using wire::AuthMethod;
using wire::NotifyType;

std::vector<AuthMethod> methods_in(std::string_view hex) {
  return find_auth_methods({make_notify(NotifyType::supported_auth_methods, *base::from_hex(hex))});
}

/// Long enough for an announcement in the answer, which must not be longer than its request.
ConnectionConfig with_long_request() {
  ConnectionConfig config = make_connection(end_a, end_b);
  config.offers = {ike_offer("aes256gcm16-aes128gcm16-prfsha384-x25519-ecp256-ecp384")};
  return config;
}

ConnectionConfig accepting_null(const End& local, const End& remote) {
  ConnectionConfig config = make_connection(local, remote);
  config.peer_rounds.front().kinds = {AuthKind::null};
  config.peer_rounds.front().identity = std::nullopt;
  return config;
}

TEST(IkeAnnouncements, each_side_says_what_it_accepts_from_the_other) {
  Pair pair;
  pair.b.set(accepting_null(end_b, end_a));
  ConnectionConfig a = with_long_request();
  a.own_rounds.front().kind = AuthKind::null;
  pair.a.set(a);
  pair.initiate_a();
  pair.run();
  ASSERT_TRUE(pair.is_up());
  const auto response = wire::IkeMessage::decode(pair.sent.at(1).message).value();
  EXPECT_EQ(find_auth_methods(response.payloads), std::vector{AuthMethod::null});
  Forger forger{pair.a.record.keys.at(0)};
  EXPECT_EQ(find_auth_methods(forger.open(pair.sent.at(2).message)),
            std::vector{AuthMethod::shared_key_mic});
}

TEST(IkeAnnouncements, a_method_the_peer_does_not_accept_is_explained_before_it_fails) {
  Pair pair;
  pair.b.set(accepting_null(end_b, end_a));
  pair.a.set(with_long_request());
  pair.initiate_a();
  pair.run();
  EXPECT_NE(pair.a.record.text(EventKind::ike_notify_hint)
                .find("it accepts no authentication (NULL); we are configured to authenticate by a "
                      "pre-shared key"),
            std::string::npos);
  EXPECT_NE(pair.a.record.text(EventKind::ike_auth_failed)
                .find("it announces that it accepts no authentication (NULL)"),
            std::string::npos);
}

TEST(IkeAnnouncements, what_everybody_assumes_and_what_has_no_room_is_not_announced) {
  for (const bool is_assumed : {true, false}) {
    Pair pair;
    if (!is_assumed) pair.b.set(accepting_null(end_b, end_a));
    ConnectionConfig a = is_assumed ? with_long_request() : make_connection(end_a, end_b);
    if (!is_assumed) a.own_rounds.front().kind = AuthKind::null;
    pair.a.set(std::move(a));
    pair.initiate_a();
    pair.run();
    ASSERT_TRUE(pair.is_up());
    const auto response = wire::IkeMessage::decode(pair.sent.at(1).message).value();
    EXPECT_TRUE(find_auth_methods(response.payloads).empty());
    EXPECT_LE(pair.sent.at(1).message.size(), pair.sent.at(0).message.size());
  }
}

TEST(IkeAnnouncements, all_three_formats_are_read) {
  EXPECT_EQ(methods_in("0202020d"), (std::vector{AuthMethod::shared_key_mic, AuthMethod::null}));
  EXPECT_EQ(methods_in("030001"), std::vector{AuthMethod::rsa_signature});
  EXPECT_EQ(methods_in("0a000e3005060304aabb"), std::vector{AuthMethod::digital_signature});
  EXPECT_EQ(methods_in("02020202"), std::vector{AuthMethod::shared_key_mic});
  EXPECT_EQ(describe(methods_in("0202030001")), "a pre-shared key or a signature (1)");
  EXPECT_EQ(describe(methods_in("02c8")), "method 200");
}

TEST(IkeAnnouncements, nonsense_and_floods_are_no_announcement) {
  EXPECT_TRUE(methods_in("").empty());
  EXPECT_TRUE(methods_in("00").empty());
  EXPECT_TRUE(methods_in("0102").empty());
  EXPECT_TRUE(methods_in("0502").empty());
  EXPECT_TRUE(find_auth_methods({}).empty());
  std::string flood;
  for (int i = 0; i < 200; ++i) flood += "02" + base::to_hex(ByteVec(1, std::byte(i)));
  EXPECT_EQ(methods_in(flood).size(), auth_announcements_max);
}

}  // namespace
}  // namespace caponier::ike::test
