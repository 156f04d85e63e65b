// The keys of a peer that say of what kind its Child SA is: ESP or AH, the mode, TFC padding.

#include <array>

#include <fmt/format.h>

#include "config/durations.h"
#include "config/peer.h"
#include "config/words.h"

namespace caponier::config {

namespace {

constexpr std::array mode_words = {
    Word<policy::SaMode>{"tunnel", policy::SaMode::tunnel},
    Word<policy::SaMode>{"beet", policy::SaMode::beet},
};
constexpr std::array padding_words = {
    Word<std::uint16_t>{"mtu", policy::tfc_pad_to_mtu},
    Word<std::uint16_t>{"off", 0},
};

/// AH protects the outer header, which whatever carries ESP in UDP or TCP changes.
void check_ah(Section& section, const PeerConfig& peer) {
  const Place& where = section.place_of("ah");
  if (section.has("esp")) {
    section.note(where, "ah",
                 {"a tunnel is of ESP or of AH, and esp is there too", "remove one of the two"});
  }
  if (peer.encap == Encap::always) {
    section.note(
        where, "ah",
        {"AH cannot travel in UDP, as encap = \"always\" wants", "use esp, or leave encap out"});
  }
  if (section.has("tcp") && peer.tcp != Tcp::never) {
    section.note(where, "ah", {"AH cannot travel in TCP", "use esp, or write tcp = \"never\""});
  }
  if (peer.mode == policy::SaMode::beet) {
    section.note(where, "ah", {"BEET is a mode of ESP", "use esp, or leave mode out"});
  }
  if (peer.treatment.dummy_interval != base::Duration{}) {
    section.note(where, "ah", {"AH has no dummy packets", "use esp, or leave dummy_packets out"});
  }
  if (peer.treatment.tfc_pad != 0) {
    section.note(
        where, "ah",
        {"AH hides nothing, so tfc_padding has no use", "use esp, or leave tfc_padding out"});
  }
}

/// The number of octets, or "mtu".
void read_tfc_padding(Section& section, const Node& table, std::uint16_t& to) {
  const Entry* const entry = table.find("tfc_padding");
  if (entry != nullptr && entry->value.kind == NodeKind::integer) {
    constexpr std::int64_t octets_max = 9000;
    if (const auto octets = section.integer("tfc_padding", 0, octets_max)) {
      to = static_cast<std::uint16_t>(*octets);
    }
    return;
  }
  read_word(section, "tfc_padding", padding_words, to);
}

/// An interval, or "off".
void read_dummy_packets(Section& section, const Node& table, base::Duration& to) {
  const Entry* const entry = table.find("dummy_packets");
  if (entry != nullptr && entry->value.kind == NodeKind::string && entry->value.text == "off") {
    return;
  }
  read_duration(section, "dummy_packets", std::chrono::milliseconds{1}, std::chrono::hours{1}, to);
}

}  // namespace

void read_child_kind(Section& section, const Node& table, PeerDraft& draft, policy::Compat compat) {
  PeerConfig& peer = draft.peer;
  read_tfc_padding(section, table, peer.treatment.tfc_pad);
  read_dummy_packets(section, table, peer.treatment.dummy_interval);
  if (peer.kind == PeerKind::site) read_word(section, "mode", mode_words, peer.mode);
  if (section.has("mode")) draft.mode = section.place_of("mode");
  auto offers = section.list(
      "ah", [&](std::string_view text) { return parse_suite(text, wire::ProtocolId::ah, compat); });
  for (auto& offer : offers) peer.ah.push_back(std::move(offer.value));
  if (peer.ah.empty()) return;
  check_ah(section, peer);
  peer.tcp = Tcp::never;
}

}  // namespace caponier::config
