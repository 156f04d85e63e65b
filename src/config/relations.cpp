// What is wrong between values that are each right.

#include <algorithm>
#include <tuple>

#include <fmt/format.h>

#include "config/peer.h"

namespace caponier::config {

namespace {

using Nets = std::vector<Located<base::Prefix>>;

std::string_view name_of(base::Family family) {
  return family == base::Family::v4 ? "IPv4" : "IPv6";
}

/// The first element of `nets` that overlaps `net`.
const Located<base::Prefix>* find_overlap(std::span<const Located<base::Prefix>> nets,
                                          const base::Prefix& net) {
  for (const auto& other : nets) {
    if (other.value.overlaps(net)) return &other;
  }
  return nullptr;
}

void check_within(std::string_view key, const Nets& nets, Errors& errors) {
  for (std::size_t i = 1; i < nets.size(); ++i) {
    const auto* other = find_overlap(std::span{nets}.first(i), nets[i].value);
    if (other == nullptr) continue;
    const bool is_inner = other->value.length <= nets[i].value.length;
    errors.add(nets[i].where,
               fmt::format("{}: {} overlaps {} at {}", key, nets[i].value.to_string(),
                           other->value.to_string(), other->where.to_string()),
               fmt::format("remove {}, which the other contains",
                           (is_inner ? nets[i] : *other).value.to_string()));
  }
}

void check_local_against_remote(const ChildDraft& site, Errors& errors) {
  for (const auto& remote : site.remote_nets) {
    const auto* local = find_overlap(site.local_nets, remote.value);
    if (local == nullptr) continue;
    // "Everything" means everything else; see make_policies().
    if ((remote.value.length == 0) != (local->value.length == 0)) continue;
    errors.add(remote.where,
               fmt::format("remote_nets: {} overlaps local_nets {} at {}", remote.value.to_string(),
                           local->value.to_string(), local->where.to_string()),
               "an address can be on one side only: narrow one of the two networks");
  }
}

void check_families(std::string_view key, const Nets& nets, std::string_view other_key,
                    const Nets& others, Errors& errors) {
  if (nets.empty() || others.empty()) return;
  for (const base::Family family : {base::Family::v4, base::Family::v6}) {
    const auto of_family = [&](const auto& net) { return net.value.address.family() == family; };
    const auto net = std::ranges::find_if(nets, of_family);
    if (net == nets.end() || std::ranges::any_of(others, of_family)) continue;
    errors.add(
        net->where,
        fmt::format("{}: {} is {}, but {} holds no {} network", key, net->value.to_string(),
                    name_of(family), other_key, name_of(family)),
        fmt::format("add an {} network to {}, or remove this one", name_of(family), other_key));
  }
}

void check_outer(const PeerDraft& draft, const DaemonDraft& daemon, Errors& errors) {
  const PeerConfig& peer = draft.peer;
  if (!draft.local) return;
  if (draft.remote && peer.remote_address == peer.local) {
    errors.add(*draft.local,
               fmt::format("local: {} is also the remote, at {}", peer.local->to_string(),
                           draft.remote->to_string()),
               "local is our own address, remote the peer's");
  } else if (peer.remote_address && peer.remote_address->family() != peer.local->family()) {
    errors.add(*draft.local,
               fmt::format("local: {} is {}, the remote {} is {}", peer.local->to_string(),
                           name_of(peer.local->family()), peer.remote_address->to_string(),
                           name_of(peer.remote_address->family())),
               fmt::format("write an {} address of ours", name_of(peer.remote_address->family())));
  }
  const auto& listen = daemon.daemon.listen;
  if (!listen.empty() && std::ranges::find(listen, *peer.local) == listen.end()) {
    errors.add(*draft.local,
               fmt::format("local: {} is not among the listen addresses at {}",
                           peer.local->to_string(), daemon.listen.front().where.to_string()),
               fmt::format("add \"{}\" to listen in [daemon]", peer.local->to_string()));
  }
}

std::string lower(std::string_view text) {
  std::string out{text};
  if (out.ends_with('.')) out.pop_back();
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

/// Where two peers with the same key lie cannot be told apart when one of them calls.
std::string remote_key(const PeerConfig& peer) {
  return peer.remote_address ? peer.remote_address->to_string() : lower(peer.remote);
}

template <class T>
bool is_same(const std::optional<T>& a, const std::optional<T>& b) {
  return a && b ? policy::is_same(*a, *b) : a.has_value() == b.has_value();
}

void check_duplicates(std::span<const PeerDraft> peers, Errors& errors) {
  std::map<std::string, std::vector<const PeerDraft*>> seen;
  for (const PeerDraft& draft : peers) {
    if (!draft.remote || !draft.ids_known) continue;
    auto& others = seen[remote_key(draft.peer)];
    const auto twin = std::ranges::find_if(others, [&](const PeerDraft* other) {
      return other->peer.local == draft.peer.local &&
             is_same(other->peer.local_id, draft.peer.local_id) &&
             is_same(other->peer.remote_id, draft.peer.remote_id);
    });
    if (twin != others.end()) {
      errors.add(*draft.remote,
                 fmt::format("remote: '{}' is also the remote of '{}' at {}, with the same "
                             "identities",
                             draft.peer.remote, (*twin)->peer.name, (*twin)->remote->to_string()),
                 "give one of them its own remote_id, or put their networks into one section");
    }
    others.push_back(&draft);
  }
}

struct RemoteNet {
  base::Prefix net;
  const Place* where;
  const PeerDraft* site;
  const ChildDraft* child;
};

bool shares_local_nets(const ChildDraft& a, const ChildDraft& b) {
  return std::ranges::any_of(a.local_nets, [&](const auto& net) {
    return find_overlap(b.local_nets, net.value) != nullptr;
  });
}

/// Two sites must not claim the same remote network for the same local one. Sorted by first
/// address, prefixes that overlap a given one and begin earlier contain it: a stack holds them.
void check_between_sites(std::span<const PeerDraft> peers, Errors& errors) {
  std::vector<RemoteNet> nets;
  for (const PeerDraft& site : peers) {
    for (const ChildDraft& child : site.children) {
      for (const auto& net : child.remote_nets) {
        nets.push_back({net.value, &net.where, &site, &child});
      }
    }
  }
  std::ranges::sort(nets, {}, [](const RemoteNet& net) {
    return std::tuple{net.net.address, net.net.length, net.site, net.child};
  });
  std::vector<RemoteNet> enclosing;
  for (const RemoteNet& net : nets) {
    while (!enclosing.empty() && !enclosing.back().net.contains(net.net.address)) {
      enclosing.pop_back();
    }
    const auto rival = std::ranges::find_if(enclosing, [&](const RemoteNet& other) {
      return other.child != net.child && shares_local_nets(*other.child, *net.child);
    });
    if (rival != enclosing.end()) {
      // The later of the two in the files is the one to complain about.
      const bool is_later = std::pair{net.site, net.child} > std::pair{rival->site, rival->child};
      const RemoteNet& blamed = is_later ? net : *rival;
      const RemoteNet& other = is_later ? *rival : net;
      errors.add(*blamed.where,
                 fmt::format("remote_nets: {} overlaps {} of site '{}' at {}, for the same "
                             "local_nets",
                             blamed.net.to_string(), other.net.to_string(), other.site->peer.name,
                             other.where->to_string()),
                 "let only one site have these addresses behind it");
    }
    enclosing.push_back(net);
  }
}

/// RFC 8200 s5: a link that carries IPv6 has an MTU of at least 1280.
void check_mtu(std::span<const PeerDraft> peers, const DaemonDraft& daemon, Errors& errors) {
  constexpr unsigned mtu_min_v6 = 1280;
  if (!daemon.mtu || daemon.daemon.mtu >= mtu_min_v6) return;
  for (const PeerDraft& draft : peers) {
    for (const ChildDraft& child : draft.children) {
      for (const Nets* nets : {&child.local_nets, &child.remote_nets}) {
        const auto v6 =
            std::ranges::find_if(*nets, [](const auto& net) { return !net.value.address.is_v4(); });
        if (v6 == nets->end()) continue;
        errors.add(*daemon.mtu,
                   fmt::format("mtu: {} is too small for IPv6, which {} at {} needs",
                               daemon.daemon.mtu, v6->value.to_string(), v6->where.to_string()),
                   fmt::format("write {} or more, or leave mtu out", mtu_min_v6));
        return;
      }
    }
  }
}

/// BEET carries no addresses: it has one at each end.
void check_beet(const ChildConfig& child, const ChildDraft& draft, Errors& errors) {
  if (child.mode != policy::SaMode::beet || !draft.mode) return;
  const auto check = [&](std::string_view key, const Nets& nets) {
    const bool is_host =
        nets.size() == 1 && nets[0].value.length == nets[0].value.address.bit_count();
    if (is_host || nets.empty()) return;
    errors.add(nets.size() > 1 ? nets[1].where : nets[0].where,
               fmt::format("{}: BEET mode has one address at each end", key),
               "write one address without a prefix length, or leave mode out");
  };
  check("local_nets", draft.local_nets);
  check("remote_nets", draft.remote_nets);
}

void check_child(const ChildConfig& child, const ChildDraft& draft, Errors& errors) {
  check_within("local_nets", draft.local_nets, errors);
  check_within("remote_nets", draft.remote_nets, errors);
  check_local_against_remote(draft, errors);
  check_families("local_nets", draft.local_nets, "remote_nets", draft.remote_nets, errors);
  check_families("remote_nets", draft.remote_nets, "local_nets", draft.local_nets, errors);
  check_beet(child, draft, errors);
}

}  // namespace

void check_relations(std::span<const PeerDraft> peers, const DaemonDraft& daemon, Errors& errors) {
  for (const PeerDraft& draft : peers) {
    for (std::size_t i = 0; i < draft.children.size(); ++i) {
      check_child(draft.peer.children[i], draft.children[i], errors);
    }
    check_outer(draft, daemon, errors);
  }
  check_duplicates(peers, errors);
  check_between_sites(peers, errors);
  check_mtu(peers, daemon, errors);
}

}  // namespace caponier::config
