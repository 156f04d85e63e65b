#pragma once
// What operators look at packets with, one for all workers: the capture and the trace. While one of
// them is on, workers take turns; otherwise they pay one glance at a flag.

#include <atomic>
#include <optional>
#include <span>

#include "base/lock.h"
#include "gateway/capture.h"
#include "gateway/tracer.h"

namespace caponier::gateway {

class Inspection {
 public:
  /// `lock` must outlive the object.
  Inspection(base::Lock& lock, Capture capture, Tracer tracer)
      : lock_(lock), capture_(std::move(capture)), tracer_(std::move(tracer)) {}

  /// To be held around everything but is_on().
  [[nodiscard]] base::Lock& lock() { return lock_; }
  [[nodiscard]] bool is_on() const { return is_on_.load(std::memory_order_relaxed); }

  void set_capture(bool on);
  void set_trace(std::optional<TraceRequest> request, base::Instant now);
  [[nodiscard]] Capture& capture() { return capture_; }
  [[nodiscard]] Tracer& tracer() { return tracer_; }

  /// Around each run of an engine, with the same items.
  void before(std::span<const ipsec::ProtectItem> items);
  void after(std::span<const ipsec::ProtectItem> items, const ipsec::Engine& engine,
             base::Instant now);
  void before(std::span<const ipsec::OpenItem> items, base::Instant now);
  void after(std::span<const ipsec::OpenItem> items, const ipsec::Engine& engine,
             base::Instant now);
  /// An IKE message, with its marker. Takes the lock itself.
  void record_ike(const base::Path& path, wire::PcapngDirection direction, base::Bytes payload,
                  base::Instant now);
  /// What engines send besides.
  void record_made(std::span<const ipsec::ProtectItem> items, base::Instant now);

 private:
  void update() { is_on_.store(capture_.is_on() || tracer_.is_on(), std::memory_order_relaxed); }
  void record(const ipsec::ProtectItem& item, base::Instant now);
  void record(const ipsec::OpenItem& item, base::Instant now);

  base::Lock& lock_;
  Capture capture_;
  Tracer tracer_;
  std::atomic<bool> is_on_ = false;
};

}  // namespace caponier::gateway
