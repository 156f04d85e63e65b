// Messages that are too large for one datagram (RFC 7383): ours in pieces, and smaller ones when
// no answer comes; the peer's put together.

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "ike/ike_sa.h"

namespace caponier::ike {

using base::DropReason;
using base::EventKind;
using base::Instant;

namespace {

constexpr std::size_t udp_header_size = 8;
constexpr std::size_t marker_size = 4;
/// The repetition from which on pieces of the smallest size are tried (s2.5.2).
constexpr unsigned shrink_at_repeat = 2;

std::size_t ip_header_size(const base::Path& path) {
  return path.remote.address.is_v4() ? std::size_t{20} : std::size_t{40};
}

/// s2.5.1: every path carries datagrams of this size.
std::size_t datagram_size_floor(const base::Path& path) {
  return path.remote.address.is_v4() ? std::size_t{576} : std::size_t{1280};
}

}  // namespace

void IkeSa::note_fragmentation(const ConnectionConfig& connection) {
  is_fragmenting_ = connection.fragmentation && support_.fragmentation;
  fragment_size_ = connection.fragment_size;
}

bool IkeSa::may_fragment(const base::Path& path) const {
  return is_fragmenting_ && path.transport == base::Transport::udp;
}

std::size_t IkeSa::overhead_of(const base::Path& path) const {
  const bool has_marker = path.local.port == shared_.config.natt_port;
  return ip_header_size(path) + udp_header_size + (has_marker ? marker_size : 0);
}

std::size_t IkeSa::message_size_max(const base::Path& path) const {
  if (!may_fragment(path)) return wire::ike_message_size_max;
  return std::max<std::size_t>(fragment_size_, datagram_size_floor(path)) - overhead_of(path);
}

std::optional<SealedMessage> IkeSa::seal(const wire::IkeHeader& header,
                                         const std::vector<wire::Payload>& payloads,
                                         const base::Path& path) {
  auto inner = MessageProtection::enclose(header, payloads);
  if (!inner) return std::nullopt;
  if (is_initiator_ && handshake_ && header.message_id.value == 1) {
    inner->puzzle_solution = handshake_->solution;
  }
  auto datagrams = session_->protection.seal(*inner, message_size_max(path));
  if (!datagrams) return std::nullopt;
  return SealedMessage{std::move(*datagrams), std::make_unique<InnerMessage>(std::move(*inner))};
}

bool IkeSa::is_large(const SealedMessage& message, const base::Path& path) const {
  return may_fragment(path) &&
         message.datagrams.front().size() + overhead_of(path) > datagram_size_floor(path);
}

bool IkeSa::shrink(SealedMessage& message, unsigned repeats, const base::Path& path, Instant now) {
  if (repeats < shrink_at_repeat || !message.inner || !session_ || !is_large(message, path)) {
    return false;
  }
  const std::size_t floor = datagram_size_floor(path);
  std::size_t size = floor;
  auto smaller = session_->protection.seal(*message.inner, size - overhead_of(path));
  //= rfc7383#2.5.2-7
  // A set of as many fragments would not be taken for a new one: a little smaller, then.
  while (smaller && smaller->size() <= message.datagrams.size() && size > floor / 2) {
    size -= floor / 8;
    smaller = session_->protection.seal(*message.inner, size - overhead_of(path));
  }
  if (!smaller || smaller->size() <= message.datagrams.size()) return false;
  report_early(
      EventKind::ike_fragments,
      fmt::format("{}: a message of {} octets stays unanswered; it goes in {} datagrams of "
                  "at most {} octets now",
                  who(), message.inner->chain.size(), smaller->size(), floor),
      now);
  message.datagrams = std::move(*smaller);
  fragment_size_ = static_cast<std::uint16_t>(std::min<std::size_t>(fragment_size_, floor));
  return true;
}

void IkeSa::handle_fragment(const base::Path& path, const wire::IkeHeader& header,
                            FragmentNumbers numbers, base::Bytes datagram, Instant now) {
  if (!is_fragmenting_) return drop(DropReason::ike_unexpected);
  const FragmentKey key{header.is_response(), header.message_id};
  if (const auto objection = object_to_fragment(key, header, numbers)) return drop(*objection);
  auto piece = session_->protection.unseal(datagram);
  if (!piece) {
    const bool is_forged = piece.error() != MessageProtection::OpenError::bad_inner;
    return drop(is_forged ? DropReason::ike_bad_icv : DropReason::ike_bad_fragment);
  }
  if (!key.is_response && peers_.judge(key.id) == PeerWindow::Verdict::repeated) {
    return handle_request(path, header, std::nullopt, now);  // which only repeats the answer
  }
  is_heard_ = true;
  become_known(now);
  last_heard_ = now;
  auto message = fragments_.add(key, numbers, std::move(*piece), datagram.size(),
                                !established_at_.has_value(), now);
  if (!message) return drop(message.error());
  if (!*message) return;
  // s2.5.1: what the peer's path carries, ours may carry at best.
  if ((*message)->fragments > 1 && !key.is_response) {
    const std::size_t seen =
        std::max((*message)->datagram_size_max + overhead_of(path), datagram_size_floor(path));
    fragment_size_ = static_cast<std::uint16_t>(std::min<std::size_t>(fragment_size_, seen));
  }
  handle_unsealed(path, header, std::move((*message)->inside), now);
}

std::optional<DropReason> IkeSa::object_to_fragment(const FragmentKey& key,
                                                    const wire::IkeHeader& header,
                                                    FragmentNumbers numbers) const {
  if (key.is_response) {
    const InFlight* const request = own_.find(key.id);
    if (request == nullptr || request->exchange != header.exchange) {
      const bool is_old = key.id < own_.next_id();
      return is_old ? DropReason::ike_duplicate : DropReason::ike_bad_message_id;
    }
    return fragments_.objection(key, numbers);
  }
  switch (peers_.judge(key.id)) {
    case PeerWindow::Verdict::outside: return DropReason::ike_bad_message_id;
    case PeerWindow::Verdict::repeated:
      //= rfc7383#2.6.1-2
      if (numbers.number != 1) return DropReason::ike_duplicate;
      return std::nullopt;
    case PeerWindow::Verdict::fresh: break;
  }
  if (!is_expecting(header)) return DropReason::ike_unexpected;
  return fragments_.objection(key, numbers);
}

void IkeSa::expire_fragments(Instant now) {
  const std::size_t count = fragments_.expire(now);
  if (count == 0) return;
  report_early(EventKind::ike_fragments,
               fmt::format("{}: {} fragmented messages stayed incomplete for {} s", who(), count,
                           base::seconds_of(shared_.limits().fragment_lifetime)),
               now);
}

}  // namespace caponier::ike
