#include "gateway/workers.h"

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace caponier::gateway {
namespace {

policy::DirectionKeys copy_of(const policy::DirectionKeys& keys) {
  return {keys.encr.duplicate(), keys.integ.duplicate()};
}

policy::InstallSa copy_of(const policy::InstallSa& sa) {
  return {.id = sa.id,
          .connection = sa.connection,
          .child = sa.child,
          .mode = sa.mode,
          .protocol = sa.protocol,
          .treatment = sa.treatment,
          .suite = sa.suite,
          .spi_in = sa.spi_in,
          .spi_out = sa.spi_out,
          .keys_in = copy_of(sa.keys_in),
          .keys_out = copy_of(sa.keys_out),
          .path = sa.path,
          .udp_encap = sa.udp_encap,
          .peer_behind_nat = sa.peer_behind_nat,
          .local = sa.local,
          .remote = sa.remote,
          .lifetime = sa.lifetime,
          .replay_window = sa.replay_window,
          .receives_only = sa.receives_only,
          .resource = sa.resource,
          .services = sa.services};
}

}  // namespace

void add(ipsec::SaCounters& sum, const ipsec::SaCounters& more) {
  sum.packets_in += more.packets_in;
  sum.bytes_in += more.bytes_in;
  sum.packets_out += more.packets_out;
  sum.bytes_out += more.bytes_out;
  sum.last_in = std::max(sum.last_in, more.last_in);
  sum.last_out = std::max(sum.last_out, more.last_out);
  sum.drops.add(more.drops);
}

Workers::Workers(const ipsec::EngineLimits& limits, std::span<const WorkerPorts> ports,
                 const crypto::CryptoProvider& crypto, Inspection& inspection)
    : acquires_(limits) {
  CAPONIER_ASSERT(!ports.empty());
  ipsec::EngineLimits each = limits;
  each.shares_associations = limits.shares_associations || ports.size() > 1;
  for (const WorkerPorts& port : ports) {
    if (ports.size() > 1) {
      each.resource = policy::ResourceId{static_cast<std::uint32_t>(workers_.size())};
    }
    workers_.push_back(std::make_unique<Worker>(each, port, crypto, inspection));
  }
}

void Workers::send(base::ByteVec packet) {
  Worker& first = *workers_.front();
  const base::Guard guard{first.lock()};
  (void)first.engine().send(std::move(packet));
  first.publish();
}

void Workers::set_policies(const std::vector<ipsec::Policy>& policies) {
  change([&](ipsec::Engine& engine) { engine.set_policies(policies); });
}

std::vector<std::unique_lock<base::Lock>> Workers::lock_all() const {
  std::vector<std::unique_lock<base::Lock>> held;
  for (const auto& worker : workers_) held.emplace_back(worker->lock());
  return held;
}

std::expected<void, crypto::CryptoError> Workers::install(policy::InstallSa sa, base::Instant now) {
  const policy::ChildSaId id = sa.id;
  const base::Spi spi_in = sa.spi_in;
  std::shared_ptr<ipsec::SaCommon> common;
  // At the same instant everywhere: what one worker sends on it, the peer may answer to another.
  const auto held = lock_all();
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    policy::InstallSa own = i + 1 == workers_.size() ? std::move(sa) : copy_of(sa);
    // One worker fills the silence.
    if (i != 0) own.treatment.dummy_interval = {};
    ipsec::Engine& engine = workers_[i]->engine();
    const auto installed = engine.install_beside(std::move(own), common, now);
    if (!installed) {
      for (const auto& worker : workers_) {
        worker->engine().remove(id);
        worker->engine().expect({spi_in, false});
        worker->publish();
      }
      return installed;
    }
    if (i == 0 && workers_.size() > 1) common = engine.common_of(id);
  }
  for (const auto& worker : workers_) worker->publish();
  return {};
}

void Workers::remove(policy::ChildSaId id) {
  for (const auto& worker : workers_) {
    const base::Guard guard{worker->lock()};
    worker->engine().remove(id);
    worker->forget(id);
    worker->publish();
  }
}

void Workers::skip(const policy::SkipSa& skip) {
  const base::Guard guard{workers_[0]->lock()};
  workers_[0]->engine().skip(skip);
}

std::optional<Worker::News> Workers::poll_news(base::Instant now) {
  for (const auto& worker : workers_) {
    if (!worker->has_news()) continue;
    const base::Guard guard{worker->lock()};
    while (auto news = worker->poll_news()) {
      if (!is_repeated(*news, now)) return news;
    }
  }
  return std::nullopt;
}

bool Workers::is_repeated(const Worker::News& news, base::Instant now) {
  const auto* const notice = std::get_if<ipsec::Notice>(&news);
  const auto* const acquire = notice == nullptr ? nullptr : std::get_if<ipsec::Acquire>(notice);
  if (acquire == nullptr || workers_.size() == 1) return false;
  if (!acquires_.is_due(*acquire, now)) return true;
  acquires_.note(*acquire, now);
  return false;
}

std::optional<ipsec::SaCounters> Workers::counters(policy::ChildSaId id) const {
  auto sum = first().counters(id);
  if (!sum) return std::nullopt;
  for (std::size_t i = 1; i < workers_.size(); ++i) {
    if (const auto more = std::as_const(*workers_[i]).engine().counters(id)) add(*sum, *more);
  }
  return sum;
}

std::vector<base::DropCounters> Workers::drops() const {
  std::vector<base::DropCounters> drops;
  for (const auto& worker : workers_) drops.push_back(std::as_const(*worker).engine().drops());
  return drops;
}

}  // namespace caponier::gateway
