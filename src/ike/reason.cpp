#include "ike/reason.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/error.h"
#include "ike/messages.h"

namespace caponier::ike {

using base::Reader;
using base::Writer;
using policy::Evidence;
using policy::Symptom;

namespace {

constexpr std::uint8_t version = 1;

/// What can be said so, with the octets that say it; they never change.
struct Word {
  Symptom symptom{};
  std::uint8_t octet = 0;
};
constexpr std::array words = {Word{Symptom::child_no_proposal, 1}, Word{Symptom::child_group, 2},
                              Word{Symptom::child_no_selectors, 3}, Word{Symptom::child_mode, 4}};

template <class Payload>
void put(Writer& out, const Payload& payload) {
  const std::size_t at = out.size();
  out.u16(0);
  payload.encode(out);
  out.patch_u16(at, out.size() - at - 2);
}

wire::TsPayload selectors(const policy::TrafficSelectors& list) {
  return policy::to_wire(list, true);
}

base::Wire<Evidence> read(base::Bytes data) {
  Reader in{data};
  Evidence evidence;
  if (TRY(in.u8("reason.version")) != version) {
    return std::unexpected{in.error(base::WireFault::out_of_range, "reason.version")};
  }
  const std::uint8_t octet = TRY(in.u8("reason.symptom"));
  const auto word = std::ranges::find(words, octet, &Word::octet);
  if (word == words.end()) {
    return std::unexpected{in.error(base::WireFault::out_of_range, "reason.symptom")};
  }
  evidence.symptom = word->symptom;
  const std::uint8_t mode = TRY(in.u8("reason.mode"));
  const bool has_mode = TRY(in.u8("reason.has_mode")) == 1;
  constexpr std::uint8_t last_mode = static_cast<std::uint8_t>(policy::SaMode::beet);
  if (has_mode && mode <= last_mode) evidence.theirs.mode = static_cast<policy::SaMode>(mode);
  const std::uint16_t group = TRY(in.u16("reason.group"));
  if (group != 0) evidence.theirs.group = crypto::KeGroup{group};
  const std::size_t offers_size = TRY(in.u16("reason.offers_length"));
  Reader offers = TRY(in.sub(offers_size, "reason.offers"));
  if (offers.remaining() > 0) {
    const wire::SaPayload sent = TRY(wire::SaPayload::decode(offers));
    evidence.their_offers = policy::kept_part(sent);
  }
  // Its local end is our remote one.
  for (auto* const list : {&evidence.theirs.remote, &evidence.theirs.local}) {
    const std::size_t size = TRY(in.u16("reason.selectors_length"));
    Reader part = TRY(in.sub(size, "reason.selectors"));
    if (part.remaining() == 0) continue;
    const wire::TsPayload sent = TRY(wire::TsPayload::decode(part, true));
    *list = policy::from_wire(sent);
  }
  TRY_VOID(in.finish("reason"));
  return evidence;
}

}  // namespace

std::optional<wire::NotifyPayload> make_reason(const ChildRefusal& refusal) {
  if (!refusal.seen) return std::nullopt;
  const Evidence& seen = *refusal.seen;
  const auto word = std::ranges::find(words, seen.symptom, &Word::symptom);
  if (word == words.end()) return std::nullopt;
  Writer out;
  out.u8(version);
  out.u8(word->octet);
  out.u8(seen.ours.mode ? static_cast<std::uint8_t>(*seen.ours.mode) : 0);
  out.u8(seen.ours.mode ? 1 : 0);
  out.u16(seen.ours.group ? static_cast<std::uint16_t>(*seen.ours.group) : 0);
  const auto put_if = [&](bool is_there, const auto& payload) {
    is_there ? put(out, payload) : out.u16(0);
  };
  put_if(!seen.our_offers.empty(), policy::to_wire(seen.our_offers, {}, true));
  put_if(!seen.ours.local.empty(), selectors(seen.ours.local));
  put_if(!seen.ours.remote.empty(), selectors(seen.ours.remote));
  auto data = out.finish();
  if (!data || data->size() > reason_size_max) return std::nullopt;
  return make_notify(caponier_reason, std::move(*data));
}

std::optional<Evidence> read_reason(const std::vector<wire::Payload>& payloads) {
  const wire::NotifyPayload* const notify = wire::find_notify(payloads, caponier_reason);
  if (notify == nullptr || notify->data.size() > reason_size_max) return std::nullopt;
  auto evidence = read(notify->data);
  if (!evidence) return std::nullopt;
  return std::move(*evidence);
}

}  // namespace caponier::ike
