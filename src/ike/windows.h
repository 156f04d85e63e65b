#pragma once
// The two windows of an IKE SA (RFC 7296 s2.1-2.3): our requests that wait for an answer, and the
// peer's requests with the answers kept for repetition. Both are of size one until the other side
// says more (SET_WINDOW_SIZE).

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/strong.h"
#include "base/time.h"
#include "ike/protection.h"
#include "ike/requests.h"

namespace caponier::ike {

/// A message on the wire, and what it takes to cut it into smaller pieces.
struct SealedMessage {
  Datagrams datagrams;
  std::unique_ptr<InnerMessage> inner{};  ///< while it may be needed
};

struct InFlight {
  Sent what;
  base::MessageId id;
  wire::ExchangeType exchange{};
  SealedMessage message;
  base::Instant sent_at;
  base::Instant resend_at;
  base::Duration wait{};
  unsigned tries_left = 0;
  unsigned repeats = 0;
};

/// What a probe of the path will tell; null when the request is none.
[[nodiscard]] const PathProbed* probe_in(const InFlight& request);

class OwnWindow {
 public:
  using Requests = std::map<base::MessageId, InFlight>;

  [[nodiscard]] bool is_empty() const { return requests_.empty(); }
  /// Room for `next` beside what is under way.
  [[nodiscard]] bool has_room_for(const Wish& next) const;
  [[nodiscard]] base::MessageId next_id() const { return next_id_; }
  /// No Message ID is left: the IKE SA must end (s2.2).
  [[nodiscard]] bool is_exhausted() const;
  void restart_at(base::MessageId next) { next_id_ = next; }
  /// What the peer allows, from 1.
  void set_size(unsigned size) { size_ = size; }
  [[nodiscard]] unsigned size() const { return size_; }

  /// Takes the next Message ID.
  InFlight& add(InFlight request);
  /// Message ID 0, beside the window (RFC 6311).
  InFlight& add_outside(InFlight request);
  [[nodiscard]] InFlight* find(base::MessageId id);
  [[nodiscard]] const InFlight* find(base::MessageId id) const;
  [[nodiscard]] std::optional<InFlight> take(base::MessageId id);
  [[nodiscard]] Requests take_all();
  [[nodiscard]] Requests& all() { return requests_; }
  [[nodiscard]] const Requests& all() const { return requests_; }
  /// The first one due for repetition.
  [[nodiscard]] const InFlight* next_due() const;

  /// The first request of this kind.
  template <class T>
  [[nodiscard]] T* sent() {
    return const_cast<T*>(std::as_const(*this).template sent<T>());
  }
  template <class T>
  [[nodiscard]] const T* sent() const {
    for (const auto& [id, request] : requests_) {
      if (const auto* const found = std::get_if<T>(&request.what)) return found;
    }
    return nullptr;
  }

 private:
  Requests requests_;
  base::MessageId next_id_;
  unsigned size_ = 1;
};

class PeerWindow {
 public:
  struct Answer {
    SealedMessage message;
    unsigned repeats = 0;
  };
  enum class Verdict : std::uint8_t { fresh, repeated, outside };
  [[nodiscard]] Verdict judge(base::MessageId id) const;
  /// A fresh one; from now on it is a repeated one.
  void accept(base::MessageId id);
  void set_answer(base::MessageId id, SealedMessage message);
  /// Null while there is none.
  [[nodiscard]] Answer* find_answer(base::MessageId id);
  [[nodiscard]] bool has_answers() const;
  /// The lowest Message ID that has not come yet.
  [[nodiscard]] std::uint64_t next_id() const { return next_; }
  /// One more than the highest Message ID that has come.
  [[nodiscard]] std::uint64_t end_of_seen() const;
  /// The Message ID is beyond what we have told the peer, not before.
  [[nodiscard]] bool is_beyond(base::MessageId id) const { return id.value >= next_ + size_; }
  /// Forgets everything before.
  void restart_at(base::MessageId next);
  /// What we have told the peer, from 1.
  void set_size(unsigned size) { size_ = size; }

 private:
  std::map<std::uint64_t, Answer> received_;  ///< at most the last `size_`, and later ones
  std::uint64_t next_ = 0;
  unsigned size_ = 1;
};

}  // namespace caponier::ike
