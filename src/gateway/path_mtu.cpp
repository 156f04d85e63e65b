#include "gateway/path_mtu.h"

#include <algorithm>
#include <utility>

#include "wire/esp.h"

namespace caponier::gateway {

void PathMtus::set_path(policy::ChildSaId id, const base::Path& path, bool udp_encap,
                        std::size_t mtu_max, base::Instant now) {
  remove(id, now);
  if (path.transport == base::Transport::tcp) return;  // a stream has segments of its own
  Key key{path.remote.address, path};
  // The ports of native ESP mean nothing.
  if (!udp_encap) key.second.local.port = key.second.remote.port = 0;
  auto entry = entries_.find(key);
  if (entry == entries_.end()) {
    const PathSearch search{limits_, path.remote.address.family(), mtu_max, probes_, now};
    entry = entries_.emplace(key, Entry{search, {}}).first;
    arm(entry);
  }
  entry->second.children.insert(id);
  children_[id] = {key, mtu_max};
  tell(id, entry->second.search);
}

void PathMtus::move(policy::ChildSaId id, const base::Path& path, bool udp_encap,
                    base::Instant now) {
  const auto child = children_.find(id);
  constexpr std::size_t ethernet_mtu = 1500;  // it comes from a stream
  const std::size_t mtu_max = child == children_.end() ? ethernet_mtu : child->second.mtu_max;
  set_path(id, path, udp_encap, mtu_max, now);
}

void PathMtus::remove(policy::ChildSaId id, base::Instant now) {
  const auto child = children_.find(id);
  if (child == children_.end()) return;
  const auto entry = entries_.find(child->second.key);
  entry->second.children.erase(id);
  if (entry->second.children.empty()) {
    if (entry->second.armed_at) timers_.erase({*entry->second.armed_at, entry->first});
    probes_out_.erase(entry->second.probe);
    entries_.erase(entry);
  } else if (entry->second.asked == id) {
    // Its IKE SA may have ended, and with it the probe.
    probes_out_.erase(entry->second.probe);
    entry->second.search.handle_unanswered(now);
    arm(entry);
  }
  children_.erase(child);
}

std::size_t PathMtus::mtu_of(policy::ChildSaId id, std::size_t otherwise) const {
  const auto child = children_.find(id);
  return child == children_.end() ? otherwise : entries_.at(child->second.key).search.mtu();
}

void PathMtus::handle_probed(const ike::PathProbed& probed, base::Instant now) {
  const auto out = probes_out_.find(probed.probe);
  if (out == probes_out_.end()) return;  // of a path that has been left
  const auto entry = entries_.find(out->second);
  probes_out_.erase(out);
  if (probed.size == 0) {
    entry->second.search.handle_impossible();
  } else {
    entry->second.search.handle_probed(probed.size, probed.carried, now);
  }
  settle(entry, now);
}

bool PathMtus::handle_too_big(const OuterTooBig& error, const HasSent& has_sent,
                              base::Instant now) {
  const auto quoted = wire::EspView::checked(error.quoted);
  bool is_believed = false;
  for (auto entry = entries_.lower_bound({error.remote.address, base::Path{}});
       entry != entries_.end() && entry->first.first == error.remote.address; ++entry) {
    if (!error.is_own_host && entry->first.second.remote.port != error.remote.port) continue;
    const auto& children = entry->second.children;
    const bool is_proven =
        error.is_own_host ||
        (quoted.has_value() && std::ranges::any_of(children, [&](policy::ChildSaId id) {
           return has_sent(id, quoted->spi(), quoted->sequence());
         }));
    if (is_proven) {
      entry->second.search.handle_too_big(error.mtu, now);
      settle(entry, now);
    } else {
      entry->second.search.handle_hint(error.mtu);
    }
    is_believed = is_believed || is_proven;
  }
  return is_believed;
}

void PathMtus::handle_deadline(base::Instant now) {
  while (!timers_.empty() && timers_.begin()->first <= now) {
    settle(entries_.find(timers_.begin()->second), now);
  }
}

std::optional<base::Deadline> PathMtus::poll_deadline() const {
  if (timers_.empty()) return std::nullopt;
  return base::Deadline{timers_.begin()->first, "path MTU"};
}

void PathMtus::settle(Entries::iterator entry, base::Instant now) {
  PathSearch& search = entry->second.search;
  const auto& children = entry->second.children;
  if (const auto size = search.poll_probe(now)) {
    probes_out_.erase(entry->second.probe);
    entry->second.probe = ++probes_sent_;
    entry->second.asked = *children.rbegin();
    probes_out_[entry->second.probe] = entry->first;
    // The newest, whose IKE SA is the last to be replaced.
    orders_.emplace_back(ike::ProbePath{entry->second.asked, *size, entry->second.probe});
  }
  for (const policy::ChildSaId id : children) tell(id, search);
  arm(entry);
}

void PathMtus::arm(Entries::iterator entry) {
  auto& armed_at = entry->second.armed_at;
  if (armed_at) timers_.erase({*armed_at, entry->first});
  armed_at = entry->second.search.poll_deadline();
  if (armed_at) timers_.emplace(*armed_at, entry->first);
}

void PathMtus::tell(policy::ChildSaId id, const PathSearch& search) {
  orders_.emplace_back(PathMtuSetting{id, search.mtu(), search.proven()});
}

std::optional<PathMtus::Order> PathMtus::poll_order() {
  if (orders_.empty()) return std::nullopt;
  Order order = std::move(orders_.front());
  orders_.pop_front();
  return order;
}

}  // namespace caponier::gateway
