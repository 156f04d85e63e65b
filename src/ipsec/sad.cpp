#include "ipsec/sad.h"

#include <algorithm>
#include <ranges>

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
       std::unique_ptr<crypto::PacketCipher> sealer_in,
       std::unique_ptr<crypto::PacketCipher> opener_in, base::Instant now)
    : params(std::move(params_in)),
      sealer(std::move(sealer_in)),
      opener(std::move(opener_in)),
      shape{sealer->iv_size(), sealer->icv_size(), esp_alignment(sealer->block_size())},
      sequence_out_max(params.suite.esn ? UINT64_MAX : UINT32_MAX),
      replay(params.replay_window, params.suite.esn) {
  params.keys_in = {};
  params.keys_out = {};
  sends = !params.receives_only;
  const policy::Lifetime& lifetime = params.lifetime;
  hard_packets = std::min(lifetime.hard_packets.value_or(no_limit), encr.packets_max);
  soft_packets = std::min({lifetime.soft_packets.value_or(no_limit), soft_of(encr.packets_max),
                           soft_of(sequence_out_max)});
  hard_bytes = lifetime.hard_bytes.value_or(no_limit);
  soft_bytes = lifetime.soft_bytes.value_or(no_limit);
  if (lifetime.soft_time.has_value()) soft_at = now + *lifetime.soft_time;
  if (lifetime.hard_time.has_value()) hard_at = now + *lifetime.hard_time;
  update_inner_mtu();
}

void Sa::update_inner_mtu() { inner_mtu = inner_mtu_of(*this, path_mtu); }

std::size_t inner_mtu_of(const Sa& sa, std::size_t path_mtu) {
  const base::Family family = sa.params.path.remote.address.family();
  const std::size_t outer = outer_header_size(family, sa.params.udp_encap);
  if (path_mtu <= outer) return 0;
  const std::size_t payload = sa.shape.payload_max(path_mtu - outer);
  if (payload == 0 || sa.params.mode == policy::SaMode::tunnel) return payload;
  return payload + ip_header_size(family);  // in transport mode the IP header stays outside
}

std::expected<void, crypto::CryptoError> Sad::install(policy::InstallSa params, base::Instant now) {
  if (by_id_.size() >= limits_.associations_max || by_id_.contains(params.id) ||
      by_spi_.contains(params.spi_in)) {
    return std::unexpected{crypto::CryptoError::backend_failure};
  }
  const crypto::CipherSuite& suite = params.suite.cipher;
  const crypto::EncrInfo* encr = crypto::find(suite.encr);
  if (encr == nullptr) return std::unexpected{crypto::CryptoError::unsupported};
  auto sealer = TRY(crypto_.make_cipher(suite, params.keys_out.encr.reveal(),
                                        params.keys_out.integ.reveal(), rng_));
  auto opener = TRY(crypto_.make_cipher(suite, params.keys_in.encr.reveal(),
                                        params.keys_in.integ.reveal(), rng_));
  auto sa =
      std::make_unique<Sa>(std::move(params), *encr, std::move(sealer), std::move(opener), now);
  const policy::ChildSaId id = sa->params.id;
  if (sa->soft_at.has_value()) deadlines_.emplace(*sa->soft_at, id);
  if (sa->hard_at.has_value()) deadlines_.emplace(*sa->hard_at, id);
  by_spi_.emplace(sa->params.spi_in, sa.get());
  by_child_[{sa->params.connection, sa->params.child}].push_back(sa.get());
  by_id_.emplace(id, std::move(sa));
  ++generation_;
  return {};
}

void Sad::remove(policy::ChildSaId id) {
  const auto found = by_id_.find(id);
  if (found == by_id_.end()) return;
  const Sa& sa = *found->second;
  if (sa.soft_at.has_value()) deadlines_.erase({*sa.soft_at, id});
  if (sa.hard_at.has_value()) deadlines_.erase({*sa.hard_at, id});
  by_spi_.erase(sa.params.spi_in);
  const auto siblings = by_child_.find({sa.params.connection, sa.params.child});
  std::erase(siblings->second, &sa);
  if (siblings->second.empty()) by_child_.erase(siblings);
  by_id_.erase(found);
  ++generation_;
}

void Sad::switch_outbound(policy::ChildSaId id, bool sends) {
  Sa* const sa = find(id);
  if (sa == nullptr || sa->sends == sends) return;
  sa->sends = sends;
  ++generation_;
}

Sa* Sad::find(policy::ChildSaId id) const {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : found->second.get();
}

Sa* Sad::find_inbound(base::Spi spi) const {
  const auto found = by_spi_.find(spi);
  return found == by_spi_.end() ? nullptr : found->second;
}

Sa* Sad::find_outbound(const ChildName& child, const wire::PacketSelectorFields& packet) const {
  const auto siblings = by_child_.find(child);
  if (siblings == by_child_.end()) return nullptr;
  Sa* receiving = nullptr;
  Sa* stopped = nullptr;
  for (Sa* sa : siblings->second | std::views::reverse) {
    if (!is_outbound_match(sa->params.local, sa->params.remote, packet)) continue;
    if (!sa->is_expired && sa->sends) return sa;
    if (!sa->is_expired) {
      receiving = sa;  // of several the oldest: the peer has had the most time to install it
    } else if (stopped == nullptr) {
      stopped = sa;
    }
  }
  return receiving != nullptr ? receiving : stopped;
}

void Sad::count_use(Sa& sa, KeyUse& use, std::size_t bytes) {
  ++use.packets;
  use.bytes += bytes;
  if (use.packets >= sa.hard_packets || use.bytes >= sa.hard_bytes) {
    expire(sa);
  } else if (use.packets >= sa.soft_packets || use.bytes >= sa.soft_bytes) {
    announce_soft(sa);
  }
}

void Sad::expire(Sa& sa) {
  if (!sa.is_expired) ++generation_;  // outbound traffic may have an older SA to go to
  sa.is_expired = true;
  announce_hard(sa);
}

// A full queue must not lose an announcement, so each flag is set only once it is delivered.
void Sad::announce_hard(Sa& sa) {
  if (!sa.hard_announced) sa.hard_announced = notices_.expired(sa.params.id, true);
  if (sa.hard_announced) sa.soft_announced = true;
}

void Sad::announce_soft(Sa& sa) {
  if (!sa.soft_announced) sa.soft_announced = notices_.expired(sa.params.id, false);
}

void Sad::handle_deadline(base::Instant now) {
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    Sa& sa = *find(deadlines_.begin()->second);
    const bool is_hard = sa.hard_at.has_value() && *sa.hard_at <= now;
    is_hard ? expire(sa) : announce_soft(sa);
    if (!(is_hard ? sa.hard_announced : sa.soft_announced)) return;  // the queue is full: again
    deadlines_.erase(deadlines_.begin());
  }
}

std::optional<base::Deadline> Sad::poll_deadline() const {
  if (deadlines_.empty()) return std::nullopt;
  return base::Deadline{deadlines_.begin()->first, "child SA lifetime"};
}

}  // namespace caponier::ipsec
