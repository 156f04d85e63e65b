#include "sim/checkers.h"

#include <fmt/format.h>

#include <algorithm>

#include "wire/icmp.h"
#include "wire/ip.h"

namespace caponier::sim {
namespace {

constexpr std::string_view marker = "IN-CLEAR";
constexpr std::size_t marker_at = wire::icmp_header_size;
constexpr std::size_t id_at = marker_at + marker.size();

}  // namespace

std::string_view name_of(Broken rule) {
  switch (rule) {
    case Broken::repeated_iv: return "repeated IV";
    case Broken::repeated_sequence: return "repeated sequence number";
    case Broken::undeclared_drop: return "undeclared drop";
    case Broken::error_event: return "ERROR event";
    case Broken::leaked_sa: return "leaked SA";
    case Broken::clear_on_link: return "clear text on a link";
    case Broken::delivered_twice: return "delivered twice";
    case Broken::altered: return "altered";
    case Broken::misdelivered: return "misdelivered";
    case Broken::unmatched_spi: return "unmatched SPI";
    case Broken::no_quiescence: return "no quiescence";
    case Broken::not_up: return "not up";
    case Broken::unproven_peer: return "unproven peer";
    case Broken::bad_spi: return "bad SPI";
    case Broken::wide_selectors: return "selectors wider than the policy";
    case Broken::limit_exceeded: return "limit exceeded";
    case Broken::ends_differ: return "the ends differ";
  }
  return "unknown";
}

void Violations::add(Broken rule, std::string text) {
  if (list_.size() < violations_max) list_.push_back({rule, std::move(text)});
}

bool Violations::has(Broken rule) const {
  return std::any_of(list_.begin(), list_.end(),
                     [&](const Violation& violation) { return violation.rule == rule; });
}

bool Violations::take(Broken rule) {
  return std::erase_if(list_, [&](const Violation& violation) { return violation.rule == rule; }) >
         0;
}

void SequenceChecker::on_sent(HostId sender, base::Bytes esp) {
  if (esp.size() < 8) return;
  const auto spi = base::load_be<std::uint32_t>(esp.data());
  const auto sequence = base::load_be<std::uint32_t>(esp.data() + 4);
  if (!seen_[{sender, spi}].insert(sequence).second) {
    violations_->add(
        Broken::repeated_sequence,
        fmt::format("host {} sent SPI {:08x} sequence {} twice", sender, spi, sequence));
  }
}

base::ByteVec PacketLedger::make(const base::IpAddress& from, const base::IpAddress& to,
                                 std::uint64_t flow, bool is_reply, std::size_t filler) {
  const std::uint64_t id = next_id_++;
  base::Writer data;
  data.bytes(base::as_bytes(marker));
  data.u64(id);
  for (std::size_t i = 0; i < filler; ++i) data.u8(static_cast<std::uint8_t>(id + i));
  base::ByteVec packet = wire::make_echo_packet(
      from, to,
      {is_reply, static_cast<std::uint16_t>(flow), static_cast<std::uint16_t>(id), data.view()});
  const auto upper = wire::upper_layer(packet);
  Sent& sent = packets_[id];
  sent.from = from;
  sent.to = to;
  sent.message = base::to_vec(base::Bytes{packet}.subspan(upper ? upper->offset : 0));
  sent.ping = {id, is_reply, flow};
  return packet;
}

std::optional<PacketLedger::Ping> PacketLedger::on_delivered(const base::IpAddress& host,
                                                             base::Bytes packet) {
  const auto fields = wire::selector_fields(packet);
  const auto upper = wire::upper_layer(packet);
  if (!fields || !upper || upper->end - upper->offset < id_at + 8) {
    violations_->add(Broken::altered, "something that is no packet of ours was delivered");
    return std::nullopt;
  }
  const base::Bytes message = packet.subspan(upper->offset, upper->end - upper->offset);
  const auto found = packets_.find(base::load_be<std::uint64_t>(message.data() + id_at));
  if (found == packets_.end() || !base::equal(found->second.message, message) ||
      found->second.from != fields->source || found->second.to != fields->destination) {
    violations_->add(Broken::altered, "a packet was delivered that nobody sent so");
    return std::nullopt;
  }
  Sent& sent = found->second;
  if (sent.to != host) {
    violations_->add(Broken::misdelivered,
                     fmt::format("packet {} to {} was delivered at {}", sent.ping.id,
                                 sent.to.to_string(), host.to_string()));
    return std::nullopt;
  }
  if (std::exchange(sent.delivered, true)) {
    violations_->add(Broken::delivered_twice, fmt::format("packet {}", sent.ping.id));
    return std::nullopt;
  }
  ++delivered_;
  return sent.ping;
}

void PacketLedger::on_link(base::Bytes outer) {
  if (base::as_text(outer).find(marker) != std::string_view::npos) {
    violations_->add(Broken::clear_on_link, "a packet crossed a link unprotected");
  }
}

}  // namespace caponier::sim
