#include "gateway/audit_event.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "unit/gateway/peers.h"

namespace caponier::gateway {
namespace {

std::string field_of(const base::Event& event, std::string_view key) {
  const auto found =
      std::ranges::find(event.fields, key, [](const auto& one) { return one.first; });
  return found == event.fields.end() ? std::string{} : found->second;
}

ipsec::Audited replay() {
  ipsec::Audited audited;
  audited.reason = base::DropReason::esp_replay;
  audited.connection = "branch";
  audited.spi = base::Spi{0xc0ffee01};
  audited.sequence = 7;
  audited.path = {{address("192.0.2.1"), 0}, {address("192.0.2.2"), 0}};
  return audited;
}

TEST(AuditEvent, says_which_packet_was_dropped_and_why) {
  const base::Event event = make_audit_event(replay(), 12);
  EXPECT_EQ(event.kind, base::EventKind::audit);
  EXPECT_EQ(event.peer, "branch");
  EXPECT_EQ(event.text,
            "dropped ESP c0ffee01 from 192.0.2.2 to 192.0.2.1, sequence number 7: The sequence "
            "number was seen or is left of the window.");
  EXPECT_EQ(field_of(event, "reason"), "esp_replay");
  EXPECT_EQ(field_of(event, "count"), "12");
  EXPECT_EQ(field_of(event, "spi"), "c0ffee01");
  EXPECT_EQ(field_of(event, "sequence"), "7");
  EXPECT_EQ(field_of(event, "source"), "192.0.2.2");
  EXPECT_EQ(field_of(event, "destination"), "192.0.2.1");
}

TEST(AuditEvent, names_ports_where_esp_travels_in_udp) {
  ipsec::Audited audited = replay();
  audited.path.remote.port = 4500;
  EXPECT_EQ(field_of(make_audit_event(audited, 1), "source"), "192.0.2.2:4500");
}

TEST(AuditEvent, of_a_packet_outside_the_selectors_shows_both) {
  ipsec::Audited audited = replay();
  audited.reason = base::DropReason::esp_selector;
  wire::PacketSelectorFields inner;
  inner.source = address("10.9.0.1");
  inner.destination = address("10.1.0.5");
  inner.protocol = wire::ip_protocol::udp;
  inner.has_ports = true;
  inner.destination_port = 53;
  audited.inner = inner;
  audited.local = {policy::TrafficSelector::from_prefix(*base::Prefix::parse("10.1.0.0/16"))};
  audited.remote = {policy::TrafficSelector::from_prefix(*base::Prefix::parse("10.2.0.0/16"))};
  const base::Event event = make_audit_event(audited, 1);
  EXPECT_EQ(field_of(event, "inner_source"), "10.9.0.1");
  EXPECT_EQ(field_of(event, "inner_destination_port"), "53");
  EXPECT_EQ(field_of(event, "local_selectors"), "10.1.0.0/16");
  EXPECT_EQ(field_of(event, "remote_selectors"), "10.2.0.0/16");
}

TEST(AuditEvent, of_a_clear_packet_names_no_outer_addresses) {
  ipsec::Audited audited;
  audited.reason = base::DropReason::clear_no_sa;
  audited.is_outbound = true;
  audited.flow_label = 0x42;
  const base::Event event = make_audit_event(audited, 1);
  EXPECT_TRUE(event.text.starts_with("dropped a clear packet: "));
  EXPECT_EQ(field_of(event, "source"), "");
  EXPECT_EQ(field_of(event, "protocol"), "");
  EXPECT_EQ(field_of(event, "flow_label"), "00042");
}

}  // namespace
}  // namespace caponier::gateway
