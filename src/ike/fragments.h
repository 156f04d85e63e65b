#pragma once
// Putting the peer's fragments together again (RFC 7383 s2.6). Only authentic fragments come here.

#include <compare>
#include <cstddef>
#include <expected>
#include <map>
#include <optional>

#include "base/drops.h"
#include "base/strong.h"
#include "base/time.h"
#include "ike/config.h"
#include "ike/protection.h"

namespace caponier::ike {

/// What the fragments of all IKE SAs may take together. Those of peers that have not proved
/// themselves get half of it, so that strangers cannot keep it from the others.
class FragmentBudget {
 public:
  explicit FragmentBudget(std::size_t size_max) : size_max_(size_max) {}
  [[nodiscard]] bool take(std::size_t size, bool is_stranger);
  void give_back(std::size_t size) { used_ -= size; }
  [[nodiscard]] std::size_t used() const { return used_; }

 private:
  std::size_t size_max_;
  std::size_t used_ = 0;
};

struct FragmentKey {
  bool is_response = false;
  base::MessageId id;
  friend auto operator<=>(const FragmentKey&, const FragmentKey&) = default;
};

/// The incomplete messages of one IKE SA.
class FragmentAssembler {
 public:
  /// Both must outlive the object.
  FragmentAssembler(const IkeLimits& limits, FragmentBudget& budget)
      : limits_(limits), budget_(budget) {}
  ~FragmentAssembler() { clear(); }
  FragmentAssembler(const FragmentAssembler&) = delete;
  FragmentAssembler& operator=(const FragmentAssembler&) = delete;

  /// Before any cryptography: why a fragment with these numbers is of no use.
  [[nodiscard]] std::optional<base::DropReason> objection(const FragmentKey& key,
                                                          FragmentNumbers numbers) const;

  struct Message {
    Unsealed inside;
    std::size_t datagram_size_max = 0;  ///< of its fragments
    std::size_t fragments = 0;
  };
  /// A fragment without objection; the whole message when it was the last one missing. When there
  /// is no room, older incomplete messages of this SA go first.
  [[nodiscard]] std::expected<std::optional<Message>, base::DropReason> add(
      const FragmentKey& key, FragmentNumbers numbers, Unsealed piece, std::size_t datagram_size,
      bool is_stranger, base::Instant now);

  /// Nobody waits for this message any more.
  void forget(const FragmentKey& key);
  void clear();
  [[nodiscard]] std::size_t size() const { return sets_.size(); }
  [[nodiscard]] std::optional<base::Instant> next_expiry() const;
  /// Discards what has waited too long; how many messages that were.
  std::size_t expire(base::Instant now);

 private:
  struct Set {
    std::size_t total = 0;
    std::map<std::uint16_t, Unsealed> pieces;
    std::size_t bytes = 0;
    std::size_t datagram_size_max = 0;
    base::Instant started_at;
  };
  using Sets = std::map<FragmentKey, Set>;

  void discard(Sets::iterator set);
  [[nodiscard]] bool make_room(const FragmentKey& key, std::size_t size, bool is_stranger);
  [[nodiscard]] static Message join(Set set);

  const IkeLimits& limits_;
  FragmentBudget& budget_;
  Sets sets_;
  std::size_t bytes_ = 0;
};

}  // namespace caponier::ike
