// A Windows that has come to our [server] asks by DHCP, inside its tunnel, which networks it may
// reach.

#include <gtest/gtest.h>

#include <algorithm>

#include "sim/sim_test.h"
#include "sim/visitor.h"
#include "wire/dhcp.h"
#include "wire/udp.h"

namespace caponier::sim {
namespace {

using wire::DhcpCode;
using wire::DhcpMessage;

constexpr auto right = "a password of the simulation";
const auto everybody = base::IpAddress::highest(base::Family::v4);

base::IpAddress ip(std::string_view text) { return base::IpAddress::parse(text).value(); }

struct Company {
  TestWorld w{seed_from_env(1)};
  Node& server = w.add();
  std::shared_ptr<Visitor> visitor;

  Company() {
    w.serve(server);
    server.users["alice"] = right;
    config::PeerConfig& users = server.peers.front();
    users.child().local = config::Reach::of(
        {*base::Prefix::parse("10.1.0.0/16"), *base::Prefix::parse("10.7.0.0/20")});
    users.server->addresses = {ip("10.1.0.1")};
    users.server->dns = {ip("10.1.0.53"), ip("2001:db8::53")};
    users.server->domains = {"corp.example", "lab.example"};
    // A visitor keeps what it has, and goes without a word.
    w.allow_weather();
  }
  ~Company() {
    // Only one of the two ends of its keys is a node of this World.
    (void)w.violations().take(Broken::unproven_peer);
  }
  void open(Habits habits = windows_with_script()) {
    server.start();
    visitor = Visitor::make(w, server, std::move(habits));
    ASSERT_TRUE(visitor->knock());
    ASSERT_TRUE(visitor->come_in("alice", right));
  }
  /// What Windows asks after it has come in.
  [[nodiscard]] DhcpMessage inform() const {
    DhcpMessage message;
    message.hardware_type = 8;
    message.hardware_size = 6;
    message.xid = 0xcafe0001;
    message.client = *visitor->given();
    message.hardware[1] = std::byte{0x53};
    message.add(DhcpCode::message_type, base::from_hex("08").value());
    message.add(DhcpCode::wishes, base::from_hex("01030f062c2e2f1f2179f92b").value());
    return message;
  }
  void ask(const DhcpMessage& message, const base::IpAddress& at = everybody) {
    ask(message.encode(), at);
  }
  void ask(base::Bytes message, const base::IpAddress& at) {
    visitor->send_inside(wire::make_udp_packet({*visitor->given(), wire::dhcp_client_port},
                                               {at, wire::dhcp_server_port}, message));
    w.run_for(100ms);
  }
  [[nodiscard]] std::size_t answers() const { return visitor->received().size(); }
  /// The last one.
  [[nodiscard]] DhcpMessage answer() const {
    const auto ip_packet = wire::Ipv4View::checked(visitor->received().back()).value();
    EXPECT_EQ(ip_packet.source().to_string(), "10.1.0.1");
    EXPECT_EQ(ip_packet.destination(), *visitor->given());
    const auto udp = wire::UdpView::checked(ip_packet.payload()).value();
    EXPECT_EQ(udp.source_port(), 67);
    EXPECT_EQ(udp.destination_port(), 68);
    return DhcpMessage::decode(udp.payload()).value();
  }
  [[nodiscard]] std::uint64_t refused() const {
    return server.status().drops[base::DropReason::esp_service];
  }
};

std::string hex(const DhcpMessage& message, DhcpCode code) {
  const auto* const option = message.find(code);
  return option == nullptr ? "none" : base::to_hex(option->value);
}

TEST(VisitorDhcp, windows_may_send_to_the_broadcast_address_and_others_get_nothing_besides) {
  for (const bool is_windows : {true, false}) {
    Company company;
    company.open(is_windows ? windows_with_script() : apple());
    EXPECT_EQ(
        policy::to_string(company.visitor->selectors(false)),
        is_windows ? "10.1.0.0/16, 10.7.0.0/20, 255.255.255.255/32" : "10.1.0.0/16, 10.7.0.0/20");
  }
}

TEST(VisitorDhcp, windows_is_told_networks_dns_and_domain) {
  Company company;
  company.open();
  company.ask(company.inform());
  ASSERT_EQ(company.answers(), 1u);
  const DhcpMessage answer = company.answer();
  EXPECT_EQ(answer.op, wire::DhcpOp::reply);
  EXPECT_EQ(answer.type(), 5);
  EXPECT_EQ(answer.xid, 0xcafe0001u);
  EXPECT_EQ(answer.client, *company.visitor->given());
  EXPECT_TRUE(answer.yours.is_unspecified());
  EXPECT_EQ(hex(answer, DhcpCode::server_id), "0a010001");
  EXPECT_EQ(hex(answer, DhcpCode::microsoft_routes),
            "100a010000000014"
            "0a070000000000");
  EXPECT_EQ(hex(answer, DhcpCode::routes), hex(answer, DhcpCode::microsoft_routes));
  EXPECT_EQ(hex(answer, DhcpCode::dns), "0a010035");
  EXPECT_EQ(hex(answer, DhcpCode::domain), base::to_hex(base::as_bytes("corp.example")));
  EXPECT_EQ(company.refused(), 0u);
}

TEST(VisitorDhcp, it_may_ask_at_the_servers_own_address_too) {
  Company company;
  company.open();
  company.ask(company.inform(), ip("10.1.0.1"));
  EXPECT_EQ(company.answers(), 1u);
}

TEST(VisitorDhcp, one_of_a_group_is_told_the_networks_and_dns_of_the_group) {
  Company company;
  config::GroupConfig group;
  group.name = "lab";
  group.members = {"alice"};
  group.networks = {*base::Prefix::parse("10.7.1.0/24")};
  group.dns = {ip("10.7.1.53")};
  company.server.groups = {group};
  company.open();
  EXPECT_EQ(policy::to_string(company.visitor->selectors(false)),
            "10.7.1.0/24, 255.255.255.255/32, 10.1.0.1/32[udp/67]");
  company.ask(company.inform());
  ASSERT_EQ(company.answers(), 1u);
  EXPECT_EQ(hex(company.answer(), DhcpCode::microsoft_routes), "180a070100000000");
  EXPECT_EQ(hex(company.answer(), DhcpCode::dns), "0a070135");
}

TEST(VisitorDhcp, without_an_address_within_the_networks_windows_gets_nothing_besides) {
  Company company;
  company.server.peers.front().server->addresses.clear();
  company.open();
  EXPECT_EQ(policy::to_string(company.visitor->selectors(false)), "10.1.0.0/16, 10.7.0.0/20");
}

TEST(VisitorDhcp, an_address_of_the_host_within_the_networks_need_not_be_configured) {
  Company company;
  company.server.peers.front().server->addresses.clear();
  company.w.add_address(company.server, ip("10.1.0.1"));
  company.open();
  company.ask(company.inform());
  EXPECT_EQ(company.answers(), 1u);
}

TEST(VisitorDhcp, who_is_sent_everything_is_told_no_routes) {
  Company company;
  company.server.peers.front().child().local =
      config::Reach::of({*base::Prefix::parse("0.0.0.0/0")});
  company.open();
  company.ask(company.inform());
  ASSERT_EQ(company.answers(), 1u);
  EXPECT_EQ(hex(company.answer(), DhcpCode::microsoft_routes), "none");
  EXPECT_EQ(hex(company.answer(), DhcpCode::dns), "0a010035");
}

TEST(VisitorDhcp, nobody_asks_for_another_one_nor_for_an_address_nor_through_a_relay) {
  Company company;
  company.w.allow({base::DropReason::esp_service});
  company.open();
  DhcpMessage for_another = company.inform();
  for_another.client = ip("10.200.0.99");
  DhcpMessage discover = company.inform();
  discover.options.front().value = base::from_hex("01").value();
  DhcpMessage relayed = company.inform();
  relayed.gateway = ip("10.1.0.9");
  DhcpMessage reply = company.inform();
  reply.op = wire::DhcpOp::reply;
  for (const DhcpMessage& message : {for_another, discover, relayed, reply}) company.ask(message);
  company.ask(base::as_bytes("what is this"), everybody);
  EXPECT_EQ(company.answers(), 0u);
  EXPECT_EQ(company.refused(), 5u);
}

TEST(VisitorDhcp, other_broadcasts_go_nowhere) {
  Company company;
  company.w.allow({base::DropReason::esp_service});
  company.open();
  company.visitor->send_inside(wire::make_udp_packet(
      {*company.visitor->given(), 137}, {everybody, 137}, base::as_bytes("who is there")));
  company.w.run_for(100ms);
  EXPECT_EQ(company.refused(), 1u);
}

TEST(VisitorDhcp, who_asks_too_often_is_answered_at_a_measured_rate) {
  Company company;
  company.w.allow({base::DropReason::esp_service});
  company.open();
  for (int i = 0; i < 50; ++i) company.ask(company.inform());
  EXPECT_EQ(company.answers(), 8u);
  EXPECT_EQ(company.refused(), 42u);
  company.w.run_for(10s);
  company.ask(company.inform());
  EXPECT_EQ(company.answers(), 9u);
}

TEST(VisitorDhcp, more_networks_than_an_answer_holds_are_told_as_far_as_they_fit) {
  Company company;
  auto& networks = company.server.peers.front().child().local.nets;
  for (std::uint32_t i = 0; i < 40; ++i) {
    networks.push_back(
        policy::TrafficSelector::from_prefix({base::IpAddress::v4(0x0b000000U + (i << 8)), 24}));
  }
  company.open();
  company.ask(company.inform());
  ASSERT_EQ(company.answers(), 1u);
  EXPECT_LE(company.visitor->received().back().size(), 576u);
  const DhcpMessage few = company.answer();
  DhcpMessage roomy = company.inform();
  roomy.add(DhcpCode::size_max, base::from_hex("05dc").value());
  company.ask(roomy);
  ASSERT_EQ(company.answers(), 2u);
  EXPECT_LE(company.visitor->received().back().size(), 1200u);
  EXPECT_GT(company.answer().find(DhcpCode::microsoft_routes)->value.size(),
            few.find(DhcpCode::microsoft_routes)->value.size());
}

}  // namespace
}  // namespace caponier::sim
