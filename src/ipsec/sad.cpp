#include "ipsec/sad.h"

#include <utility>

#include "ipsec/beet.h"

namespace caponier::ipsec {

namespace {

/// AH encrypts nothing, keeps the outer addresses and so never crosses a NAT (RFC 3948 s1), and the
/// MACs that ask for an IV have their place in AH only (RFC 4543 s5.3).
bool is_possible(const policy::InstallSa& params) {
  const crypto::CipherSuite& suite = params.suite.cipher;
  if (params.mode == policy::SaMode::beet && !is_beet_possible(params)) return false;
  if (params.protocol == policy::SaProtocol::esp) return !crypto::is_gmac(suite.integ);
  return suite.encr == crypto::EncrId::null && params.mode != policy::SaMode::beet &&
         !params.udp_encap && params.path.transport == base::Transport::udp;
}

}  // namespace

std::expected<std::shared_ptr<crypto::PacketCipher>, crypto::CryptoError> Sad::make_cipher(
    const crypto::CipherSuite& suite, const policy::DirectionKeys& keys) const {
  return crypto_.make_cipher(suite, keys.encr.reveal(), keys.integ.reveal(), rng_);
}

std::expected<void, crypto::CryptoError> Sad::install(policy::InstallSa params,
                                                      std::shared_ptr<SaCommon> common,
                                                      base::Instant now) {
  if (by_id_.size() >= limits_.associations_max || by_id_.contains(params.id) ||
      by_spi(params.protocol).contains(params.spi_in)) {
    return std::unexpected{crypto::CryptoError::backend_failure};
  }
  if (!is_possible(params)) return std::unexpected{crypto::CryptoError::unsupported};
  const crypto::CipherSuite& suite = params.suite.cipher;
  const crypto::EncrInfo* encr = crypto::find(suite.encr);
  if (encr == nullptr) return std::unexpected{crypto::CryptoError::unsupported};
  std::shared_ptr<crypto::PacketCipher> sealer = common == nullptr ? nullptr : common->sealer;
  std::shared_ptr<crypto::PacketCipher> opener = common == nullptr ? nullptr : common->opener;
  if (sealer == nullptr) sealer = TRY(make_cipher(suite, params.keys_out));
  if (opener == nullptr) opener = TRY(make_cipher(suite, params.keys_in));
  if (common == nullptr) {
    common = std::make_shared<SaCommon>(params, limits_.shares_associations);
    if (sealer->is_thread_safe()) common->sealer = sealer;
    if (opener->is_thread_safe()) common->opener = opener;
  }
  auto sa = std::make_unique<Sa>(std::move(params), *encr, std::move(sealer), std::move(opener),
                                 std::move(common), now);
  const policy::ChildSaId id = sa->params.id;
  if (sa->soft_at.has_value()) deadlines_.emplace(*sa->soft_at, id);
  if (sa->hard_at.has_value()) deadlines_.emplace(*sa->hard_at, id);
  by_spi(sa->params.protocol).insert(sa->params.spi_in, sa.get());
  by_child_.add(*sa);
  if (sa->has_dummies()) {
    sa->dummy_at = now + sa->params.treatment.dummy_interval;
    dummies_.emplace(sa->dummy_at, id);
  }
  by_id_.insert(id, std::move(sa));
  ++generation_;
  return {};
}

void Sad::remove(policy::ChildSaId id) {
  const std::unique_ptr<Sa> sa = by_id_.remove(id);
  if (sa == nullptr) return;
  if (sa->soft_at.has_value()) deadlines_.erase({*sa->soft_at, id});
  if (sa->hard_at.has_value()) deadlines_.erase({*sa->hard_at, id});
  by_spi(sa->params.protocol).remove(sa->params.spi_in);
  by_child_.remove(*sa);
  dummies_.erase({sa->dummy_at, id});
  ++generation_;
}

void Sad::switch_outbound(policy::ChildSaId id, bool sends) {
  Sa* const sa = find(id);
  if (sa == nullptr || sa->sends == sends) return;
  sa->sends = sends;
  ++generation_;
}

Sa* Sad::find(policy::ChildSaId id) const { return by_id_.find(id).get(); }

Sa* Sad::find_inbound(policy::SaProtocol protocol, base::Spi spi) const {
  return protocol == policy::SaProtocol::esp ? esp_by_spi_.find(spi) : ah_by_spi_.find(spi);
}

void Sad::expire(Sa& sa) {
  if (!sa.is_expired) ++generation_;  // outbound traffic may have an older SA to go to
  sa.is_expired = true;
  announce_hard(sa);
}

// A full queue must not lose an announcement, so each flag is set only once it is delivered.
void Sad::announce_hard(Sa& sa) {
  if (!sa.hard_announced) sa.hard_announced = notices_.expired(sa.params.id, true);
  if (sa.hard_announced) sa.soft_announced = true;
}

void Sad::announce_soft(Sa& sa) {
  if (!sa.soft_announced) sa.soft_announced = notices_.expired(sa.params.id, false);
}

void Sad::handle_deadline(base::Instant now) {
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    Sa& sa = *find(deadlines_.begin()->second);
    const bool is_hard = sa.hard_at.has_value() && *sa.hard_at <= now;
    is_hard ? expire(sa) : announce_soft(sa);
    if (!(is_hard ? sa.hard_announced : sa.soft_announced)) return;  // the queue is full: again
    deadlines_.erase(deadlines_.begin());
  }
}

Sa* Sad::take_dummy_due(base::Instant now) {
  while (!dummies_.empty() && dummies_.begin()->first <= now) {
    Sa& sa = *find(dummies_.begin()->second);
    const base::Duration interval = sa.params.treatment.dummy_interval;
    const auto last = sa.out.last();
    const bool is_quiet = !last || *last + interval <= now;
    dummies_.erase(dummies_.begin());
    sa.dummy_at = (is_quiet ? now : *last) + interval;
    if (sa.is_expired)
      sa.dummy_at = never;
    else
      dummies_.emplace(sa.dummy_at, sa.id);
    if (is_quiet && sa.sends && !sa.is_expired && !by_child_.has_successor(sa)) return &sa;
  }
  return nullptr;
}

std::optional<base::Deadline> Sad::poll_deadline() const {
  std::optional<base::Deadline> earliest;
  if (!deadlines_.empty()) earliest = {deadlines_.begin()->first, "child SA lifetime"};
  if (!dummies_.empty() && (!earliest || dummies_.begin()->first < earliest->at)) {
    earliest = {dummies_.begin()->first, "dummy packets"};
  }
  return earliest;
}

}  // namespace caponier::ipsec
