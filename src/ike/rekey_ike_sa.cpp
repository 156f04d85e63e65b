// CREATE_CHILD_SA that replaces the IKE SA itself (RFC 7296 s1.3.2, s2.8, s2.18, s2.25.2), as the
// responder: a new IKE SA is born established, takes the children over, and the peer deletes the
// old one.

#include <algorithm>
#include <utility>
#include <variant>

#include <fmt/format.h>

#include "ike/exchanges.h"
#include "ike/ike_sa.h"
#include "ike/messages.h"

namespace caponier::ike {

using base::EventKind;
using base::Instant;
using wire::NotifyType;
using Payloads = std::vector<wire::Payload>;

namespace {
constexpr std::size_t nonce_size = 32;
/// The peer deletes what it replaced; should it forget, we do.
constexpr base::Duration replaced_wait = std::chrono::seconds{30};
}  // namespace

std::optional<ChildRefusal> IkeSa::rekey_obstacle() const {
  // s2.25.1: not while a Child SA of it is being created or closed.
  const bool is_changing = std::ranges::any_of(own_.all(), [](const auto& entry) {
    const auto* const sent = std::get_if<SentInformational>(&entry.second.what);
    return sent == nullptr || sent->deletion;
  });
  const bool is_busy = state_ == IkeState::deleting || is_rekeyed_ || is_changing;
  if (!is_busy) return std::nullopt;
  return ChildRefusal{make_notify(NotifyType::temporary_failure), EndReason::local_request,
                      "the IKE SA is being replaced, deleted, or gets another child"};
}

void IkeSa::handle_ike_rekey(const Payloads& payloads, Instant now) {
  if (const auto fault = fault_in(Shape::rekey_ike_request, payloads)) {
    return refuse_malformed(*fault, now);
  }
  if (const auto refusal = rekey_obstacle()) return refuse_child(*refusal);
  const auto& ke = *wire::find<wire::KePayload>(payloads);
  const crypto::KeGroup group{ke.group};
  const auto choice =
      policy::choose_ike(*wire::find<wire::SaPayload>(payloads), connection_->offers, group);
  if (!choice || choice->peer_spi.size() != 8) {
    return refuse_child({make_notify(NotifyType::no_proposal_chosen), EndReason::no_proposal,
                         choice ? "the proposal to rekey the IKE SA has no SPI"
                                : "rekeying the IKE SA: " + describe(choice.error())});
  }
  if (choice->suite.ke != group) {
    return refuse_child({make_invalid_ke(choice->suite.ke), EndReason::no_proposal,
                         fmt::format("the peer came with {}, we want {}", name_of(group),
                                     name_of(choice->suite.ke))});
  }
  auto heir = std::make_unique<IkeSa>(shared_, shared_.new_sa_id(), false, path_, now);
  heir->spi_i_ = base::IkeSpi{base::load_be<std::uint64_t>(choice->peer_spi.data())};
  heir->spi_r_ = shared_.allocate_ike_spi(heir->id_);
  const base::ByteVec nonce = shared_.new_nonce(nonce_size);
  auto our_ke = shared_.crypto.make_key_exchange(group, shared_.rng);
  if (!our_ke) {
    return refuse_child({make_notify(NotifyType::temporary_failure), EndReason::local_fault,
                         "we cannot make a key pair"});
  }
  const auto secret = (*our_ke)->derive(ke.data);
  if (!secret) {
    return refuse_malformed(fmt::format("key exchange: {}", crypto::name_of(secret.error())), now);
  }
  if (!heir->continue_session(*this, choice->suite, secret->reveal(),
                              wire::find<wire::NoncePayload>(payloads)->data, nonce)) {
    return refuse_child({make_notify(NotifyType::temporary_failure), EndReason::local_fault,
                         "the keys cannot be made"});
  }
  wire::SaPayload sa{{choice->answer}};
  sa.proposals.front().spi = to_bytes(heir->spi_r_);
  respond({std::move(sa), wire::NoncePayload{nonce},
           wire::KePayload{ke.group, base::to_vec((*our_ke)->public_value())}});
  // After the answer: what the heir may ask at once must not overtake it.
  heir->inherit(*this, now);
  shared_.newborns.push_back(std::move(heir));
}

bool IkeSa::continue_session(const IkeSa& old, const policy::IkeSuite& suite, base::Bytes g_ir,
                             base::Bytes nonce_i, base::Bytes nonce_r) {
  auto prf = shared_.crypto.make_prf(suite.prf);
  if (!prf) return false;
  auto keys = derive_rekeyed_ike_keys(*old.session_->prf, old.session_->keys.sk_d, **prf, suite,
                                      g_ir, nonce_i, nonce_r, spi_i_, spi_r_);
  if (!keys) return false;
  auto protection =
      MessageProtection::make(shared_.crypto, suite, *keys, is_initiator_, shared_.rng);
  if (!protection) return false;
  session_.emplace(Session{suite, std::move(*prf), std::move(*keys), std::move(*protection)});
  export_keys();
  return true;
}

void IkeSa::inherit(IkeSa& old, Instant now) {
  state_ = IkeState::established;  // born so: no handshake of its own
  established_at_ = now;
  connection_ = old.connection_;
  remote_id_ = old.remote_id_;
  local_behind_nat_ = old.local_behind_nat_;
  remote_behind_nat_ = old.remote_behind_nat_;
  has_forced_encap_ = old.has_forced_encap_;
  support_ = old.support_;
  is_fragmenting_ = old.is_fragmenting_;
  fragment_size_ = old.fragment_size_;
  children_ = std::exchange(old.children_, {});
  for (const auto& [id, child] : children_) shared_.child_owner[id] = id_;
  ++shared_.up_count[connection_->name];
  report(EventKind::ike_established,
         fmt::format("{}: IKE SA {} replaces {}, {}", who(), id_.value, old.id_.value,
                     policy::to_string(session_->suite)));
  shared_.emit(IkeUp{id_, connection_->name});
  for (Wish& wish : std::exchange(old.wishes_, {})) {
    const bool moves =
        std::holds_alternative<WantChild>(wish) || std::holds_alternative<WantDeleteChild>(wish);
    if (moves) want(std::move(wish), now);
  }
  old.is_rekeyed_ = true;
  old.retire_at_ = now + replaced_wait;
}

}  // namespace caponier::ike
