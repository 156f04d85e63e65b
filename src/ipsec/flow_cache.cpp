#include "ipsec/flow_cache.h"

namespace caponier::ipsec {

namespace {

constexpr std::uint64_t mix_factor = 0x9e3779b97f4a7c15;  // 2^64 over the golden ratio

std::uint64_t mix(std::uint64_t hash, std::uint64_t value) {
  hash = (hash ^ value) * mix_factor;
  return hash ^ (hash >> 32);
}

std::uint64_t mix(std::uint64_t hash, const base::IpAddress& address) {
  const base::Bytes bytes = address.bytes();
  for (std::size_t at = 0; at + 4 <= bytes.size(); at += 4) {
    hash = mix(hash, base::load_be<std::uint32_t>(bytes.data() + at));
  }
  return hash;
}

}  // namespace

std::size_t FlowCache::index_of(const wire::PacketSelectorFields& packet) {
  std::uint64_t hash = mix(mix(0, packet.source), packet.destination);
  hash = mix(hash, std::uint64_t{packet.protocol} << 32 | std::uint64_t{packet.source_port} << 16 |
                       packet.destination_port);
  return static_cast<std::size_t>(hash >> 16) % slot_count;
}

}  // namespace caponier::ipsec
