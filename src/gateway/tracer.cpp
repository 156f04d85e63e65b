#include "gateway/tracer.h"

#include <algorithm>
#include <array>
#include <utility>

#include "ipsec/ip_headers.h"

namespace caponier::gateway {
namespace {

using base::DropReason;
using ipsec::numbers_of;
using ipsec::Verdict;

constexpr std::array failed_in_cipher{DropReason::esp_bad_icv, DropReason::clear_seal_failed};
constexpr std::array dropped_behind_cipher{DropReason::esp_bad_padding, DropReason::esp_bad_inner,
                                           DropReason::esp_selector, DropReason::esp_dummy,
                                           DropReason::esp_congestion};
/// Dropped, but as an inner packet that can be looked at.
constexpr std::array dropped_as_inner{DropReason::esp_selector, DropReason::esp_congestion};

template <std::size_t count>
bool is_one_of(const std::array<DropReason, count>& reasons, DropReason reason) {
  return std::find(reasons.begin(), reasons.end(), reason) != reasons.end();
}

template <class Item>
CryptoOutcome outcome_of(const Item& item) {
  if (item.verdict == Verdict::forward) return CryptoOutcome::done;
  if (item.verdict != Verdict::drop) return CryptoOutcome::none;
  if (is_one_of(failed_in_cipher, item.drop)) return CryptoOutcome::failed;
  return is_one_of(dropped_behind_cipher, item.drop) ? CryptoOutcome::done : CryptoOutcome::none;
}

std::optional<wire::PacketSelectorFields> fields_of(base::Bytes packet) {
  const auto fields = wire::selector_fields(packet);
  return fields ? std::optional{*fields} : std::nullopt;
}

}  // namespace

std::string_view name_of(TraceDirection direction) {
  switch (direction) {
    case TraceDirection::outbound: return "out";
    case TraceDirection::inbound: return "in";
  }
  return "unknown";
}

std::string_view name_of(CryptoOutcome outcome) {
  switch (outcome) {
    case CryptoOutcome::none: return "none";
    case CryptoOutcome::done: return "done";
    case CryptoOutcome::failed: return "failed";
  }
  return "unknown";
}

std::string_view name_of(ipsec::Verdict verdict) {
  switch (verdict) {
    case Verdict::drop: return "drop";
    case Verdict::forward: return "forward";
    case Verdict::bypass: return "bypass";
    case Verdict::held: return "held";
  }
  return "unknown";
}

std::string_view name_of(ipsec::PolicyAction action) {
  switch (action) {
    case ipsec::PolicyAction::protect: return "protect";
    case ipsec::PolicyAction::bypass: return "bypass";
    case ipsec::PolicyAction::discard: return "discard";
  }
  return "unknown";
}

void Tracer::start(TraceRequest request, base::Instant now) {
  stop();
  request_ = std::move(request);
  started_ = now;
  seen_ = 0;
  lost_ = 0;
}

void Tracer::stop() {
  request_.reset();
  records_.clear();
  noted_.clear();
}

void Tracer::before(std::span<const ipsec::ProtectItem> items) {
  noted_.clear();
  if (records_.size() >= records_max_) return;  // nobody fetches: no work either
  for (const ipsec::ProtectItem& item : items) {
    const base::Bytes packet = std::as_const(*item.packet).bytes();
    noted_.push_back({fields_of(packet), std::nullopt, 0, packet.size()});
  }
}

void Tracer::before(std::span<const ipsec::OpenItem> items) {
  noted_.clear();
  if (records_.size() >= records_max_) return;
  for (const ipsec::OpenItem& item : items) {
    const base::Bytes packet = std::as_const(*item.packet).bytes();
    Noted& noted = noted_.emplace_back();
    noted.size = packet.size();
    const auto numbers = numbers_of(packet, item.protocol, item.is_whole);
    if (!numbers) continue;
    noted.spi = numbers->spi();
    noted.sequence = numbers->sequence();
  }
}

bool Tracer::is_chosen() { return seen_++ % request_->every == 0; }

namespace {

void complete(TraceRecord& record, const ipsec::ProtectItem& item, const ipsec::Engine& engine) {
  record.direction = TraceDirection::outbound;
  if (record.inner) {
    const ipsec::Policy* policy = engine.find_outbound_policy(*record.inner);
    if (policy != nullptr) record.policy = policy->action;
    if (policy != nullptr && record.peer.empty()) record.peer = policy->connection;
  }
  if (item.verdict != Verdict::forward) return;
  record.outer = item.path;
  if (!item.udp_encap) record.outer->local.port = record.outer->remote.port = 0;
  const auto numbers =
      numbers_of(std::as_const(*item.packet).bytes(), item.protocol, item.is_whole);
  if (!numbers) return;
  record.spi = numbers->spi();
  record.sequence = numbers->sequence();
}

void complete(TraceRecord& record, const ipsec::OpenItem& item, const ipsec::Engine& engine) {
  record.direction = TraceDirection::inbound;
  record.outer = item.path;
  const bool is_inner = item.verdict == Verdict::forward ||
                        (item.verdict == Verdict::drop && is_one_of(dropped_as_inner, item.drop));
  if (is_inner) record.inner = fields_of(std::as_const(*item.packet).bytes());
  if (!record.inner) return;
  const ipsec::Policy* policy = engine.find_inbound_policy(*record.inner);
  if (policy != nullptr) record.policy = policy->action;
}

}  // namespace

template <class Item>
TraceRecord Tracer::describe(const Item& item, const Noted& noted, const ipsec::Engine& engine,
                             base::Instant now) const {
  TraceRecord record;
  record.since_start = now - started_;
  record.inner = noted.fields;
  record.size = noted.size;
  record.spi = noted.spi;
  record.sequence = noted.sequence;
  record.crypto = outcome_of(item);
  record.verdict = item.verdict;
  record.drop = item.drop;
  record.peer = engine.connection_of(item.sa);
  record.has_sa = !record.peer.empty();
  complete(record, item, engine);
  return record;
}

template <class Item>
void Tracer::record(std::span<const Item> items, const ipsec::Engine& engine, base::Instant now) {
  if (noted_.size() != items.size()) {
    lost_ += items.size() / request_->every;
    return;
  }
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (request_->peer.empty()) {
      if (is_chosen() && !records_.push(describe(items[i], noted_[i], engine, now))) ++lost_;
      continue;
    }
    TraceRecord described = describe(items[i], noted_[i], engine, now);
    if (described.peer != request_->peer || !is_chosen()) continue;
    if (!records_.push(std::move(described))) ++lost_;
  }
}

void Tracer::after(std::span<const ipsec::ProtectItem> items, const ipsec::Engine& engine,
                   base::Instant now) {
  record(items, engine, now);
}

void Tracer::after(std::span<const ipsec::OpenItem> items, const ipsec::Engine& engine,
                   base::Instant now) {
  record(items, engine, now);
}

}  // namespace caponier::gateway
