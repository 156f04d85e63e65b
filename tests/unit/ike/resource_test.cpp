// An SA for each resource (RFC 9611). Quoted from the sections that the comments name: their
// sentences have no numbers here.

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "ike/child_negotiation.h"
#include "ike/messages.h"
#include "unit/ike/pair.h"

namespace caponier::ike::test {
namespace {

using base::EventKind;
using policy::ResourceId;
using wire::ExchangeType;
using wire::NotifyType;

const std::string to_a = "to-a.example";
const std::string to_b = "to-b.example";
constexpr std::uint32_t workers = 4;

EndpointConfig config_of(std::uint32_t count = workers) {
  EndpointConfig config = test_config();
  config.workers = count;
  return config;
}

/// Both are up, and would have SAs for so many resources.
class Group : public Pair {
 public:
  explicit Group(std::uint32_t resources_a = workers, std::uint32_t resources_b = workers,
                 const EndpointConfig& config = config_of())
      : Pair(config) {
    ConnectionConfig at_a = make_connection(end_a, end_b);
    ConnectionConfig at_b = make_connection(end_b, end_a);
    at_a.children.front().resources = resources_a;
    at_b.children.front().resources = resources_b;
    at_b.children.front().offers.push_back(esp_offer("aes128gcm16"));
    a.set(std::move(at_a));
    b.set(std::move(at_b));
    initiate_a();
    run();
    EXPECT_TRUE(is_up());
  }

  void ask_a(std::uint32_t resource) {
    command_a(InitiateChild{to_b, "net", {}, ResourceId{resource}});
  }
  void ask_b(std::uint32_t resource) {
    command_b(InitiateChild{to_a, "net", {}, ResourceId{resource}});
  }
  static std::vector<ChildSaInfo> children(const Side& side) {
    return side.endpoint.snapshot().at(0).children;
  }
  /// How many SAs each resource has; `everybody` is the first one.
  static constexpr std::uint32_t everybody = 99;
  static std::map<std::uint32_t, unsigned> uses(const Side& side) {
    std::map<std::uint32_t, unsigned> counts;
    for (const ChildSaInfo& child : children(side)) {
      ++counts[child.resource ? child.resource->value : everybody];
    }
    return counts;
  }
  static policy::ChildSaId of(const Side& side, std::uint32_t resource) {
    for (const ChildSaInfo& child : children(side)) {
      if ((child.resource ? child.resource->value : everybody) == resource) return child.id;
    }
    return {};
  }
  /// The SPIs of both ends cross, and each SPI leads to the resource it is for.
  void expect_agreement() const {
    std::set<std::pair<base::Spi, base::Spi>> at_b;
    for (const ChildSaInfo& child : children(b)) at_b.emplace(child.spi_out, child.spi_in);
    EXPECT_EQ(children(a).size(), at_b.size());
    for (const ChildSaInfo& child : children(a)) {
      EXPECT_TRUE(at_b.contains({child.spi_in, child.spi_out}));
    }
    for (const Side* side : {&a, &b}) {
      for (const ChildSaInfo& child : children(*side)) {
        if (!child.resource) continue;
        EXPECT_EQ(base::worker_of(child.spi_in, workers), child.resource->value);
      }
    }
  }
  /// What B says to the next request of A's.
  std::vector<wire::Payload> answer_to(Forger& forger, const std::vector<wire::Payload>& request) {
    const std::size_t before = sent.size();
    inject(true, forger.request(ExchangeType::create_child_sa, 2, request));
    collect();
    return sent.size() == before ? std::vector<wire::Payload>{}
                                 : forger.open(sent.at(before).message);
  }
  /// The SA_RESOURCE_INFO notifies of all messages of an exchange, and how many there were.
  struct Said {
    std::size_t messages = 0;
    std::vector<wire::NotifyPayload> notifies;
  };
  [[nodiscard]] Said said(ExchangeType exchange) const {
    Forger forger{a.record.keys.at(0)};
    Said said;
    for (const Datagram& datagram : sent) {
      if (datagram.header().exchange != exchange) continue;
      ++said.messages;
      const auto payloads = forger.open(datagram.message);
      const auto* const notify = wire::find_notify(payloads, NotifyType::sa_resource_info);
      if (notify != nullptr) said.notifies.push_back(*notify);
    }
    return said;
  }
};

/// For one more SA of the child, without a key exchange.
std::vector<wire::Payload> request_for(const ChildConfig& child) {
  auto payloads = make_child_offer(std::make_shared<const ChildConfig>(child), base::Spi{0x1234567},
                                   crypto::KeGroup::none, {})
                      .payloads;
  payloads.insert(payloads.begin() + 1, wire::NoncePayload{base::ByteVec(32, std::byte{7})});
  return payloads;
}

// s3, s5.1
TEST(ResourceSas, both_ends_say_with_the_first_that_they_would_have_more) {
  const Group group;
  const auto said = group.said(ExchangeType::ike_auth);
  EXPECT_EQ(said.messages, 2u);
  ASSERT_EQ(said.notifies.size(), 2u);
  for (const wire::NotifyPayload& notify : said.notifies) {
    EXPECT_EQ(notify.protocol, wire::ProtocolId::none);
    EXPECT_TRUE(notify.spi.empty());
    EXPECT_TRUE(notify.data.empty());
  }
}

// s3: the same in everything but the keys.
TEST(ResourceSas, each_equals_the_first_and_has_keys_of_its_own) {
  Group group;
  group.ask_a(2);
  group.run();
  EXPECT_EQ(Group::uses(group.a),
            (std::map<std::uint32_t, unsigned>{{Group::everybody, 1}, {2, 1}}));
  group.expect_agreement();
  const auto said = group.said(ExchangeType::create_child_sa);
  EXPECT_EQ(said.messages, 2u);
  EXPECT_EQ(said.notifies.size(), 2u);
  const auto live = group.a.live();
  ASSERT_EQ(live.size(), 2u);
  EXPECT_EQ(live[0]->suite.cipher, live[1]->suite.cipher);
  EXPECT_EQ(live[0]->mode, live[1]->mode);
  EXPECT_EQ(live[0]->local, live[1]->local);
  EXPECT_EQ(live[0]->remote, live[1]->remote);
  EXPECT_EQ(live[0]->resource, std::nullopt);
  EXPECT_EQ(live[1]->resource, ResourceId{2});
  EXPECT_FALSE(
      base::equal_constant_time(live[0]->keys_out.encr.reveal(), live[1]->keys_out.encr.reveal()));
}

TEST(ResourceSas, one_is_enough_for_a_resource) {
  Group group;
  for (int i = 0; i < 3; ++i) group.ask_a(1);
  group.run();
  group.ask_a(1);
  group.run();
  EXPECT_EQ(Group::children(group.a).size(), 2u);
}

// s4: what the other end asks for goes to the resource that has the fewest.
TEST(ResourceSas, of_ends_that_both_ask_at_once_are_no_more_than_there_are_resources) {
  Group group;
  for (std::uint32_t i = 0; i < workers; ++i) {
    group.ask_a(i);
    group.ask_b(workers - 1 - i);
  }
  group.run();
  const std::map<std::uint32_t, unsigned> each{
      {Group::everybody, 1}, {0, 1}, {1, 1}, {2, 1}, {3, 1}};
  EXPECT_EQ(Group::uses(group.a), each);
  EXPECT_EQ(Group::uses(group.b), each);
  group.expect_agreement();
}

TEST(ResourceSas, ends_with_different_numbers_of_them_agree_all_the_same) {
  Group group{4, 2};
  for (std::uint32_t i = 0; i < 4; ++i) group.ask_a(i);
  group.run();
  EXPECT_EQ(Group::children(group.a).size(), 5u);
  EXPECT_EQ(Group::uses(group.b),
            (std::map<std::uint32_t, unsigned>{{Group::everybody, 1}, {0, 2}, {1, 2}}));
  group.expect_agreement();
}

TEST(ResourceSas, a_peer_that_does_not_speak_of_them_is_asked_for_none) {
  for (const bool is_a : {true, false}) {
    Group group{is_a ? workers : 0, is_a ? 0 : workers};
    group.ask_a(0);
    group.ask_b(1);
    group.run();
    EXPECT_EQ(group.said(ExchangeType::create_child_sa).messages, 0u);
    EXPECT_EQ(Group::children(group.a).size(), 1u);
    EXPECT_TRUE(group.a.record.child_downs.empty());
  }
}

// s6: TS_MAX_QUEUE and never NO_ADDITIONAL_SAS.
TEST(ResourceSas, more_than_the_peer_will_have_are_refused_and_not_asked_for_again) {
  Group group{4, 1};
  for (std::uint32_t i = 0; i < 4; ++i) group.ask_a(i);
  group.run();
  EXPECT_EQ(Group::children(group.a).size(), 3u);
  group.expect_agreement();
  EXPECT_NE(group.a.record.text(EventKind::child_resource).find("TS_MAX_QUEUE"), std::string::npos);
  EXPECT_EQ(group.a.record.count(EventKind::child_failed), 0u);
  EXPECT_TRUE(group.a.record.child_downs.empty());
  const std::size_t messages = group.sent.size();
  for (std::uint32_t i = 0; i < 4; ++i) group.ask_a(i);
  group.run();
  EXPECT_EQ(group.sent.size(), messages);
}

TEST(ResourceSas, a_peer_that_had_enough_is_asked_again_when_the_first_is_rekeyed) {
  Group group{4, 1};
  for (std::uint32_t i = 0; i < 4; ++i) group.ask_a(i);
  group.run();
  group.command_b(DeleteChild{Group::of(group.b, 0)});
  group.run();
  group.command_a(RekeyChild{Group::of(group.a, Group::everybody)});
  group.run();
  for (std::uint32_t i = 0; i < 4; ++i) group.ask_a(i);
  group.run();
  EXPECT_EQ(Group::uses(group.b),
            (std::map<std::uint32_t, unsigned>{{Group::everybody, 1}, {0, 2}}));
  group.expect_agreement();
}

// s6
TEST(ResourceSas, an_ike_sa_with_too_many_children_has_no_room_for_this_kind) {
  EndpointConfig config = config_of();
  config.limits.children_per_ike_max = 2;
  Group group{4, 4, config};
  group.ask_b(0);
  group.run();
  group.ask_b(1);
  group.run();
  EXPECT_EQ(Group::children(group.a).size(), 2u);
  Forger forger{group.a.record.keys.at(0)};
  ChildConfig child = make_connection(end_a, end_b).children.front();
  child.resources = 1;
  const auto answer = group.answer_to(forger, request_for(child));
  const auto* const refusal = wire::find_notify(answer, NotifyType::ts_max_queue);
  ASSERT_NE(refusal, nullptr);
  EXPECT_EQ(refusal->protocol, wire::ProtocolId::none);
  EXPECT_TRUE(refusal->spi.empty());
  EXPECT_TRUE(refusal->data.empty());
  EXPECT_EQ(wire::find_notify(answer, NotifyType::no_additional_sas), nullptr);
}

// s3
TEST(ResourceSas, one_of_other_algorithms_is_refused) {
  Group group;  // B would take this one too, as a first
  Forger forger{group.a.record.keys.at(0)};
  ChildConfig child = make_connection(end_a, end_b).children.front();
  child.resources = 1;
  child.offers = {esp_offer("aes128gcm16")};
  const auto answer = group.answer_to(forger, request_for(child));
  EXPECT_NE(wire::find_notify(answer, NotifyType::no_proposal_chosen), nullptr);
  EXPECT_EQ(Group::children(group.b).size(), 1u);
}

// s5.1: protocol and SPI are ignored, the data is for people.
TEST(ResourceSas, whatever_a_peer_puts_into_its_notify_is_tolerated) {
  Group group;
  Forger forger{group.a.record.keys.at(0)};
  auto payloads = request_for(make_connection(end_a, end_b).children.front());
  wire::NotifyPayload notify =
      make_notify(NotifyType::sa_resource_info, base::ByteVec(300, std::byte{0xff}));
  notify.protocol = wire::ProtocolId::esp;
  notify.spi = base::ByteVec(4, std::byte{9});
  payloads.emplace_back(std::move(notify));
  const auto answer = group.answer_to(forger, payloads);
  EXPECT_EQ(Group::uses(group.b),
            (std::map<std::uint32_t, unsigned>{{Group::everybody, 1}, {0, 1}}));
  EXPECT_NE(wire::find_notify(answer, NotifyType::sa_resource_info), nullptr);
}

// s3
TEST(ResourceSas, a_rekey_by_either_side_keeps_the_resource) {
  for (const bool by_a : {true, false}) {
    Group group;
    group.ask_a(3);
    group.run();
    const auto at_a = Group::uses(group.a);
    const auto at_b = Group::uses(group.b);
    for (const std::uint32_t resource : {Group::everybody, by_a ? 3U : 0U}) {
      const auto before = Group::of(by_a ? group.a : group.b, resource);
      by_a ? group.command_a(RekeyChild{before}) : group.command_b(RekeyChild{before});
      group.run();
      EXPECT_NE(Group::of(by_a ? group.a : group.b, resource), before);
    }
    EXPECT_EQ(Group::uses(group.a), at_a);
    EXPECT_EQ(Group::uses(group.b), at_b);
    group.expect_agreement();
  }
}

TEST(ResourceSas, a_rekey_by_both_at_once_ends_with_one) {
  Group group;
  group.ask_a(3);
  group.run();
  group.command_a(RekeyChild{Group::of(group.a, 3)});
  group.command_b(RekeyChild{Group::of(group.b, 0)});
  group.run();
  group.advance(60s);
  EXPECT_EQ(Group::uses(group.a),
            (std::map<std::uint32_t, unsigned>{{Group::everybody, 1}, {3, 1}}));
  EXPECT_EQ(Group::uses(group.b),
            (std::map<std::uint32_t, unsigned>{{Group::everybody, 1}, {0, 1}}));
  group.expect_agreement();
}

TEST(ResourceSas, go_along_when_the_ike_sa_is_rekeyed) {
  Group group;
  group.ask_a(3);
  group.run();
  group.command_a(RekeyIke{to_b});
  group.run();
  group.ask_a(3);
  group.ask_a(2);
  group.run();
  group.advance(60s);
  EXPECT_EQ(Group::uses(group.a),
            (std::map<std::uint32_t, unsigned>{{Group::everybody, 1}, {2, 1}, {3, 1}}));
  group.expect_agreement();
}

// s6: to bring it back at once could go on for ever.
TEST(ResourceSas, one_that_the_peer_deletes_stays_away_until_it_is_asked_for) {
  Group group;
  group.ask_a(1);
  group.run();
  group.command_b(DeleteChild{Group::of(group.b, 0)});
  group.advance(60s);
  EXPECT_EQ(Group::children(group.a).size(), 1u);
  group.ask_a(1);
  group.run();
  EXPECT_EQ(Group::children(group.a).size(), 2u);
}

TEST(ResourceSas, without_the_first_the_others_go_on_and_a_new_first_joins_them) {
  Group group;
  group.ask_a(1);
  group.run();
  group.command_b(DeleteChild{Group::of(group.b, Group::everybody)});
  group.run();
  EXPECT_EQ(Group::uses(group.a), (std::map<std::uint32_t, unsigned>{{1, 1}}));
  group.ask_a(2);  // there is nothing to be joined
  group.run();
  EXPECT_EQ(Group::children(group.a).size(), 1u);
  group.command_a(InitiateChild{to_b, "net"});
  group.run();
  EXPECT_EQ(Group::uses(group.a),
            (std::map<std::uint32_t, unsigned>{{Group::everybody, 1}, {1, 1}}));
  group.ask_a(2);
  group.run();
  EXPECT_EQ(Group::children(group.a).size(), 3u);
  group.expect_agreement();
}

TEST(ResourceSas, an_end_that_is_put_off_asks_again_a_few_times) {
  Group group;
  group.ask_a(1);
  group.command_b(RekeyIke{to_a});
  group.run();
  group.advance(120s);
  EXPECT_LE(Group::children(group.a).size(), 2u);
  group.ask_a(1);
  group.run();
  EXPECT_EQ(Group::children(group.a).size(), 2u);
  group.expect_agreement();
}

TEST(ResourceSas, spis_of_everybody_lead_to_each_worker_in_turn) {
  Pair pair{config_of()};
  std::map<std::uint32_t, unsigned> counts;
  for (int i = 0; i < 8; ++i) {
    pair.initiate_a();
    pair.run();
    ++counts[base::worker_of(pair.a.live().back()->spi_in, workers)];
    pair.command_a(DeleteIke{"to-b.example"});
    pair.run();
  }
  for (std::uint32_t worker = 0; worker < workers; ++worker) EXPECT_EQ(counts[worker], 2u);
}

TEST(ResourceSas, what_replaces_an_sa_leads_to_the_same_worker) {
  Pair pair{config_of()};
  pair.initiate_a();
  pair.run();
  const auto worker_at = [](const auto& side) {
    return base::worker_of(side.live().back()->spi_in, workers);
  };
  const auto before = std::pair{worker_at(pair.a), worker_at(pair.b)};
  for (int i = 0; i < 8; ++i) {
    pair.command_a(RekeyChild{pair.a.endpoint.snapshot().at(0).children.at(0).id});
    pair.advance(60s);
    EXPECT_EQ((std::pair{worker_at(pair.a), worker_at(pair.b)}), before);
  }
}

}  // namespace
}  // namespace caponier::ike::test
