#pragma once
// One worker of the data plane: an engine, and what its traffic has to tell the control side. The
// packets belong to the worker's thread; policies, associations and deadlines to the control side,
// which takes the worker's lock for as long as it touches any of them.

#include <atomic>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <variant>
#include <vector>

#include "base/lock.h"
#include "gateway/inspection.h"
#include "ike/endpoint.h"
#include "ipsec/engine.h"

namespace caponier::gateway {

/// ESP tells the endpoint that a peer lives at most once in this time per Child SA and worker.
inline constexpr base::Duration heard_interval{std::chrono::seconds{1}};
/// What waits for the control side; the next packets of the same SAs tell what was lost.
inline constexpr std::size_t worker_news_max = 4096;

/// What a worker needs for itself; both outlive it.
struct WorkerPorts {
  base::Rng* rng = nullptr;
  base::Lock* lock = nullptr;
};

class Worker {
 public:
  using News = std::variant<ike::PeerHeard, ike::EspSent, ipsec::Notice>;

  /// All references must outlive the object.
  Worker(const ipsec::EngineLimits& limits, const WorkerPorts& ports,
         const crypto::CryptoProvider& crypto, Inspection& inspection)
      : lock_(*ports.lock), engine_(limits, *ports.rng, crypto), inspection_(inspection) {}

  /// To be held around everything that is not said to need no lock.
  [[nodiscard]] base::Lock& lock() { return lock_; }

  // For the thread that has the packets; see ipsec::Engine.
  void protect(std::span<ipsec::ProtectItem> items, base::Instant now);
  void open(std::span<ipsec::OpenItem> items, base::Instant now);
  [[nodiscard]] std::span<const ipsec::ProtectItem> made() const { return engine_.made(); }
  [[nodiscard]] std::size_t take_waiting(std::span<ipsec::PacketBuffer* const> to);
  [[nodiscard]] std::size_t take_early(std::span<ipsec::OpenItem> to);

  // For the control side.
  /// Lifetimes, and what was made for them: see made().
  void handle_deadline(base::Instant now);
  [[nodiscard]] std::optional<News> poll_news();
  void forget(policy::ChildSaId id);
  [[nodiscard]] ipsec::Engine& engine() { return engine_; }
  /// What Engine says may be asked at any time needs no lock.
  [[nodiscard]] const ipsec::Engine& engine() const { return engine_; }
  /// To be called when engine() has been changed.
  void publish();

  // These need no lock, and are as of the last call of another function.
  [[nodiscard]] std::optional<base::Instant> next_deadline() const;
  [[nodiscard]] bool has_news() const { return has_news_.load(std::memory_order_acquire); }
  /// Packets wait that take_waiting() or take_early() would give.
  [[nodiscard]] bool has_released() const { return has_released_.load(std::memory_order_acquire); }

 private:
  using Times = std::map<policy::ChildSaId, base::Instant>;

  void hear(std::span<const ipsec::OpenItem> items, base::Instant now);
  void tell_sent(std::span<const ipsec::ProtectItem> items, base::Instant now);
  /// Whether that is worth telling again.
  [[nodiscard]] static bool is_due(Times& times, policy::ChildSaId id, base::Instant now);

  base::Lock& lock_;
  ipsec::Engine engine_;
  Inspection& inspection_;
  base::BoundedQueue<News> news_{worker_news_max};
  Times heard_;
  Times told_;
  std::atomic<std::int64_t> deadline_ = INT64_MAX;
  std::atomic<bool> has_news_ = false;
  std::atomic<bool> has_released_ = false;
};

}  // namespace caponier::gateway
