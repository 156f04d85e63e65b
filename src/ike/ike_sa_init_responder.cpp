#include "ike/ike_sa_init_responder.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "ike/auth_methods.h"
#include "ike/exchanges.h"
#include "ike/extensions.h"
#include "ike/messages.h"
#include "ike/nat_detection.h"
#include "ike/puzzle.h"

namespace caponier::ike {

using base::DropReason;
using base::EventKind;
using base::Instant;
using wire::NotifyType;

namespace {

/// One request on its way to a verdict.
class Judge {
 public:
  Judge(Shared& shared, CookieJar& cookies, const base::Path& path, const wire::IkeHeader& header,
        Instant now)
      : shared_(shared), cookies_(cookies), path_(path), header_(header), now_(now) {}

  InitVerdict judge(base::Bytes datagram);

 private:
  template <class MakeWhy>
  InitVerdict ignore(DropReason reason, EventKind kind, MakeWhy make_why);
  InitVerdict reject(const wire::NotifyPayload& notify);
  [[nodiscard]] std::optional<InitVerdict> demand_proof(const std::vector<wire::Payload>& payloads);
  [[nodiscard]] std::uint8_t puzzle_bits() const;
  [[nodiscard]] std::optional<crypto::PrfId> puzzle_prf(
      const std::vector<wire::Payload>& payloads) const;
  [[nodiscard]] bool has_worked(const std::vector<wire::Payload>& payloads, base::Bytes cookie,
                                const CookieInfo& info);
  [[nodiscard]] bool is_fresh(const CookieInfo& info) const;
  [[nodiscard]] bool should_redirect(const std::vector<wire::Payload>& payloads) const;
  InitVerdict choose(std::vector<wire::Payload> payloads, base::Bytes datagram);
  template <class MakeText>
  void report(EventKind kind, MakeText make_text, const std::string& peer = {});
  /// `connection`: the one that came nearest; null: none has these addresses.
  void note(policy::Symptom symptom, const std::vector<wire::Payload>& payloads,
            const ConnectionConfig* connection);

  Shared& shared_;
  CookieJar& cookies_;
  const base::Path& path_;
  const wire::IkeHeader& header_;
  Instant now_;
  bool is_proven_ = false;
  std::optional<Puzzle> solved_;
};

template <class MakeText>
void Judge::report(EventKind kind, MakeText make_text, const std::string& peer) {
  shared_.report_stranger(now_, [&] {
    base::Event event{kind, peer, make_text(), {}};
    event.fields.emplace_back("remote", path_.remote.to_string());
    return event;
  });
}

void Judge::note(policy::Symptom symptom, const std::vector<wire::Payload>& payloads,
                 const ConnectionConfig* connection) {
  shared_.note_stranger(now_, [&] {
    policy::Evidence evidence;
    evidence.symptom = symptom;
    evidence.path = path_;
    evidence.spi_i = header_.spi_i;
    evidence.product = policy::recognize(payloads);
    evidence.their_offers = policy::kept_part(*wire::find<wire::SaPayload>(payloads));
    evidence.theirs.group = crypto::KeGroup{wire::find<wire::KePayload>(payloads)->group};
    if (connection != nullptr) {
      evidence.connection = connection->name;
      evidence.our_offers = connection->offers;
    }
    return evidence;
  });
}

template <class MakeWhy>
InitVerdict Judge::ignore(DropReason reason, EventKind kind, MakeWhy make_why) {
  shared_.drops.add(reason);
  report(kind, [&] {
    return fmt::format("{}: IKE_SA_INIT ignored: {}", path_.remote.to_string(), make_why());
  });
  return Ignored{};
}

InitVerdict Judge::reject(const wire::NotifyPayload& notify) {
  // s2.21.4: a limit for what strangers make us send.
  if (!shared_.answers.take(now_)) {
    shared_.drops.add(DropReason::ike_rate_limited);
    return Ignored{};
  }
  return Rejected{unprotected_answer(header_, notify)};
}

/// The cookie, the puzzle, or the legacy peer's luck: null when one was right.
std::optional<InitVerdict> Judge::demand_proof(const std::vector<wire::Payload>& payloads) {
  const base::IpAddress& remote = path_.remote.address;
  const auto& nonce = wire::find<wire::NoncePayload>(payloads)->data;
  const bool wants_puzzle = shared_.half_open_counts.total() >= shared_.limits().puzzle_threshold;
  const auto* const cookie = wire::find_notify(payloads, NotifyType::cookie);
  //= rfc8019#7.1-2 rfc8019#7.1.4-1..2
  if (cookie != nullptr) {
    const auto info = cookies_.read(cookie->data, nonce, remote, header_.spi_i, now_);
    is_proven_ = info.has_value();
    if (!info) shared_.drops.add(DropReason::ike_bad_cookie);
    if (info && (!wants_puzzle || has_worked(payloads, cookie->data, *info))) return std::nullopt;
  }
  std::vector<wire::NotifyPayload> answer;
  std::uint8_t bits = 0;
  if (wants_puzzle) {
    const auto prf = puzzle_prf(payloads);
    if (!prf) return reject(make_notify(NotifyType::no_proposal_chosen));
    bits = puzzle_bits();
    answer.push_back(make_puzzle({*prf, bits}));
  }
  //= rfc8019#7.1.1-1
  answer.insert(
      answer.begin(),
      make_notify(NotifyType::cookie, cookies_.make(nonce, remote, header_.spi_i, now_, bits)));
  report(wants_puzzle ? EventKind::ike_puzzle : EventKind::ike_cookie_demanded, [&] {
    return fmt::format("{}: a {} is demanded; {} IKE SAs are half open", path_.remote.to_string(),
                       wants_puzzle ? fmt::format("puzzle of {} bits", bits) : "cookie",
                       shared_.half_open_counts.total());
  });
  return Rejected{unprotected_answer(header_, answer)};
}

std::uint8_t Judge::puzzle_bits() const {
  const IkeLimits& limits = shared_.limits();
  const bool is_suspect =
      shared_.half_open_counts.in_net_of(path_.remote.address) >= limits.cookie_threshold_per_net;
  return is_suspect ? limits.puzzle_bits_suspect : limits.puzzle_bits;
}

/// RFC 8019 s7.1.1.2: one that the initiator offers, and that we can compute.
std::optional<crypto::PrfId> Judge::puzzle_prf(const std::vector<wire::Payload>& payloads) const {
  for (const wire::Proposal& proposal : wire::find<wire::SaPayload>(payloads)->proposals) {
    for (const wire::Transform& transform : proposal.transforms) {
      const crypto::PrfId prf{transform.id};
      if (transform.type == wire::TransformType::prf && shared_.crypto.supports(prf)) return prf;
    }
  }
  return std::nullopt;
}

/// RFC 8019 s7.1.4: the right cookie is there. Who has not worked depends on luck.
bool Judge::has_worked(const std::vector<wire::Payload>& payloads, base::Bytes cookie,
                       const CookieInfo& info) {
  const base::ByteVec* const solution = find_solution(payloads);
  const auto prf_id = puzzle_prf(payloads);
  //= rfc8019#7.1.4-4..5
  if (info.puzzle_bits > 0 && solution != nullptr && prf_id && is_fresh(info)) {
    const auto prf = shared_.crypto.make_prf(*prf_id);
    const auto bits = prf ? solved_bits(**prf, cookie, *solution) : std::nullopt;
    if (bits && *bits >= info.puzzle_bits) {
      solved_ = Puzzle{*prf_id, info.puzzle_bits};
      return true;
    }
    shared_.drops.add(DropReason::ike_bad_puzzle);
    return false;
  }
  constexpr std::uint64_t percent = 100;
  if (shared_.rng.public_below(percent) < shared_.limits().puzzle_legacy_percent) return true;
  shared_.drops.add(DropReason::ike_low_difficulty);
  return false;
}

//= rfc8019#10-3
/// RFC 8019 s10: a solution must not serve again when its half-open SA has expired.
bool Judge::is_fresh(const CookieInfo& info) const {
  const auto second = std::chrono::duration_cast<std::chrono::seconds>(now_.since_origin).count();
  const std::uint32_t age = static_cast<std::uint32_t>(second) - info.second;
  return std::chrono::seconds{age} <= shared_.limits().half_open_timeout;
}

bool Judge::should_redirect(const std::vector<wire::Payload>& payloads) const {
  if (!shared_.redirect) return false;
  const std::size_t above = shared_.redirect->ike_sas_above;
  if (above > 0 && shared_.ike_sa_count() <= above) return false;
  if (shared_.redirect->to.address == path_.local.address) return false;
  return wire::find_notify(payloads, NotifyType::redirect_supported) != nullptr ||
         wire::find_notify(payloads, NotifyType::redirected_from) != nullptr;
}

InitVerdict Judge::judge(base::Bytes datagram) {
  if (shared_.is_shutting_down) {
    shared_.drops.add(DropReason::ike_unexpected);
    return Ignored{};
  }
  auto message = wire::IkeMessage::decode(datagram);
  if (!message) {
    return ignore(DropReason::ike_malformed, EventKind::ike_malformed, [&] {
      return fmt::format("{} in {}", base::name_of(message.error().fault), message.error().field);
    });
  }
  if (const auto fault = fault_in(Shape::init_request, message->payloads)) {
    return ignore(DropReason::ike_malformed, EventKind::ike_malformed, [&] { return *fault; });
  }
  //= rfc9329#6.3-1
  is_proven_ = path_.transport == base::Transport::tcp;
  if (!is_proven_ && wants_cookie(shared_, path_.remote.address)) {
    //= rfc7296#2.6-6
    if (auto verdict = demand_proof(message->payloads)) return std::move(*verdict);
  }
  if (should_redirect(message->payloads)) {
    report(EventKind::ike_redirected, [&] {
      return fmt::format("{}: sent to {}", path_.remote.to_string(),
                         shared_.redirect->to.to_string());
    });
    return reject(make_redirect(
        {shared_.redirect->to, wire::find<wire::NoncePayload>(message->payloads)->data}));
  }
  if (is_full(shared_, path_.remote.address)) {
    return ignore(DropReason::ike_half_open_limit, EventKind::ike_failed, [&] {
      return fmt::format("too many IKE SAs: {}, {} of them half open", shared_.ike_sa_count(),
                         shared_.half_open_counts.total());
    });
  }
  if (const auto type = unknown_critical(message->payloads)) {
    report(EventKind::ike_malformed, [&] {
      return fmt::format("{}: IKE_SA_INIT has a critical payload of unknown type {}",
                         path_.remote.to_string(), static_cast<unsigned>(*type));
    });
    return reject(make_notify(NotifyType::unsupported_critical_payload,
                              base::ByteVec{static_cast<std::byte>(*type)}));
  }
  return choose(std::move(message->payloads), datagram);
}

InitVerdict Judge::choose(std::vector<wire::Payload> payloads, base::Bytes datagram) {
  auto candidates = find_connections(shared_.connections, path_);
  if (candidates.empty()) {
    shared_.drops.add(DropReason::ike_unknown_peer);
    report(EventKind::ike_peer_unknown, [&] {
      return fmt::format("{} wants an IKE SA with {}, but no connection has these addresses",
                         path_.remote.to_string(), path_.local.to_string());
    });
    note(policy::Symptom::init_peer_unknown, payloads, nullptr);
    return reject(make_notify(NotifyType::no_proposal_chosen));
  }
  const auto& sa = *wire::find<wire::SaPayload>(payloads);
  const crypto::KeGroup group{wire::find<wire::KePayload>(payloads)->group};
  std::optional<policy::NoChoice> no_choice;
  for (auto candidate = candidates.begin(); candidate != candidates.end(); ++candidate) {
    auto choice = policy::choose_ike(sa, (*candidate)->offers, group);
    if (!choice) {
      if (!no_choice) no_choice = choice.error();
      continue;
    }
    if (choice->suite.ke != group) {
      report(
          EventKind::ike_notify_hint,
          [&] {
            return fmt::format("{}: the peer came with {}, we want {}", path_.remote.to_string(),
                               name_of(group), name_of(choice->suite.ke));
          },
          (*candidate)->name);
      //= rfc7296#3.4-4
      return reject(make_invalid_ke(choice->suite.ke));
    }
    const crypto::KeInfo* const info = crypto::find(group);
    const std::size_t size = wire::find<wire::KePayload>(payloads)->data.size();
    if (info == nullptr || size != info->public_size) {
      report(EventKind::ike_failed, [&] {
        return fmt::format("{}: a public value of {} bytes for {}", path_.remote.to_string(), size,
                           name_of(group));
      });
      return reject(make_notify(NotifyType::invalid_syntax));
    }
    // One candidate's offers decide; IDs decide at last (IKE_AUTH).
    AcceptedInit accepted;
    accepted.path = path_;
    accepted.request = base::to_vec(datagram);
    accepted.payloads = std::move(payloads);
    accepted.spi_i = header_.spi_i;
    accepted.connection = *candidate;
    accepted.suite = choice->suite;
    accepted.answer = std::move(choice->answer);
    accepted.is_proven = is_proven_;
    accepted.solved = solved_;
    return accepted;
  }
  note(policy::Symptom::init_no_proposal, payloads, candidates.front().get());
  report(
      EventKind::ike_no_proposal,
      [&] {
        return fmt::format("{} ({}): {}; the peer offers {}", candidates.front()->name,
                           path_.remote.to_string(), describe(*no_choice), policy::to_string(sa));
      },
      candidates.front()->name);
  return reject(make_notify(NotifyType::no_proposal_chosen));
}

}  // namespace

bool wants_cookie(const Shared& shared, const base::IpAddress& remote) {
  // The net's count is of all, not of the proven only: else a forger of an address could lock its
  // owner out.
  const IkeLimits& limits = shared.limits();
  const HalfOpenCounts& counts = shared.half_open_counts;
  return counts.total() >= std::min(limits.cookie_threshold, limits.puzzle_threshold) ||
         counts.in_net_of(remote) >=
             std::min(limits.cookie_threshold_per_net, limits.half_open_per_address_max);
}

bool is_full(const Shared& shared, const base::IpAddress& remote) {
  const IkeLimits& limits = shared.limits();
  const HalfOpenCounts& counts = shared.half_open_counts;
  return shared.ike_sa_count() >= limits.ike_sas_max || counts.total() >= limits.half_open_max ||
         shared.half_open.memory() >= limits.half_open_bytes_max ||
         counts.proven(remote) >= limits.half_open_per_address_max;
}

InitVerdict judge_init(Shared& shared, CookieJar& cookies, const base::Path& path,
                       const wire::IkeHeader& header, base::Bytes datagram, Instant now) {
  return Judge{shared, cookies, path, header, now}.judge(datagram);
}

std::vector<ConnectionPtr> find_connections(const Connections& connections,
                                            const base::Path& path) {
  // Indexed by how specific the match is: 4 for a listed remote address, 2 for its network, 1 for
  // the local one.
  std::array<std::vector<ConnectionPtr>, 6> ranked;
  for (const ConnectionPtr& connection : connections) {
    const auto& remotes = connection->remote_addresses;
    const bool is_listed = std::ranges::find(remotes, path.remote.address) != remotes.end();
    const auto& nets = connection->remote_nets;
    const bool is_near = !is_listed && std::ranges::any_of(nets, [&](const base::Prefix& net) {
      return net.contains(path.remote.address);
    });
    const bool is_anybody = remotes.empty() && nets.empty();
    if (!is_listed && !is_near && !is_anybody) continue;
    const auto& local = connection->local_address;
    if (local && *local != path.local.address) continue;
    const std::size_t rank = is_listed ? 4 : is_near ? 2 : 0;
    ranked[rank + (local ? 1 : 0)].push_back(connection);
  }
  std::vector<ConnectionPtr> found;
  for (auto rank = ranked.rbegin(); rank != ranked.rend(); ++rank) {
    found.insert(found.end(), rank->begin(), rank->end());
  }
  return found;
}

std::vector<ConnectionPtr> find_connections(const Connections& connections, const base::Path& path,
                                            const policy::IkeSuite& suite) {
  const auto found = find_connections(connections, path);
  std::vector<ConnectionPtr> sorted;
  for (const bool offers_it : {true, false}) {
    std::ranges::copy_if(found, std::back_inserter(sorted), [&](const ConnectionPtr& connection) {
      return is_offered(suite, connection->offers) == offers_it;
    });
  }
  return sorted;
}

namespace {

constexpr std::size_t nonce_size = 32;
/// One in so many half-open SAs has brought junk.
constexpr std::size_t spoiled_share = 4;

wire::NoncePayload make_nonce(Shared& shared, const AcceptedInit& init) {
  //= rfc7296#2.10-1
  // Never longer than the peer's where the PRF allows it (s2.10): we do not amplify.
  const crypto::PrfInfo* const prf = crypto::find(init.suite.prf);
  const std::size_t size_min =
      std::max(wire::NoncePayload::size_min, prf == nullptr ? 0 : prf->size / 2);
  const auto& theirs = wire::find<wire::NoncePayload>(init.payloads)->data;
  return {shared.new_nonce(std::clamp(theirs.size(), size_min, nonce_size))};
}

}  // namespace

std::optional<HalfOpen> answer_init(Shared& shared, AcceptedInit init, Instant now) {
  const IkeLimits& limits = shared.limits();
  HalfOpen entry;
  entry.id = shared.new_sa_id();
  entry.spi_i = init.spi_i;
  entry.spi_r = shared.new_ike_spi();
  entry.path = init.path;
  entry.since = now;
  entry.suite = init.suite;
  const bool may_repeat = shared.half_open_counts.total() >= limits.ke_reuse_threshold;
  entry.ke = shared.answer_keys.get(init.suite.ke, may_repeat, shared.crypto, shared.rng,
                                    limits.ke_reuse_time, now);
  if (!entry.ke) return std::nullopt;

  wire::IkeMessage message;
  message.header.spi_i = entry.spi_i;
  message.header.spi_r = entry.spi_r;
  message.header.exchange = wire::ExchangeType::ike_sa_init;
  message.header.flags = wire::IkeHeader::flag_response;
  message.payloads.emplace_back(wire::SaPayload{{std::move(init.answer)}});
  message.payloads.emplace_back(wire::KePayload{static_cast<std::uint16_t>(init.suite.ke),
                                                base::to_vec(entry.ke->public_value())});
  message.payloads.emplace_back(make_nonce(shared, init));
  const NatView nat = init.connection->nat_traversal
                          ? detect_nat(shared.crypto, init.payloads, entry.spi_i, {}, init.path)
                          : NatView{};
  if (nat.is_supported) {
    append_nat_notifies(message.payloads, shared.crypto, entry.spi_i, entry.spi_r, init.path,
                        init.connection->force_encap);
  }
  PeerSupport support;
  support.note_init(init.payloads);
  append_init_response_notifies(message.payloads, *init.connection, support);
  //= rfc8019#7.2.1-1 rfc8019#7.2.1.1-1
  // RFC 8019 s7.2: who solved one puzzle gets another when much of our work for IKE_AUTH is vain.
  if (init.solved && shared.half_open.spoiled() * spoiled_share >= shared.half_open.size()) {
    message.payloads.emplace_back(make_puzzle(*init.solved));
  }
  std::vector<wire::AuthMethod> methods;
  const auto candidates = find_connections(shared.connections, init.path, init.suite);
  //= rfc4739#3.1-1
  // Without it nobody begins a second round, so it goes where one is configured, and only there.
  if (std::ranges::any_of(candidates, [](const auto& one) { return has_several_rounds(*one); })) {
    message.payloads.emplace_back(make_notify(NotifyType::multiple_auth_supported));
  }
  for (const ConnectionPtr& candidate : candidates) {
    for (const wire::AuthMethod method : accepted_methods(*candidate)) {
      if (std::ranges::find(methods, method) == methods.end()) methods.push_back(method);
    }
  }
  for (wire::Payload& optional : optional_init_response_notifies(*init.connection, methods)) {
    message.payloads.push_back(std::move(optional));
    const auto longer = message.encode();
    if (!longer || longer->size() > init.request.size()) message.payloads.pop_back();
  }
  const auto encoded = message.encode();
  if (!encoded) return std::nullopt;
  entry.set_messages(init.request, *encoded);
  entry.slot =
      HalfOpenCounts::Slot{shared.half_open_counts, init.path.remote.address, init.is_proven};
  return entry;
}

}  // namespace caponier::ike
