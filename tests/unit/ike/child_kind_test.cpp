// Child SAs of AH, in BEET mode, and with TFC padding: what is negotiated beside algorithms and
// selectors (RFC 7296 s1.3.1, s2.23, s3.3.1).

#include <gtest/gtest.h>

#include <algorithm>

#include "ike/messages.h"
#include "unit/ike/pair.h"

namespace caponier::ike::test {
namespace {

using base::EventKind;
using wire::NotifyType;

policy::Offer ah_offer(std::string_view text) {
  return policy::parse_offer(text, wire::ProtocolId::ah).value();
}

ConnectionConfig of_ah(const End& local, const End& remote, std::string_view offer = "sha256") {
  ConnectionConfig connection = make_connection(local, remote);
  connection.children.front().offers = {ah_offer(offer)};
  return connection;
}

ConnectionConfig in_beet(const End& local, const End& remote) {
  ConnectionConfig connection = make_connection(local, remote);
  ChildConfig& child = connection.children.front();
  child.mode = policy::SaMode::beet;
  child.local = net(&local == &end_a ? "10.1.0.1/32" : "10.2.0.1/32");
  child.remote = net(&local == &end_a ? "10.2.0.1/32" : "10.1.0.1/32");
  return connection;
}

struct AhPair : Pair {
  explicit AhPair(std::string_view offer = "sha256") {
    a.set(of_ah(end_a, end_b, offer));
    b.set(of_ah(end_b, end_a, offer));
    initiate_a();
    run();
  }
};

/// One tunnel each, keys and SPIs crossed.
bool is_up(const Pair& pair) {
  const auto at_a = pair.a.live();
  const auto at_b = pair.b.live();
  if (at_a.size() != 1 || at_b.size() != 1) return false;
  const policy::InstallSa& x = *at_a.front();
  const policy::InstallSa& y = *at_b.front();
  return x.spi_in == y.spi_out && x.spi_out == y.spi_in && x.protocol == y.protocol &&
         base::equal(x.keys_in.integ.reveal(), y.keys_out.integ.reveal()) &&
         base::equal(x.keys_out.integ.reveal(), y.keys_in.integ.reveal());
}

TEST(ChildKind, ah_is_agreed_on_and_its_keys_are_for_integrity_alone) {
  for (const auto& [offer, key_size] : std::vector<std::pair<std::string_view, std::size_t>>{
           {"sha256", 32}, {"sha512-noesn", 64}, {"aesxcbc", 16}, {"aes256gmac", 36}}) {
    AhPair pair{offer};
    ASSERT_TRUE(is_up(pair)) << offer;
    for (const Side* side : {&pair.a, &pair.b}) {
      const policy::InstallSa& sa = *side->live().at(0);
      EXPECT_EQ(sa.protocol, policy::SaProtocol::ah);
      EXPECT_EQ(sa.suite.cipher.encr, crypto::EncrId::null);
      EXPECT_EQ(sa.keys_in.encr.reveal().size(), 0u);
      EXPECT_EQ(sa.keys_in.integ.reveal().size(), key_size);
      EXPECT_EQ(sa.keys_out.integ.reveal().size(), key_size);
    }
    EXPECT_NE(pair.a.record.text(EventKind::child_up).find("AH"), std::string::npos);
  }
}

TEST(ChildKind, an_ah_child_is_rekeyed_and_deleted_as_such) {
  AhPair pair;
  ASSERT_TRUE(is_up(pair));
  const auto old = pair.a.live().at(0)->spi_in;
  pair.command_a(RekeyChild{pair.a.live().at(0)->id});
  pair.advance(30s);
  EXPECT_TRUE(is_up(pair));
  EXPECT_NE(pair.a.live().at(0)->spi_in, old);
  EXPECT_EQ(pair.a.live().at(0)->protocol, policy::SaProtocol::ah);
  EXPECT_EQ(pair.b.record.child_downs.at(0).reason, EndReason::replaced);
  pair.command_a(DeleteChild{pair.a.live().at(0)->id});
  pair.advance(30s);
  EXPECT_TRUE(pair.a.live().empty());
  EXPECT_TRUE(pair.b.live().empty());
}

TEST(ChildKind, behind_a_nat_ah_is_refused_with_a_way_out) {
  for (const bool by_a : {true, false}) {
    Pair pair;
    pair.a.set(of_ah(end_a, end_b));
    ConnectionConfig at_b = of_ah(end_b, end_a);
    at_b.remote_addresses.clear();
    pair.b.set(std::move(at_b));
    pair.put_a_behind_nat("203.0.113.5", 1000);
    if (!by_a) {
      // What the initiator would not even ask for.
      ConnectionConfig connection = make_connection(end_a, end_b);
      connection.children.front().offers.push_back(ah_offer("sha256"));
      pair.a.set(std::move(connection));
    }
    pair.initiate_a();
    pair.run();
    EXPECT_TRUE(pair.a.live().empty());
    EXPECT_TRUE(pair.b.live().empty());
    const std::string text = (by_a ? pair.a : pair.b).record.text(EventKind::child_failed);
    EXPECT_NE(text.find("cannot pass a NAT"), std::string::npos) << text;
    EXPECT_NE(text.find("use esp instead of ah"), std::string::npos) << text;
  }
}

TEST(ChildKind, beet_is_agreed_on_when_both_want_it) {
  Pair pair;
  pair.a.set(in_beet(end_a, end_b));
  pair.b.set(in_beet(end_b, end_a));
  pair.initiate_a();
  pair.run();
  ASSERT_TRUE(pair.is_up());
  EXPECT_EQ(pair.a.live().at(0)->mode, policy::SaMode::beet);
  EXPECT_EQ(pair.b.live().at(0)->mode, policy::SaMode::beet);
  EXPECT_EQ(pair.a.live().at(0)->local, net("10.1.0.1/32"));
}

TEST(ChildKind, beet_is_not_given_to_who_wants_a_tunnel_nor_the_other_way) {
  for (const bool a_wants : {true, false}) {
    Pair pair;
    pair.a.set(a_wants ? in_beet(end_a, end_b) : make_connection(end_a, end_b));
    pair.b.set(a_wants ? make_connection(end_b, end_a) : in_beet(end_b, end_a));
    pair.initiate_a();
    pair.run();
    EXPECT_TRUE(pair.a.live().empty());
    EXPECT_NE(pair.a.record.count(EventKind::child_failed), 0u);
  }
}

/// Both ends want padding; the peer of one says that it cannot bear it. Who is told: B by the
/// request, A by the answer.
void tell_in_ike_auth(Pair& pair, bool tell_b) {
  for (Side* side : {&pair.a, &pair.b}) {
    const bool is_a = side == &pair.a;
    ConnectionConfig connection =
        is_a ? make_connection(end_a, end_b) : make_connection(end_b, end_a);
    connection.children.front().treatment.tfc_pad = 1000;
    side->set(std::move(connection));
  }
  pair.filter = [&pair, tell_b](Datagram& datagram) {
    const wire::IkeHeader header = datagram.header();
    if (datagram.to_b != tell_b || header.exchange != wire::ExchangeType::ike_auth) return true;
    Forger forger{pair.a.record.keys.at(0)};
    auto payloads = forger.open(datagram.message);
    payloads.emplace_back(make_notify(NotifyType::esp_tfc_padding_not_supported));
    datagram.message = forger.seal(header, payloads);
    return true;
  };
  pair.initiate_a();
  pair.run();
}

//= rfc4303#2.7-3 type=test
TEST(ChildKind, a_peer_that_refuses_tfc_padding_gets_none) {
  for (const bool tell_b : {true, false}) {
    Pair pair;
    tell_in_ike_auth(pair, tell_b);
    ASSERT_TRUE(pair.is_up());
    EXPECT_EQ(pair.a.live().at(0)->treatment.tfc_pad, tell_b ? 1000 : 0);
    EXPECT_EQ(pair.b.live().at(0)->treatment.tfc_pad, tell_b ? 0 : 1000);
  }
}

}  // namespace
}  // namespace caponier::ike::test
