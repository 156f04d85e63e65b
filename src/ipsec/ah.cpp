#include "ipsec/ah.h"

#include "ipsec/sa.h"

namespace caponier::ipsec {

namespace {

base::MutBytes icv_field(PacketBuffer& packet, const AhPlace& ah, const Sa& sa) {
  return packet.bytes().subspan(ah.at + wire::ah_fixed_size + sa.shape.iv, sa.shape.icv);
}

}  // namespace

void set_ah_job(crypto::PacketJob& job, PacketBuffer& packet, const AhPlace& ah, const Sa& sa,
                std::uint64_t sequence) {
  const base::MutBytes all = packet.bytes();
  const std::size_t iv_at = ah.at + wire::ah_fixed_size;
  const std::size_t text_at = iv_at + sa.shape.iv;
  job.header = all.first(iv_at);
  job.esn_high.reset();
  if (sa.esn) job.esn_high = static_cast<std::uint32_t>(sequence >> 32);
  job.iv = all.subspan(iv_at, sa.shape.iv);
  job.text = all.subspan(text_at, all.size() - sa.shape.icv - text_at);
  job.icv = all.last(sa.shape.icv);
  job.iv_counter = sequence;
  job.ok = false;
}

void place_icv(PacketBuffer& packet, const AhPlace& ah, const Sa& sa) {
  base::copy_into(icv_field(packet, ah, sa), packet.bytes().last(sa.shape.icv));
  packet.shrink_back(sa.shape.icv);
}

void lift_icv(PacketBuffer& packet, const AhPlace& ah, const Sa& sa) {
  packet.grow_back(sa.shape.icv);
  const base::MutBytes field = icv_field(packet, ah, sa);
  base::copy_into(packet.bytes().last(sa.shape.icv), field);
  for (std::byte& octet : field) octet = std::byte{0};
}

}  // namespace caponier::ipsec
