#include "ike/half_open.h"

#include "base/error.h"

namespace caponier::ike {

namespace {

base::IpAddress net_of(const base::IpAddress& address) {
  constexpr unsigned v4_bits = 24;
  constexpr unsigned v6_bits = 64;
  return address.with_low_bits(address.is_v4() ? v4_bits : v6_bits, false);
}

std::size_t count_in(const std::map<base::IpAddress, std::uint32_t>& counts,
                     const base::IpAddress& key) {
  const auto found = counts.find(key);
  return found == counts.end() ? 0 : found->second;
}

void count_down(std::map<base::IpAddress, std::uint32_t>& counts,
                std::pair<const base::IpAddress, std::uint32_t>& counter) {
  if (--counter.second == 0) counts.erase(counter.first);
}

/// Nodes of the four tables an entry stands in, and what the allocator adds.
constexpr std::size_t table_overhead = 320;

}  // namespace

// ---- Counts

HalfOpenCounts::Slot::Slot(HalfOpenCounts& counts, const base::IpAddress& address, bool is_proven)
    : counts_(&counts),
      net_(&*counts.by_net_.try_emplace(net_of(address)).first),
      proven_(is_proven ? &*counts.proven_.try_emplace(address).first : nullptr) {
  ++counts.total_;
  ++net_->second;
  if (proven_ != nullptr) ++proven_->second;
}

HalfOpenCounts::Slot& HalfOpenCounts::Slot::operator=(Slot&& other) noexcept {
  if (this == &other) return *this;
  release();
  counts_ = std::exchange(other.counts_, nullptr);
  net_ = other.net_;
  proven_ = other.proven_;
  return *this;
}

void HalfOpenCounts::Slot::release() {
  if (counts_ == nullptr) return;
  --counts_->total_;
  count_down(counts_->by_net_, *net_);
  if (proven_ != nullptr) count_down(counts_->proven_, *proven_);
  counts_ = nullptr;
}

std::size_t HalfOpenCounts::in_net_of(const base::IpAddress& address) const {
  return count_in(by_net_, net_of(address));
}

std::size_t HalfOpenCounts::proven(const base::IpAddress& address) const {
  return count_in(proven_, address);
}

// ---- Entries

void HalfOpen::set_messages(base::Bytes request, base::Bytes response) {
  messages_ = std::make_unique<std::byte[]>(request.size() + response.size());
  base::copy_into({messages_.get(), request.size()}, request);
  base::copy_into({messages_.get() + request.size(), response.size()}, response);
  request_size_ = static_cast<std::uint32_t>(request.size());
  response_size_ = static_cast<std::uint32_t>(response.size());
}

HalfOpen* HalfOpenTable::find(base::IkeSpi spi_r) {
  const auto found = entries_.find(spi_r);
  return found == entries_.end() ? nullptr : &found->second;
}

HalfOpen* HalfOpenTable::find(const InitKey& key) {
  const auto found = by_init_.find(key);
  return found == by_init_.end() ? nullptr : *found;
}

HalfOpen& HalfOpenTable::add(HalfOpen entry) {
  memory_ += entry.memory() + table_overhead;
  by_age_.emplace_back(entry.since, entry.spi_r);
  const base::IkeSpi spi_r = entry.spi_r;
  HalfOpen& added = entries_.insert_or_assign(spi_r, std::move(entry)).first->second;
  if (const auto old = by_init_.find(added.init_key()); old != by_init_.end()) by_init_.erase(old);
  by_init_.insert(&added);
  return added;
}

HalfOpen HalfOpenTable::take(base::IkeSpi spi_r) {
  const auto found = entries_.find(spi_r);
  CAPONIER_ASSERT(found != entries_.end());
  if (const auto init = by_init_.find(found->second.init_key());
      init != by_init_.end() && *init == &found->second) {
    by_init_.erase(init);
  }
  HalfOpen entry = std::move(found->second);
  memory_ -= entry.memory() + table_overhead;
  if (entry.is_spoiled) --spoiled_;
  entries_.erase(found);
  forget_gone();
  return entry;
}

void HalfOpenTable::clear() {
  by_init_.clear();
  entries_.clear();
  by_age_.clear();
  memory_ = 0;
  spoiled_ = 0;
}

void HalfOpenTable::spoil(HalfOpen& entry) {
  if (!std::exchange(entry.is_spoiled, true)) ++spoiled_;
}

void HalfOpenTable::forget_gone() {
  const auto is_gone = [this](const auto& entry) { return !entries_.contains(entry.second); };
  while (!by_age_.empty() && is_gone(by_age_.front())) by_age_.pop_front();
  // One that lingers at the front must not keep thousands behind it that went long ago.
  constexpr std::size_t spare = 64;
  if (by_age_.size() > 2 * entries_.size() + spare) std::erase_if(by_age_, is_gone);
}

HalfOpen* HalfOpenTable::find_older_than(base::Instant then) {
  return by_age_.empty() || by_age_.front().first > then ? nullptr : find(by_age_.front().second);
}

std::optional<base::Instant> HalfOpenTable::oldest() const {
  if (by_age_.empty()) return std::nullopt;
  return by_age_.front().first;
}

// ---- Key pairs

std::shared_ptr<crypto::KeyExchange> AnswerKeys::get(crypto::KeGroup group, bool may_repeat,
                                                     const crypto::CryptoProvider& crypto,
                                                     base::Rng& rng, base::Duration lifetime,
                                                     base::Instant now) {
  forget_old(lifetime, now);
  if (const auto kept = kept_.find(group); may_repeat && kept != kept_.end()) {
    return kept->second.ke;
  }
  auto made = crypto.make_key_exchange(group, rng);
  if (!made) return nullptr;
  std::shared_ptr<crypto::KeyExchange> ke{std::move(*made)};
  if (may_repeat) kept_.insert_or_assign(group, Kept{ke, now});
  return ke;
}

void AnswerKeys::forget_old(base::Duration lifetime, base::Instant now) {
  std::erase_if(kept_, [&](const auto& entry) { return now - entry.second.since >= lifetime; });
}

}  // namespace caponier::ike
