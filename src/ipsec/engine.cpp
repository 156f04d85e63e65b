#include "ipsec/engine.h"

#include <algorithm>
#include <utility>

#include "ipsec/engine_parts.h"

namespace caponier::ipsec {

Engine::Engine(EngineLimits limits, base::Rng& rng, const crypto::CryptoProvider& crypto)
    : parts_(std::make_unique<EngineParts>(limits, rng, crypto)) {}

Engine::~Engine() = default;

void EngineParts::release_waiting(const ChildName& child, base::Instant now) {
  const auto can_go = [&](const wire::PacketSelectorFields& packet) {
    return sad.find_outbound(child, packet) != nullptr;
  };
  // An SA for one packet only: the others want theirs.
  const auto ask = [&](const wire::PacketSelectorFields& packet) {
    const SpdEntry* const entry = spd.match_outbound(packet);
    if (entry == nullptr || entry->child != child) return;
    const Policy& wanted = entry->policy;
    notices.acquire({child.first, child.second,
                     policy::make_trigger(packet, wanted.pfp, wanted.local, wanted.remote)},
                    now);
  };
  waiting.release(child, can_go, ask);
}

void Engine::set_policies(std::vector<Policy> policies) {
  parts_->spd.set(std::move(policies));
  const std::set<ChildName> children = parts_->spd.children();
  parts_->notices.keep_children(children);
  parts_->waiting.keep_children(children);
}

void Engine::set_audit(bool is_on) { parts_->audit.set(is_on); }

std::expected<void, crypto::CryptoError> Engine::install(policy::InstallSa sa, base::Instant now) {
  return install_beside(std::move(sa), nullptr, now);
}

std::expected<void, crypto::CryptoError> Engine::install_beside(policy::InstallSa sa,
                                                                std::shared_ptr<SaCommon> common,
                                                                base::Instant now) {
  CAPONIER_ASSERT(common == nullptr || common->shared);
  const ChildName child{sa.connection, sa.child};
  const base::Spi spi_in = sa.spi_in;
  TRY_VOID(parts_->sad.install(std::move(sa), std::move(common), now));
  parts_->release_waiting(child, now);
  parts_->early.release(spi_in);
  return {};
}

std::shared_ptr<SaCommon> Engine::common_of(policy::ChildSaId id) const {
  const Sa* const sa = parts_->sad.find(id);
  return sa == nullptr ? nullptr : sa->common_owner;
}

void Engine::remove(policy::ChildSaId id) { parts_->sad.remove(id); }

void Engine::expect(const policy::ExpectSa& expected) {
  if (expected.comes) {
    parts_->early.expect(expected.spi_in);
  } else {
    parts_->early.give_up(expected.spi_in);
  }
}

void Engine::switch_outbound(const policy::SwitchSa& choice) {
  parts_->sad.switch_outbound(choice.id, choice.sends);
}

void Engine::move(const policy::MoveSa& move) {
  Sa* const sa = parts_->sad.find(move.id);
  if (sa == nullptr) return;
  sa->params.path = move.path;
  sa->params.udp_encap = move.udp_encap;
  sa->params.peer_behind_nat = move.peer_behind_nat;
  sa->moved_to.reset();
  sa->update_path();
}

void Engine::skip(const policy::SkipSa& skip) {
  const Sa* const sa = parts_->sad.find(skip.id);
  if (sa == nullptr) return;
  const std::uint64_t used = sa->common->sequence_out.get();
  if (used >= sa->sequence_out_max) return;
  advance_sequence(skip.id, used + std::min(skip.count, sa->sequence_out_max - used));
}

void Engine::set_path_mtu(policy::ChildSaId id, std::size_t path_mtu, std::size_t proven_mtu) {
  Sa* const sa = parts_->sad.find(id);
  if (sa == nullptr) return;
  sa->path_mtu = path_mtu;
  sa->proven_mtu = proven_mtu;
  sa->update_path();
}

bool Engine::has_sent(policy::ChildSaId id, base::Spi spi, std::uint32_t sequence) const {
  const Sa* const sa = parts_->sad.find(id);
  if (sa == nullptr || sa->spi_out != spi) return false;
  const std::uint64_t last = sa->common->sequence_out.get();
  const std::uint32_t behind = static_cast<std::uint32_t>(last) - sequence;
  return behind < icmp_sequence_window && behind < last;
}

void Engine::advance_sequence(policy::ChildSaId id, std::uint64_t at_least) {
  Sa* const sa = parts_->sad.find(id);
  if (sa == nullptr) return;
  const std::uint64_t used = sa->common->sequence_out.get();
  const std::uint64_t target = std::min(at_least, sa->sequence_out_max);
  // Each skipped number may have sealed a packet with its own IV.
  if (target > used) sa->common->sequence_out.add(target - used, sa->common->shared);
}

void Engine::protect(std::span<ProtectItem> items, base::Instant now) {
  parts_->audit.set_time(now);
  parts_->outbound.run(items, now);
}

std::span<const ProtectItem> Engine::made() const { return parts_->outbound.made(); }

void Engine::open(std::span<OpenItem> items, base::Instant now) {
  parts_->audit.set_time(now);
  parts_->inbound.run(items, now);
}

std::size_t Engine::take_waiting(std::span<PacketBuffer* const> to) {
  return parts_->waiting.take(to);
}

bool Engine::send(base::ByteVec packet) { return parts_->waiting.push_own(std::move(packet)); }

std::size_t Engine::take_early(std::span<OpenItem> to) { return parts_->early.take(to); }

void Engine::handle_deadline(base::Instant now) {
  parts_->audit.set_time(now);
  parts_->early.handle_deadline(now);
  parts_->sad.handle_deadline(now);
  parts_->waiting.handle_deadline(now);
  parts_->reassembly.handle_deadline(now);
  parts_->outbound.run_dummies(now);
}

std::optional<base::Deadline> Engine::poll_deadline() const {
  auto earliest = parts_->sad.poll_deadline();
  const auto waiting = parts_->waiting.poll_deadline();
  if (waiting && (!earliest || *waiting < earliest->at)) {
    earliest = base::Deadline{*waiting, "packets that wait for their SA"};
  }
  const auto early = parts_->early.poll_deadline();
  if (early && (!earliest || *early < earliest->at)) {
    earliest = base::Deadline{*early, "packets that came before their SA"};
  }
  const auto fragments = parts_->reassembly.poll_deadline();
  if (fragments && (!earliest || fragments->at < earliest->at)) earliest = fragments;
  return earliest;
}

std::optional<Notice> Engine::poll_notice() { return parts_->notices.poll(); }

bool Engine::has_notice() const { return !parts_->notices.is_empty(); }

bool Engine::has_released() const {
  return parts_->waiting.has_released() || parts_->early.has_released();
}

std::string_view Engine::connection_of(policy::ChildSaId id) const {
  const Sa* const sa = parts_->sad.find(id);
  return sa == nullptr ? std::string_view{} : std::string_view{sa->params.connection};
}

std::size_t Engine::inner_mtu(policy::ChildSaId id, std::size_t path_mtu) const {
  const Sa* const sa = parts_->sad.find(id);
  return sa == nullptr ? 0 : inner_mtu_of(*sa, path_mtu);
}

std::optional<SaCounters> Engine::counters(policy::ChildSaId id) const {
  const Sa* const sa = parts_->sad.find(id);
  if (sa == nullptr) return std::nullopt;
  return sa->counters();
}

const Policy* Engine::find_outbound_policy(const wire::PacketSelectorFields& packet) const {
  const SpdEntry* const entry = parts_->spd.match_outbound(packet);
  return entry == nullptr ? nullptr : &entry->policy;
}

const Policy* Engine::find_inbound_policy(const wire::PacketSelectorFields& packet) const {
  const SpdEntry* const entry = parts_->spd.match_inbound(packet);
  return entry == nullptr ? nullptr : &entry->policy;
}

const base::DropCounters& Engine::drops() const { return parts_->drops; }

std::size_t Engine::association_count() const { return parts_->sad.size(); }

}  // namespace caponier::ipsec
