// Two engines with one SA between them, driven by lines: what its ends make of packets.
//
//   sa MODE PROTOCOL OUTER-A OUTER-B INNER-A INNER-B ENCR KEY-BITS INTEG ESN UDP ENCR-KEY INTEG-KEY
//      FIRST-SEQUENCE          -> "ok", or "refused"
//   seal IP-PACKET             -> A's outer IP packet, or "drop NAME"
//   open OUTER-IP-PACKET       -> the inner IP packet for B, or "drop NAME"
//
// Numbers of algorithms are IANA's, keys and packets are hexadecimal, "-" is empty. The SA has the
// same keys and the same SPI, 0x1000, in both directions.

#include <cstdio>
#include <iostream>
#include <memory>
#include <sstream>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/rng.h"
#include "crypto/openssl/provider.h"
#include "ipsec/engine.h"
#include "wire/ip_packet.h"
#include "wire/udp.h"

namespace {

using namespace caponier;
using base::Bytes;
using base::ByteVec;
using base::IpAddress;

constexpr std::size_t packet_max = 16'384;
constexpr base::Spi spi{0x1000};

ByteVec from_hex(const std::string& text) {
  ByteVec bytes;
  if (text == "-") return bytes;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
    bytes.push_back(static_cast<std::byte>(std::stoul(text.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

std::string to_hex(Bytes bytes) {
  std::string text;
  for (const std::byte octet : bytes) text += fmt::format("{:02x}", std::to_integer<int>(octet));
  return text;
}

IpAddress ip(const std::string& text) { return IpAddress::parse(text).value(); }

policy::SaMode mode_of(const std::string& text) {
  if (text == "tunnel") return policy::SaMode::tunnel;
  return text == "beet" ? policy::SaMode::beet : policy::SaMode::transport;
}

class Driver {
 public:
  std::string make_sa(const std::string& line) {
    std::uint64_t first = 0;
    policy::InstallSa at_a = read_sa(line, first);
    policy::InstallSa at_b = read_sa(line, first);
    std::swap(at_b.path.local, at_b.path.remote);
    path_ = at_a.path;
    is_udp_ = at_a.udp_encap;
    is_ah_ = at_a.protocol == policy::SaProtocol::ah;
    a_ = make_engine(std::move(at_a));
    b_ = make_engine(std::move(at_b));
    if (a_ == nullptr || b_ == nullptr) return "refused";
    a_->advance_sequence({1}, first - 1);
    return "ok";
  }

  std::string seal(const ByteVec& packet) {
    ipsec::PacketBuffer buffer{packet_max};
    buffer.assign(packet);
    ipsec::ProtectItem item;
    item.packet = &buffer;
    a_->protect({&item, 1}, {});
    if (item.verdict != ipsec::Verdict::forward) return reason(item.verdict, item.drop);
    const Bytes bytes = std::as_const(buffer).bytes();
    if (item.is_whole) return to_hex(bytes);
    if (is_udp_) return to_hex(wire::make_udp_packet(path_.local, path_.remote, bytes));
    ByteVec whole = wire::make_ip_packet(
        {path_.local.address, path_.remote.address, wire::ip_protocol::esp}, bytes.size());
    base::copy_into(base::MutBytes{whole}.last(bytes.size()), bytes);
    return to_hex(whole);
  }

  std::string open(const ByteVec& packet) {
    ipsec::PacketBuffer buffer{packet_max};
    buffer.assign(packet);
    ipsec::OpenItem item;
    item.packet = &buffer;
    item.path = {path_.remote, path_.local};
    item.protocol = is_ah_ ? policy::SaProtocol::ah : policy::SaProtocol::esp;
    item.is_whole = !is_udp_;
    if (is_udp_) {
      const std::size_t headers = wire::ip_version(packet) == 4 ? 28 : 48;
      if (packet.size() < headers) return "drop short";
      buffer.shrink_front(headers);
    }
    b_->open({&item, 1}, {});
    if (item.verdict != ipsec::Verdict::forward) return reason(item.verdict, item.drop);
    return to_hex(std::as_const(buffer).bytes());
  }

 private:
  static policy::InstallSa read_sa(const std::string& line, std::uint64_t& first) {
    std::istringstream in{line};
    std::string verb, mode, protocol, outer_a, outer_b, inner_a, inner_b, encr_key, integ_key;
    unsigned encr = 0, bits = 0, integ = 0, esn = 0, udp = 0;
    in >> verb >> mode >> protocol >> outer_a >> outer_b >> inner_a >> inner_b >> encr >> bits >>
        integ >> esn >> udp >> encr_key >> integ_key >> first;
    policy::InstallSa sa;
    sa.id = {1};
    sa.connection = sa.child = "x";
    sa.mode = mode_of(mode);
    sa.protocol = protocol == "ah" ? policy::SaProtocol::ah : policy::SaProtocol::esp;
    sa.suite.cipher = {static_cast<crypto::EncrId>(encr), static_cast<std::uint16_t>(bits),
                       static_cast<crypto::IntegId>(integ)};
    sa.suite.esn = esn != 0;
    sa.spi_in = sa.spi_out = spi;
    for (policy::DirectionKeys* const keys : {&sa.keys_in, &sa.keys_out}) {
      keys->encr = base::SecretBytes{Bytes{from_hex(encr_key)}};
      keys->integ = base::SecretBytes{Bytes{from_hex(integ_key)}};
    }
    const std::uint16_t port = udp != 0 ? 4500 : 0;
    sa.path = {{ip(outer_a), port}, {ip(outer_b), port}};
    sa.udp_encap = udp != 0;
    for (const IpAddress& address : {ip(inner_a), ip(inner_b)}) {
      for (policy::TrafficSelectors* const selectors : {&sa.local, &sa.remote}) {
        selectors->push_back(policy::TrafficSelector::from_prefix({address, address.bit_count()}));
      }
    }
    return sa;
  }

  std::unique_ptr<ipsec::Engine> make_engine(policy::InstallSa sa) {
    ipsec::EngineLimits limits;
    limits.clamp_mss = false;
    auto engine = std::make_unique<ipsec::Engine>(limits, rng_, crypto_);
    engine->set_policies({{ipsec::PolicyAction::protect, "x", "x", sa.local, sa.remote}});
    if (!engine->install(std::move(sa), {}).has_value()) return nullptr;
    engine->set_path_mtu({1}, packet_max);
    return engine;
  }

  static std::string reason(ipsec::Verdict verdict, base::DropReason drop) {
    if (verdict != ipsec::Verdict::drop) return "drop undecided";
    return fmt::format("drop {}", base::info_of(drop).name);
  }

  base::SeededRng rng_{1};
  crypto::OpensslProvider crypto_;
  std::unique_ptr<ipsec::Engine> a_;
  std::unique_ptr<ipsec::Engine> b_;
  base::Path path_;
  bool is_udp_ = false;
  bool is_ah_ = false;
};

}  // namespace

int main() {
  Driver driver;
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream in{line};
    std::string verb, rest;
    in >> verb;
    if (verb == "sa") {
      std::cout << driver.make_sa(line) << std::endl;
      continue;
    }
    in >> rest;
    std::cout << (verb == "seal" ? driver.seal(from_hex(rest)) : driver.open(from_hex(rest)))
              << std::endl;
  }
  return 0;
}
