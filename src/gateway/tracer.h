#pragma once
// Follows sampled packets through the data plane: what came, which policy and SA were chosen, what
// the cipher said, what became of it. Looks at a batch before and after the engine has run, so that
// the engine itself pays nothing. Never holds payload or keys.

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bounded.h"
#include "ipsec/engine.h"
#include "wire/ip.h"

namespace caponier::gateway {

struct TraceRequest {
  std::uint64_t every = 1;  ///< one packet of so many
  std::string peer;         ///< only packets of this connection; empty: all
};

enum class TraceDirection : std::uint8_t { outbound, inbound };
[[nodiscard]] std::string_view name_of(TraceDirection direction);

enum class CryptoOutcome : std::uint8_t {
  none,    ///< the packet did not come so far
  done,    ///< protected, or verified and decrypted
  failed,  ///< the cipher failed, or the integrity check did
};
[[nodiscard]] std::string_view name_of(CryptoOutcome outcome);
[[nodiscard]] std::string_view name_of(ipsec::Verdict verdict);
[[nodiscard]] std::string_view name_of(ipsec::PolicyAction action);

struct TraceRecord {
  base::Duration since_start{};
  TraceDirection direction{};
  std::optional<wire::PacketSelectorFields> inner;  ///< inbound: only once it is decrypted
  std::size_t size = 0;                             ///< as it came: inner, or ESP from the SPI on
  std::optional<base::Path> outer;
  std::optional<ipsec::PolicyAction> policy;  ///< empty: none matches, or nobody can tell
  std::string peer;                           ///< of the SA, else of the policy
  std::optional<base::Spi> spi;               ///< of the ESP packet
  std::uint32_t sequence = 0;                 ///< as on the wire
  bool has_sa = false;                        ///< the SPI, or the policy, led to an SA
  CryptoOutcome crypto{};
  ipsec::Verdict verdict{};
  base::DropReason drop{};
};

class Tracer {
 public:
  explicit Tracer(std::size_t records_max) : records_(records_max), records_max_(records_max) {}

  [[nodiscard]] bool is_on() const { return request_.has_value(); }
  void start(TraceRequest request, base::Instant now);
  void stop();

  /// Around each run of an engine, while switched on, with the same items.
  void before(std::span<const ipsec::ProtectItem> items);
  void after(std::span<const ipsec::ProtectItem> items, const ipsec::Engine& engine,
             base::Instant now);
  void before(std::span<const ipsec::OpenItem> items);
  void after(std::span<const ipsec::OpenItem> items, const ipsec::Engine& engine,
             base::Instant now);

  [[nodiscard]] std::optional<TraceRecord> poll() { return records_.pop(); }
  /// Sampled packets that found no room since start().
  [[nodiscard]] std::uint64_t lost() const { return lost_; }

 private:
  /// One packet as it came.
  struct Noted {
    std::optional<wire::PacketSelectorFields> fields;
    std::optional<base::Spi> spi;
    std::uint32_t sequence = 0;
    std::size_t size = 0;
  };

  [[nodiscard]] bool is_chosen();
  template <class Item>
  [[nodiscard]] TraceRecord describe(const Item& item, const Noted& noted,
                                     const ipsec::Engine& engine, base::Instant now) const;
  template <class Item>
  void record(std::span<const Item> items, const ipsec::Engine& engine, base::Instant now);

  base::BoundedQueue<TraceRecord> records_;
  std::size_t records_max_;
  std::optional<TraceRequest> request_;
  base::Instant started_;
  std::vector<Noted> noted_;  ///< of the batch in the engine
  std::uint64_t seen_ = 0;
  std::uint64_t lost_ = 0;
};

}  // namespace caponier::gateway
