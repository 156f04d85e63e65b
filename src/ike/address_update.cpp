// The addresses of an IKE SA and its children, and their changes: followed as RFC 7296 s2.23 says,
// or agreed upon as RFC 4555 (MOBIKE) says.

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "ike/exchanges.h"
#include "ike/ike_sa.h"
#include "ike/messages.h"

namespace caponier::ike {

using base::EventKind;
using base::Instant;
using base::IpAddress;
using wire::NotifyType;
using Payloads = std::vector<wire::Payload>;

namespace {

constexpr std::size_t cookie_size = 16;
/// Packets of the path before arrive no later than this.
constexpr base::Duration path_memory = std::chrono::seconds{5};

bool holds(const std::vector<IpAddress>& list, const IpAddress& address) {
  return std::ranges::find(list, address) != list.end();
}

std::string text_of(const base::Path& path) {
  return fmt::format("{} - {}", path.local.to_string(), path.remote.to_string());
}

const IpAddress* first_of(const std::vector<IpAddress>& list, base::Family family) {
  const auto found = std::ranges::find(list, family, &IpAddress::family);
  return found == list.end() ? nullptr : &*found;
}

}  // namespace

// ---- What arrives from where (RFC 7296 s2.23)

void IkeSa::peer_heard(policy::ChildSaId child, const std::optional<base::Path>& path,
                       Instant now) {
  // RFC 4555 s3.12: what takes another way does not show that the peer knows where we are.
  const auto is_along = [&](const base::Path& known) { return is_same_addresses(*path, known); };
  const bool is_evidence = !path || !mobility_.is_agreed || is_along(path_) ||
                           std::ranges::any_of(children_, [&](const auto& entry) {
                             return is_along(entry.second.path);
                           });
  if (is_evidence) last_heard_ = now;
  child_heard(child);
}

void IkeSa::esp_sent(policy::ChildSaId child, Instant now) {
  const auto found = children_.find(child);
  if (found != children_.end() && found->second.info.udp_encap) last_sent_ = now;
}

//= rfc4555#3.8-5
bool IkeSa::moves_by_update(const base::Path& path) const {
  return mobility_.is_agreed && path_.transport == base::Transport::udp &&
         path.transport == base::Transport::udp;
}

/// A new mapping of what shared one with ESP moves with it. ESP may have one of its own in the NAT:
/// then it moves alone, and IKE tries that way too when its own falls silent.
void IkeSa::peer_moved(policy::ChildSaId id, const base::Path& path, Instant now) {
  peer_heard(id, path, now);
  const auto found = children_.find(id);
  if (found == children_.end() || state_ != IkeState::established || !may_follow(path)) return;
  const bool is_udp = path_.transport == path.transport && path.transport == base::Transport::udp;
  if (!is_udp) return follow_peer(path);
  const bool is_late = mobility_.left == path.remote && now - mobility_.left_at < path_memory;
  if (is_late || found->second.path.remote == path.remote) return;
  report(EventKind::ike_peer_moved,
         fmt::format("ESP of {} now comes from {}, not {}", found->second.info.name,
                     path.remote.to_string(), found->second.path.remote.to_string()));
  const base::Endpoint before = found->second.path.remote;
  found->second.is_proven_by_esp = true;
  if (before != path_.remote || path.local != path_.local) {
    return move_child(id, found->second, path);
  }
  set_path(path);
  mobility_.settled = path;
  for (auto& [sibling, child] : children_) {
    if (child.path.remote == before) move_child(sibling, child, path);
  }
}

void IkeSa::follow_peer(const base::Path& path) {
  if (path == path_ || state_ != IkeState::established) return;
  report(EventKind::ike_peer_moved, fmt::format("the peer moved from {} to {}",
                                                path_.remote.to_string(), path.remote.to_string()));
  const bool is_elsewhere = !is_same_addresses(path, path_) || path.transport != path_.transport;
  set_path(path);
  for (auto& [id, child] : children_) {
    if (is_elsewhere || !child.is_proven_by_esp) move_child(id, child, path_);
  }
}

void IkeSa::move_child(policy::ChildSaId id, Child& child, const base::Path& path) {
  if (child.info.protocol == policy::SaProtocol::ah && uses_udp_encap()) {
    if (child.is_closing || child.lingers_until) return;
    report(
        EventKind::child_failed,
        fmt::format("{}: Child SA {} ends: it is of AH, which cannot pass the NAT that is now in "
                    "the path; use esp instead of ah",
                    who(), child.info.name));
    child.is_closing = true;
    wishes_.due.push_back(WantDeleteChild{child.info.spi_in, id, child.info.protocol});
    return;
  }
  child.path = path;
  child.info.udp_encap = uses_udp_encap();
  shared_.emit(policy::MoveSa{id, path, child.info.udp_encap, remote_behind_nat_});
}

void IkeSa::move_children(Instant now) {
  if (mobility_.settled.remote != path_.remote) {
    mobility_.left = mobility_.settled.remote;
    mobility_.left_at = now;
  }
  if (mobility_.settled != path_ && !heir_) {
    report(EventKind::ike_peer_moved,
           fmt::format("moved from {} to {}{}", text_of(mobility_.settled), text_of(path_),
                       uses_udp_encap() ? ", ESP in UDP" : ""));
  }
  mobility_.settled = path_;
  for (auto& [id, child] : children_) {
    child.is_proven_by_esp = false;
    move_child(id, child, path_);
  }
}

// ---- IKE_AUTH (RFC 4555 s3.2-3.4)

bool IkeSa::wants_mobike() const {
  return connection_->mobike && !quirks().no_mobike && path_.transport == base::Transport::udp &&
         std::ranges::none_of(connection_->children, [](const ChildConfig& child) {
           return child.mode == policy::SaMode::transport;
         });
}

/// Those that may be tried, best first. An address inside what we protect is no outer address.
std::vector<IpAddress> IkeSa::own_addresses() const {
  if (connection_->local_address) return {*connection_->local_address};
  std::vector<IpAddress> addresses;
  for (const IpAddress& address : shared_.local_addresses) {
    const bool is_inner = std::ranges::any_of(connection_->children, [&](const auto& child) {
      return std::ranges::any_of(child.local, [&](const policy::TrafficSelector& selector) {
        const bool is_everything = selector.first == IpAddress::lowest(address.family()) &&
                                   selector.last == IpAddress::highest(address.family());
        return !is_everything && selector.first <= address && address <= selector.last;
      });
    });
    const bool is_known = address == path_.local.address || !is_inner;
    if (is_known && addresses.size() <= shared_.limits().peer_addresses_max) {
      addresses.push_back(address);
    }
  }
  return addresses;
}

std::vector<IpAddress> IkeSa::additional_addresses() const {
  auto addresses = own_addresses();
  std::erase(addresses, path_.local.address);
  return addresses;
}

/// The other ones, and the last that worked.
std::vector<base::Path> IkeSa::candidate_paths() const {
  const auto ours = own_addresses();
  auto paths = other_paths(path_, ours, mobility_.peer_addresses);
  const base::Path& settled = mobility_.settled;
  const auto is_settled = [&](const base::Path& path) { return is_same_addresses(path, settled); };
  if (!is_settled(path_) && holds(ours, settled.local.address) &&
      std::ranges::none_of(paths, is_settled)) {
    paths.push_back(settled);
  }
  return paths;
}

void IkeSa::append_mobility(Payloads& payloads) {
  if (!wants_mobike()) return;
  //= rfc4555#3.2-1 rfc4555#4.2.1-1
  payloads.emplace_back(make_notify(NotifyType::mobike_supported));
  mobility_.told = own_addresses();
  append_addresses(payloads, additional_addresses());
  if (is_initiator_ && !mobility_.nat_traversal) payloads.emplace_back(make_no_nats(path_));
}

void IkeSa::note_mobility(const Payloads& payloads) {
  mobility_.is_agreed = wants_mobike() && support_.mobike;
  mobility_.decides = is_initiator_;
  mobility_.settled = path_;
  if (!mobility_.is_agreed) return;
  // What a cookie or the keys themselves have shown: the peer receives what we send there.
  mobility_.proven = path_.remote.address;
  mobility_.peer_addresses = read_addresses(payloads, shared_.limits().peer_addresses_max)
                                 .value_or(std::vector<IpAddress>{});
  mobility_.peer_addresses.push_back(path_.remote.address);
}

bool IkeSa::agree_on_mobility(const Payloads& request, Payloads& answer, Instant now) {
  note_mobility(request);
  if (!mobility_.is_agreed) return true;
  if (!answering_ || !is_altered(request, answering_->path)) {
    append_mobility(answer);
    return true;
  }
  report_early(EventKind::ike_failed,
               fmt::format("{}: a NAT lies in the path, which the peer does not allow", who()),
               now);
  respond(make_notify(NotifyType::unexpected_nat_detected));
  die(EndReason::protocol_error, now, true);
  return false;
}

// ---- Our own addresses change (s3.5, s3.6)

void IkeSa::heed_local_addresses(const std::vector<IpAddress>& before, Instant now) {
  if (state_ == IkeState::dead || !connection_) return;
  const IpAddress& current = path_.local.address;
  const bool is_here = holds(shared_.local_addresses, current);
  const bool is_back = is_here && is_local_lost_;
  is_local_lost_ = !is_here && (is_local_lost_ || holds(before, current));
  if (is_back) repeat_at_once(now);
  if (!is_local_lost_) {
    mobility_.lost_since.reset();
  } else if (!mobility_.lost_since) {
    mobility_.lost_since = now;
  }
  if (predecessor_) return;  // it holds everything until it is replaced
  if (mobility_.is_agreed && state_ == IkeState::established) {
    return mobility_.decides ? reconsider_path(before, now) : inform_decider(now);
  }
  // Its heir has moved or will; what is left to say may come from anywhere.
  if (is_local_lost_ && heir_) {
    const auto ours = own_addresses();
    if (const IpAddress* const other = first_of(ours, current.family())) {
      path_.local.address = *other;
      repeat_at_once(now);
    }
    return;
  }
  // Without another address there is nowhere to go; the old one may come back.
  if (!is_local_lost_ || connection_->local_address) return;
  if (first_of(shared_.local_addresses, current.family()) == nullptr) return;
  report(EventKind::ike_addresses,
         fmt::format("{}: our address {} is gone; the IKE SA cannot follow to another", who(),
                     current.to_string()));
  die(EndReason::address_lost, now, false);
}

void IkeSa::reconsider_path(const std::vector<IpAddress>& before, Instant now) {
  mobility_.refused.clear();
  const auto ours = own_addresses();
  if (is_local_lost_) {
    const auto paths = other_paths(path_, ours, mobility_.peer_addresses);
    if (!paths.empty()) return change_path(paths.front(), now);
    return;
  }
  // The host's default route left our address for another: so do we.
  const base::Family family = path_.local.address.family();
  const IpAddress* const best = first_of(ours, family);
  const IpAddress* const best_before = first_of(before, family);
  if (best != nullptr && best_before != nullptr && *best_before == path_.local.address &&
      *best != *best_before) {
    base::Path path = path_;
    path.local.address = *best;
    return change_path(path, now);
  }
  tell_addresses(now);
}

void IkeSa::inform_decider(Instant now) {
  if (!is_local_lost_) return tell_addresses(now);
  const auto paths = other_paths(path_, own_addresses(), mobility_.peer_addresses);
  if (paths.empty()) return;
  // s3.5: the one case in which the responder moves Child SAs by itself.
  set_path(paths.front());
  is_local_lost_ = false;
  mobility_.lost_since.reset();
  mobility_.is_seeking = true;
  mobility_.notice_due = true;
  ++mobility_.change;
  move_children(now);
  repeat_at_once(now);
  ask_about_addresses(now);
}

void IkeSa::tell_addresses(Instant now) {
  if (own_addresses() == mobility_.told) return;
  mobility_.notice_due = true;
  ask_about_addresses(now);
}

/// The initiator's decision. Child SAs follow at once when there is nothing to lose, or else when
/// the peer has agreed.
void IkeSa::change_path(const base::Path& to, Instant now) {
  const bool had_lost = std::exchange(is_local_lost_, false);
  report(EventKind::ike_addresses, fmt::format("leaving {} for {}", text_of(path_), text_of(to)));
  set_path(to);
  ++mobility_.change;
  mobility_.update_due = true;
  mobility_.nat_refusals = 0;
  mobility_.lost_since.reset();
  if (had_lost && mobility_.proven == to.remote.address) {
    // s3.5: until the peer says how it sees us.
    if (mobility_.nat_traversal && suspects_nat(to.local.address, to.remote.address)) {
      local_behind_nat_ = true;
    }
    move_children(now);
  }
  repeat_at_once(now);
  ask_about_addresses(now);
}

/// Requests under way go along the new path now, with all their patience before them.
void IkeSa::repeat_at_once(Instant now) {
  for (auto& [id, request] : own_.all()) {
    request.tries_left = shared_.limits().retransmit_tries;
    request.wait = shared_.limits().retransmit_first;
    request.resend_at = now;
  }
  repeat_due(now);
}

// ---- Requests about addresses

void IkeSa::ask_about_addresses(Instant now) {
  const bool is_waiting = std::ranges::any_of(
      wishes_.due, [](const Wish& wish) { return std::holds_alternative<WantAddresses>(wish); });
  if (state_ != IkeState::established || mobility_.is_asking || is_waiting) return;
  if (!is_known_ || has_known_heir()) return;
  wishes_.due.emplace_front(WantAddresses{});
  send_next(now);
}

void IkeSa::send_addresses(Instant now) {
  if (state_ != IkeState::established || !mobility_.has_something_to_say()) return;
  if (has_known_heir()) return;
  AddressRequest sent;
  sent.is_update = mobility_.decides && mobility_.update_due;
  sent.notified = own_addresses();
  sent.is_notice = mobility_.notice_due || sent.notified != mobility_.told;
  sent.is_check = mobility_.check_due;
  sent.change = mobility_.change;
  sent.path = path_;
  //= rfc4555#4.2.5-3
  sent.cookie2 = shared_.new_nonce(cookie_size);
  Payloads payloads;
  if (sent.is_update) {
    payloads.emplace_back(make_notify(NotifyType::update_sa_addresses));
    if (mobility_.nat_traversal) append_nat_detection(payloads, path_);
  }
  const auto additional = additional_addresses();
  if (sent.is_notice && additional.empty()) {
    payloads.emplace_back(make_notify(NotifyType::no_additional_addresses));
  } else if (sent.is_notice) {
    append_addresses(payloads, additional);
  }
  //= rfc4555#3.9-1
  const bool changes_anything = sent.is_update || sent.is_notice;
  if (changes_anything && !mobility_.nat_traversal) payloads.emplace_back(make_no_nats(path_));
  payloads.emplace_back(make_notify(NotifyType::cookie2, sent.cookie2));
  mobility_.is_asking = true;
  SentInformational what;
  what.addresses = std::move(sent);
  send_request(std::move(what), wire::ExchangeType::informational, payloads, now);
}

void IkeSa::append_nat_detection(Payloads& payloads, const base::Path& path) {
  append_nat_notifies(payloads, shared_.crypto, spi_i_, spi_r_, path, has_forced_encap_);
}

/// s3.8: while we are behind a NAT, a liveness check also asks whether its mapping has changed.
void IkeSa::send_liveness(Instant now) {
  Payloads payloads;
  SentInformational what;
  // s3.8: whoever decides notices a NAT that forgot us, and one that has come between or gone.
  if (mobility_.is_agreed && mobility_.decides && mobility_.nat_traversal) {
    append_nat_detection(payloads, path_);
    what.addresses.emplace().is_probe = true;
    what.addresses->change = mobility_.change;
    what.addresses->path = path_;
  }
  send_request(std::move(what), wire::ExchangeType::informational, payloads, now);
}

void IkeSa::handle_addresses_answer(const AddressRequest& sent, const Payloads& payloads,
                                    Instant now) {
  if (sent.is_probe) return compare_mapping(sent, payloads, now);
  mobility_.is_asking = false;
  const wire::NotifyPayload* const cookie = wire::find_notify(payloads, NotifyType::cookie2);
  const wire::NotifyPayload* const error = find_error(payloads);
  //= rfc4555#3.7-5
  const bool is_right = cookie != nullptr ? cookie->data == sent.cookie2 : error != nullptr;
  if (!is_right) {
    //= rfc4555#3.7-6
    report(
        EventKind::ike_failed,
        fmt::format("{}: the answer to a question about addresses has the wrong COOKIE2", who()));
    drop(base::DropReason::ike_unproven_address);
    return close(EndReason::protocol_error, now);
  }
  // s3.5, s3.7: an answer to what was asked along another path says nothing about this one.
  if (sent.change != mobility_.change) return ask_about_addresses(now);
  if (error != nullptr) return handle_addresses_refusal(sent, *error, now);
  mobility_.proven = path_.remote.address;
  mobility_.is_seeking = false;
  mobility_.nat_refusals = 0;
  if (sent.is_notice) {
    mobility_.told = sent.notified;
    mobility_.notice_due = false;
  }
  if (sent.is_check) {
    mobility_.check_due = false;
    move_children(now);
  }
  if (sent.is_update) conclude_update(payloads, now);
  tell_addresses(now);
}

void IkeSa::conclude_update(const Payloads& payloads, Instant now) {
  mobility_.update_due = false;
  mobility_.refused.clear();
  const NatView view = detect_nat(shared_.crypto, payloads, spi_i_, spi_r_, path_);
  if (mobility_.nat_traversal && view.is_supported) note_nat(view);
  if (const auto* const seen =
          wire::find_notify(payloads, NotifyType::nat_detection_destination_ip)) {
    mobility_.seen_as = seen->data;
  }
  move_children(now);
}

void IkeSa::compare_mapping(const AddressRequest& sent, const Payloads& payloads, Instant now) {
  const auto* const seen = wire::find_notify(payloads, NotifyType::nat_detection_destination_ip);
  if (seen == nullptr || sent.change != mobility_.change) return;
  const bool is_unchanged =
      local_behind_nat_
          ? seen->data == mobility_.seen_as
          : !detect_nat(shared_.crypto, payloads, spi_i_, spi_r_, sent.path).local_behind_nat;
  if (is_unchanged) return;
  ++mobility_.change;
  mobility_.update_due = true;
  ask_about_addresses(now);
}

void IkeSa::handle_addresses_refusal(const AddressRequest& sent, const wire::NotifyPayload& error,
                                     Instant now) {
  // s3.9: whoever can alter one packet must not be able to close a path.
  const bool is_nat = error.type == NotifyType::unexpected_nat_detected;
  if (is_nat && ++mobility_.nat_refusals < shared_.limits().nat_refusals_max) {
    return ask_about_addresses(now);
  }
  if (!sent.is_update) {
    mobility_.notice_due = false;
    mobility_.told = sent.notified;
    return;
  }
  mobility_.refused.push_back(path_);
  for (const base::Path& path : candidate_paths()) {
    const bool is_refused = std::ranges::any_of(mobility_.refused, [&](const base::Path& refused) {
      return is_same_addresses(refused, path);
    });
    if (!is_refused) return change_path(path, now);
  }
  report(EventKind::ike_failed,
         fmt::format("{}: the peer refuses every path of ours with {}", who(), describe(error)));
  close(EndReason::address_lost, now);
}

// ---- Requests of the peer about addresses

AddressNews IkeSa::heed_addresses(const Payloads& payloads, Payloads& answer) {
  AddressNews news;
  if (!mobility_.is_agreed) return news;
  //= rfc4555#3.7-4 rfc4555#4.2.5-2
  const wire::NotifyPayload* const cookie = wire::find_notify(payloads, NotifyType::cookie2);
  constexpr std::size_t cookie_min = 8;
  constexpr std::size_t cookie_max = 64;
  if (cookie != nullptr && cookie->data.size() >= cookie_min && cookie->data.size() <= cookie_max) {
    answer.emplace_back(make_notify(NotifyType::cookie2, cookie->data));
  }
  news.path = answering_->path;
  news.nat = detect_nat(shared_.crypto, payloads, spi_i_, spi_r_, news.path);
  //= rfc4555#3.8-1
  if (mobility_.nat_traversal && news.nat.is_supported) append_nat_detection(answer, news.path);
  const bool is_update =
      !mobility_.decides && wire::find_notify(payloads, NotifyType::update_sa_addresses) != nullptr;
  auto addresses = read_addresses(payloads, shared_.limits().peer_addresses_max);
  const base::MessageId id = answering_->header.message_id;
  if ((!is_update && !addresses) || (mobility_.newest_update && id < *mobility_.newest_update)) {
    return news;
  }
  //= rfc4555#3.9-2,5
  if (is_altered(payloads, news.path)) {
    report(EventKind::ike_addresses,
           fmt::format("{}: refused to move to {}: a NAT lies between, which the peer forbids",
                       who(), news.path.remote.to_string()));
    answer.emplace_back(make_notify(NotifyType::unexpected_nat_detected));
    return news;
  }
  if (is_update && !is_acceptable(news.path)) {
    report(EventKind::ike_addresses,
           fmt::format("{}: refused to move to {}", who(), text_of(news.path)));
    answer.emplace_back(make_notify(NotifyType::unacceptable_addresses));
    return news;
  }
  mobility_.newest_update = id;
  news.is_update = is_update;
  if (addresses) {
    // s3.6: the one it came from is the one that is not named.
    std::erase(*addresses, news.path.remote.address);
    addresses->push_back(news.path.remote.address);
    mobility_.peer_addresses = std::move(*addresses);
    news.has_addresses = true;
  }
  return news;
}

bool IkeSa::is_acceptable(const base::Path& path) const {
  return path.transport == base::Transport::udp && is_host_address(path.remote.address) &&
         path.remote.port != 0 && path.remote.address != path.local.address &&
         (!connection_->local_address || *connection_->local_address == path.local.address);
}

/// After the answer has gone out.
void IkeSa::act_on(const AddressNews& news, Instant now) {
  if (news.is_update) return accept_update(news, now);
  if (!news.has_addresses || !mobility_.decides) return;
  report(EventKind::ike_addresses,
         fmt::format("{}: the peer has {} addresses", who(), mobility_.peer_addresses.size()));
  // s3.5: the one we use may be gone; the one this came from works.
  mobility_.refused.clear();
  if (holds(mobility_.peer_addresses, path_.remote.address)) return;
  change_path(news.path, now);
}

void IkeSa::accept_update(const AddressNews& news, Instant now) {
  mobility_.is_seeking = false;
  if (path_ != news.path) {
    set_path(news.path);
    ++mobility_.change;
  }
  if (mobility_.nat_traversal && news.nat.is_supported) note_nat(news.nat);
  // Another port of the same host needs no proof: no third party can be flooded.
  if (mobility_.proven == path_.remote.address) {
    mobility_.check_due = false;
    return move_children(now);
  }
  mobility_.check_due = true;
  // What waits for an answer from the old address waits in vain, and the question behind it.
  if (!mobility_.is_asking) repeat_at_once(now);
  ask_about_addresses(now);
}

// ---- Other paths while this one is silent (s3.10-3.12)

void IkeSa::try_other_paths(const InFlight& request) {
  std::vector<base::Path> paths;
  for (const auto& [id, child] : children_) {
    const bool is_new = child.is_proven_by_esp && child.path != path_ &&
                        std::ranges::find(paths, child.path) == paths.end();
    // Native ESP has no ports.
    if (is_new && child.path.remote.port != 0) paths.push_back(child.path);
  }
  if (mobility_.is_agreed && (mobility_.decides || mobility_.is_seeking)) {
    for (const base::Path& path : candidate_paths()) paths.push_back(path);
  }
  // s3.6: nobody knows which of the copies the peer heeds, so the answer to them decides nothing.
  //= rfc4555#3.6-2
  const auto* const sent = std::get_if<SentInformational>(&request.what);
  if (sent != nullptr && sent->addresses && !paths.empty()) ++mobility_.change;
  const std::size_t burst = std::min(paths.size(), shared_.limits().probes_per_repeat_max);
  for (std::size_t i = 0; i < burst; ++i) {
    transmit(paths[((request.repeats - 1) * burst + i) % paths.size()], request.message.datagrams);
  }
}

void IkeSa::heed_answer_path(const base::Path& path, Instant now) {
  if (!mobility_.is_agreed || state_ != IkeState::established || is_same_addresses(path, path_) ||
      (!mobility_.decides && !mobility_.is_seeking)) {
    return;
  }
  for (const base::Path& known : candidate_paths()) {
    if (!is_same_addresses(known, path)) continue;
    if (mobility_.decides) return change_path(known, now);
    set_path(known);
    ++mobility_.change;
    return move_children(now);
  }
}

}  // namespace caponier::ike
