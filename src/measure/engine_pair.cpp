#include "measure/engine_pair.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "wire/ip_packet.h"
#include "wire/udp.h"

namespace caponier::measure {
namespace {

constexpr std::uint32_t local_net = 0x0a000000;
constexpr std::uint32_t remote_net = 0x14000000;
constexpr std::size_t headers_size = 28;  // IPv4 and UDP

ipsec::Policy policy_for(const policy::InstallSa& sa) {
  return {ipsec::PolicyAction::protect, sa.connection, sa.child, sa.local, sa.remote};
}

policy::TrafficSelectors only(const base::IpAddress& address) {
  return {policy::TrafficSelector::from_prefix({address, 32})};
}

}  // namespace

base::IpAddress local_address(std::uint32_t number) {
  return base::IpAddress::v4(local_net + number);
}
base::IpAddress remote_address(std::uint32_t number) {
  return base::IpAddress::v4(remote_net + number);
}

policy::InstallSa make_sa(std::uint32_t number, const crypto::CipherSuite& suite, bool is_mirror) {
  policy::InstallSa sa;
  sa.id = {number + 1};
  sa.connection = "site";
  sa.child = fmt::format("net-{}", number);
  sa.suite = {suite, crypto::KeGroup::none, true};
  base::SeededRng spis{number};
  sa.spi_in = {spis.public_u32() | 0x100};
  sa.spi_out = {sa.spi_in.value ^ 0x80000000};
  const auto key = [&](std::size_t size) {
    base::SecretBytes bytes{size};
    spis.fill_public(bytes.reveal_mutable());
    return bytes;
  };
  sa.keys_in = {key(crypto::encr_key_size(suite)), key(crypto::integ_key_size(suite))};
  sa.keys_out = {sa.keys_in.encr.duplicate(), sa.keys_in.integ.duplicate()};
  sa.path = {{base::IpAddress::v4(0xc0000201), 4500}, {base::IpAddress::v4(0xc6336401), 4500}};
  sa.udp_encap = true;
  sa.local = only(local_address(number));
  sa.remote = only(remote_address(number));
  if (is_mirror) {
    std::swap(sa.spi_in, sa.spi_out);
    std::swap(sa.path.local, sa.path.remote);
    std::swap(sa.local, sa.remote);
  }
  return sa;
}

std::vector<ipsec::Policy> make_policies(std::uint32_t sa_count, bool is_mirror) {
  std::vector<ipsec::Policy> policies;
  for (std::uint32_t i = 0; i < sa_count; ++i) {
    policies.push_back(policy_for(make_sa(i, {}, is_mirror)));
  }
  return policies;
}

PacketBurst::PacketBurst(std::size_t packet_size, std::uint32_t sa_count)
    : leaving_(size), arrived_(size), sas_(size) {
  const base::ByteVec payload(packet_size - headers_size);
  for (std::uint32_t i = 0; i < sa_count; ++i) {
    packets_.push_back(
        wire::make_udp_packet({local_address(i), 1000}, {remote_address(i), 2000}, payload));
  }
  for (std::size_t i = 0; i < size; ++i) buffers_.emplace_back();
}

std::span<const std::uint32_t> PacketBurst::choose_sas() {
  for (std::uint32_t& sa : sas_) {
    sa = static_cast<std::uint32_t>(rng_.public_below(packets_.size()));
  }
  return sas_;
}

void PacketBurst::write() {
  const auto sas = choose_sas();
  for (std::size_t i = 0; i < size; ++i) {
    buffers_[i].assign(packets_[sas[i]]);
    leaving_[i] = {};
    leaving_[i].packet = &buffers_[i];
  }
}

void PacketBurst::deliver() {
  for (std::size_t i = 0; i < size; ++i) {
    arrived_[i] = {};
    arrived_[i].packet = &buffers_[i];
    arrived_[i].path = {leaving_[i].path.remote, leaving_[i].path.local};
  }
}

bool PacketBurst::is_open() const {
  return std::ranges::all_of(arrived_, [](const ipsec::OpenItem& item) {
    return item.verdict == ipsec::Verdict::forward;
  });
}

EnginePair::EnginePair(const crypto::CryptoProvider& provider, const crypto::CipherSuite& suite,
                       std::size_t packet_size, std::uint32_t sa_count)
    : sender_({}, rng_, provider), receiver_({}, rng_, provider), burst_(packet_size, sa_count) {
  for (std::uint32_t i = 0; i < sa_count; ++i) {
    is_ready_ = sender_.install(make_sa(i, suite, false), now_).has_value() &&
                receiver_.install(make_sa(i, suite, true), now_).has_value() && is_ready_;
  }
  sender_.set_policies(make_policies(sa_count, false));
  receiver_.set_policies(make_policies(sa_count, true));
}

bool EnginePair::is_sound() const {
  return is_ready_ && sender_.drops().total() == 0 && receiver_.drops().total() == 0 &&
         burst_.is_open();
}

}  // namespace caponier::measure
