#pragma once
// What a responder keeps between its IKE_SA_INIT response and the first request that proves to come
// from the same initiator: as little as possible, counted by origin. The Diffie-Hellman computation
// and the keys wait for that request, so that forged messages cost neither.

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "base/address.h"
#include "base/rng.h"
#include "base/secret.h"
#include "base/time.h"
#include "crypto/crypto.h"
#include "ike/actions.h"
#include "ike/config.h"

namespace caponier::ike {

/// How many half-open SAs there are, by remote net (/24 or /64). `proven` ones came with a cookie,
/// and are counted by address too.
class HalfOpenCounts {
  using Counters = std::map<base::IpAddress, std::uint32_t>;
  using Counter = Counters::value_type;

 public:
  /// One counted SA, for as long as the slot lives.
  class Slot {
   public:
    Slot() = default;
    Slot(HalfOpenCounts& counts, const base::IpAddress& address, bool is_proven);
    Slot(Slot&& other) noexcept { *this = std::move(other); }
    Slot& operator=(Slot&& other) noexcept;
    Slot(const Slot&) = delete;
    Slot& operator=(const Slot&) = delete;
    ~Slot() { release(); }
    void release();

   private:
    HalfOpenCounts* counts_ = nullptr;
    Counter* net_ = nullptr;
    Counter* proven_ = nullptr;  ///< null without a cookie
  };

  [[nodiscard]] std::size_t total() const { return total_; }
  [[nodiscard]] std::size_t in_net_of(const base::IpAddress& address) const;
  [[nodiscard]] std::size_t proven(const base::IpAddress& address) const;

 private:
  std::size_t total_ = 0;
  Counters by_net_;
  Counters proven_;
};

/// An initiator's SPI and address: what its repeated request has in common with the first.
using InitKey = std::pair<base::IkeSpi, base::Endpoint>;

class HalfOpen {
 public:
  IkeSaId id;
  base::IkeSpi spi_i, spi_r;
  base::Instant since;
  std::shared_ptr<crypto::KeyExchange> ke;  ///< until the keys are made
  /// All seven keys, once somebody made us derive them.
  std::unique_ptr<base::SecretBytes> key_material;
  HalfOpenCounts::Slot slot;
  base::Path path;  ///< of the first request
  policy::IkeSuite suite;
  bool is_spoiled = false;  ///< junk came in its name

  /// What AUTH covers, and all else can be read again from.
  void set_messages(base::Bytes request, base::Bytes response);
  [[nodiscard]] base::Bytes request() const { return {messages_.get(), request_size_}; }
  [[nodiscard]] base::Bytes response() const {
    return {messages_.get() + request_size_, response_size_};
  }
  [[nodiscard]] InitKey init_key() const { return {spi_i, path.remote}; }
  /// Bytes of memory, without what the tables need for it.
  [[nodiscard]] std::size_t memory() const {
    return sizeof(HalfOpen) + request_size_ + response_size_;
  }

 private:
  // In one piece and without room to grow: there may be very many.
  std::uint32_t request_size_ = 0;
  std::uint32_t response_size_ = 0;
  std::unique_ptr<std::byte[]> messages_;
};

class HalfOpenTable {
 public:
  [[nodiscard]] bool contains(base::IkeSpi spi_r) const { return entries_.contains(spi_r); }
  [[nodiscard]] HalfOpen* find(base::IkeSpi spi_r);
  [[nodiscard]] HalfOpen* find(const InitKey& key);
  HalfOpen& add(HalfOpen entry);
  /// What the entry was, for its successor.
  HalfOpen take(base::IkeSpi spi_r);
  void clear();
  [[nodiscard]] std::size_t size() const { return entries_.size(); }
  [[nodiscard]] std::size_t memory() const { return memory_; }
  /// Junk made us compute the keys of this one for nothing.
  void spoil(HalfOpen& entry);
  [[nodiscard]] std::size_t spoiled() const { return spoiled_; }

  /// The oldest one when it is older than that.
  [[nodiscard]] HalfOpen* find_older_than(base::Instant then);
  [[nodiscard]] std::optional<base::Instant> oldest() const;

 private:
  struct ByInitKey {
    using is_transparent = void;
    static InitKey key_of(const HalfOpen* entry) { return entry->init_key(); }
    static InitKey key_of(const InitKey& key) { return key; }
    bool operator()(const auto& a, const auto& b) const { return key_of(a) < key_of(b); }
  };
  void forget_gone();

  std::map<base::IkeSpi, HalfOpen> entries_;
  std::set<HalfOpen*, ByInitKey> by_init_;  // a pointer, not the key: there may be very many
  std::deque<std::pair<base::Instant, base::IkeSpi>> by_age_;  ///< the first one is there
  std::size_t memory_ = 0;
  std::size_t spoiled_ = 0;
};

/// Key pairs for the responder's answers: one each, or with many half-open SAs the same one for a
/// short time. Each lives as long as a half-open SA needs it.
class AnswerKeys {
 public:
  /// Null when the group does not work here.
  [[nodiscard]] std::shared_ptr<crypto::KeyExchange> get(crypto::KeGroup group, bool may_repeat,
                                                         const crypto::CryptoProvider& crypto,
                                                         base::Rng& rng, base::Duration lifetime,
                                                         base::Instant now);
  void forget_old(base::Duration lifetime, base::Instant now);

 private:
  struct Kept {
    std::shared_ptr<crypto::KeyExchange> ke;
    base::Instant since;
  };
  std::map<crypto::KeGroup, Kept> kept_;
};

}  // namespace caponier::ike
