#pragma once
// All workers of the data plane as one for the control side: what is installed is installed
// everywhere, what is counted is added up.

#include <cstddef>
#include <expected>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "gateway/worker.h"
#include "ipsec/acquire_times.h"

namespace caponier::gateway {

void add(ipsec::SaCounters& sum, const ipsec::SaCounters& more);

/// Takes the workers' locks itself. For the control side's thread.
class Workers {
 public:
  /// At least one of `ports`; everything they and the references name must outlive the object.
  Workers(const ipsec::EngineLimits& limits, std::span<const WorkerPorts> ports,
          const crypto::CryptoProvider& crypto, Inspection& inspection);

  [[nodiscard]] std::size_t size() const { return workers_.size(); }
  [[nodiscard]] Worker& operator[](std::size_t index) { return *workers_[index]; }
  [[nodiscard]] const Worker& operator[](std::size_t index) const { return *workers_[index]; }

  void set_policies(const std::vector<ipsec::Policy>& policies);
  std::expected<void, crypto::CryptoError> install(policy::InstallSa sa, base::Instant now);
  void remove(policy::ChildSaId id);
  /// Sequence numbers are common to all.
  void skip(const policy::SkipSa& skip);
  /// Any change that every engine shall see.
  template <class Change>
  void change(const Change& apply) {
    for (const auto& worker : workers_) {
      const base::Guard guard{worker->lock()};
      apply(worker->engine());
      worker->publish();
    }
  }
  /// A packet of our own, through the SA that the policies choose; lost where there is no room.
  void send(base::ByteVec packet);
  [[nodiscard]] std::optional<Worker::News> poll_news(base::Instant now);

  [[nodiscard]] std::optional<ipsec::SaCounters> counters(policy::ChildSaId id) const;
  [[nodiscard]] std::size_t inner_mtu(policy::ChildSaId id, std::size_t path_mtu) const {
    return first().inner_mtu(id, path_mtu);
  }
  [[nodiscard]] bool has_sent(policy::ChildSaId id, base::Spi spi, std::uint32_t sequence) const {
    return first().has_sent(id, spi, sequence);
  }
  [[nodiscard]] std::size_t association_count() const { return first().association_count(); }
  /// Of each worker.
  [[nodiscard]] std::vector<base::DropCounters> drops() const;

 private:
  /// In their order, as everybody must who takes several.
  [[nodiscard]] std::vector<std::unique_lock<base::Lock>> lock_all() const;
  /// Another worker has just said the same.
  [[nodiscard]] bool is_repeated(const Worker::News& news, base::Instant now);
  [[nodiscard]] const ipsec::Engine& first() const { return std::as_const(*workers_[0]).engine(); }

  std::vector<std::unique_ptr<Worker>> workers_;
  ipsec::AcquireTimes acquires_;  ///< of all workers together
};

}  // namespace caponier::gateway
