#include "ipsec/sa.h"

#include <algorithm>
#include <utility>

#include "ipsec/ah.h"
#include "ipsec/outer_header.h"
#include "ipsec/spd.h"

namespace caponier::ipsec {

namespace {

constexpr std::uint64_t no_limit = UINT64_MAX;

/// The soft limit of limits that have none of their own.
std::uint64_t soft_of(std::uint64_t hard) {
  return hard == no_limit ? no_limit : hard / 10 * 9 + hard % 10 * 9 / 10;
}

}  // namespace

Sa::Sa(policy::InstallSa params_in, const crypto::EncrInfo& encr,
       std::shared_ptr<crypto::PacketCipher> sealer_in,
       std::shared_ptr<crypto::PacketCipher> opener_in, std::shared_ptr<SaCommon> common_in,
       base::Instant now)
    : common(common_in.get()),
      shape(sealer_in->iv_size(), sealer_in->icv_size(), sealer_in->block_size()),
      id(params_in.id),
      mode(params_in.mode),
      esn(params_in.suite.esn),
      sends(!params_in.receives_only),
      clamp_mss(params_in.treatment.clamp_mss),
      outer(params_in.treatment.outer),
      flow_label(flow_label_of(params_in.spi_out)),
      spi_out(params_in.spi_out),
      sequence_out_max(params_in.suite.esn ? UINT64_MAX : UINT32_MAX),
      sealer(sealer_in.get()),
      sealer_lines(sealer->key_memory()),
      opener(opener_in.get()),
      opener_lines(opener->key_memory()),
      params(std::move(params_in)),
      common_owner(std::move(common_in)),
      sealer_owner(std::move(sealer_in)),
      opener_owner(std::move(opener_in)) {
  params.keys_in = {};
  params.keys_out = {};
  const policy::Lifetime& lifetime = params.lifetime;
  hard_packets = std::min(lifetime.hard_packets.value_or(no_limit), encr.packets_max);
  soft_packets = std::min({lifetime.soft_packets.value_or(no_limit), soft_of(encr.packets_max),
                           soft_of(sequence_out_max), hard_packets});
  hard_bytes = lifetime.hard_bytes.value_or(no_limit);
  soft_bytes = std::min(lifetime.soft_bytes.value_or(no_limit), hard_bytes);
  if (lifetime.soft_time.has_value()) soft_at = now + *lifetime.soft_time;
  if (lifetime.hard_time.has_value()) hard_at = now + *lifetime.hard_time;
  ends_at = hard_at.value_or(never);
  is_for_fragments = ipsec::is_for_fragments(params.local, params.remote);
  has_services = !params.services.empty();
  update_path();
}

void Sa::update_path() {
  const base::Family family = params.path.remote.address.family();
  outer_headers = outer_header_size(family, params.udp_encap);
  if (params.protocol == policy::SaProtocol::ah) {
    shape.set_ah(ah_size(shape.iv, shape.icv, family));
  }
  inner_mtu = inner_mtu_of(*this, path_mtu);
  const bool can_pad =
      params.mode == policy::SaMode::tunnel && params.protocol == policy::SaProtocol::esp;
  const std::uint16_t wanted = can_pad ? params.treatment.tfc_pad : std::uint16_t{0};
  pad_to = wanted == policy::tfc_pad_to_mtu ? inner_mtu : std::min<std::size_t>(wanted, inner_mtu);
  follows_peer = params.peer_behind_nat || params.path.transport == base::Transport::tcp;
}

SaCounters Sa::counters() const {
  return {in.packets(), in.bytes(), out.packets(), out.bytes(), in.last(), out.last(), drops};
}

std::size_t inner_mtu_of(const Sa& sa, std::size_t path_mtu) {
  if (path_mtu <= sa.outer_headers) return 0;
  const std::size_t payload = sa.shape.payload_max(path_mtu - sa.outer_headers);
  if (payload == 0) return 0;
  switch (sa.params.mode) {
    case policy::SaMode::tunnel: break;
    case policy::SaMode::transport:  // the IP header stays outside
      return payload + ip_header_size(sa.params.path.remote.address.family());
    case policy::SaMode::beet:  // it stays at home
      return payload + ip_header_size(sa.params.remote.front().first.family());
  }
  return payload;
}

}  // namespace caponier::ipsec
