// Which forms of ESP a gateway takes, whatever was negotiated (RFC 7296 section 2.23).

#include <optional>

#include "sim/sim_test.h"
#include "wire/natt.h"

namespace caponier::sim {
namespace {

constexpr std::uint16_t natt_port = 4500;

/// The ESP packet in a datagram of either form.
std::optional<base::ByteVec> esp_in(const Datagram& datagram) {
  if (datagram.carrier == Carrier::esp) return datagram.payload;
  if (datagram.destination.port != natt_port) return std::nullopt;
  const wire::NattDatagram natt = wire::classify_natt(datagram.payload);
  if (natt.kind != wire::NattKind::esp) return std::nullopt;
  return base::to_vec(natt.body);
}

/// Brings a tunnel up, takes one ESP packet off the wire and hands it over in the other form.
ipsec::Verdict verdict_on_the_other_form(config::Encap encap) {
  std::optional<base::ByteVec> caught;
  bool was_native = false;
  TestWorld w{seed_from_env(1)};
  w.allow_weather();
  Tunnel tunnel = psk_tunnel();
  tunnel.a_starts = true;
  tunnel.encap = encap;
  auto [a, b] = w.pair(tunnel);
  EXPECT_TRUE(w.run_until([&] { return a.is_up() && b.is_up(); }, 10s));
  w.link(a, b).drop_if([&, from = a.address()](const Datagram& datagram) {
    if (caught || datagram.source.address != from) return false;
    caught = esp_in(datagram);
    was_native = datagram.carrier == Carrier::esp;
    return caught.has_value();
  });
  w.flow(a, b, 100ms);
  EXPECT_TRUE(w.run_until([&] { return caught.has_value(); }, 10s));
  EXPECT_EQ(was_native, encap == config::Encap::native);
  ipsec::PacketBuffer packet;
  packet.assign(*caught);
  ipsec::OpenItem item;
  item.packet = &packet;
  const std::uint16_t port = was_native ? natt_port : 0;
  item.path = {{b.address(), port}, {a.address(), port}};
  b.gateway().worker(0).open({&item, 1}, w.now());
  b.gateway().handle_worker_news(w.now());
  return item.verdict;
}

//= rfc7296#2.23-4 rfc7296#2.23-13 type=test
TEST(EspForms, in_udp_are_opened_although_no_nat_was_found) {
  EXPECT_EQ(verdict_on_the_other_form(config::Encap::native), ipsec::Verdict::forward);
}

//= rfc7296#2.23-4 type=test
TEST(EspForms, without_udp_are_opened_although_a_nat_was_found) {
  EXPECT_EQ(verdict_on_the_other_form(config::Encap::always), ipsec::Verdict::forward);
}

}  // namespace
}  // namespace caponier::sim
