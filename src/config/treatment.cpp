// The keys of a peer that say what becomes of packets: sizes, fragments, outer headers.

#include <array>

#include "config/peer.h"
#include "config/words.h"

namespace caponier::config {

namespace {

constexpr std::array df_words = {
    Word<policy::OuterDf>{"copy", policy::OuterDf::copy},
    Word<policy::OuterDf>{"set", policy::OuterDf::set},
    Word<policy::OuterDf>{"clear", policy::OuterDf::clear},
};
constexpr std::array fragment_words = {
    Word<policy::FragmentWhen>{"before", policy::FragmentWhen::before},
    Word<policy::FragmentWhen>{"after", policy::FragmentWhen::after},
};
constexpr std::array dscp_words = {Word<bool>{"copy", true}};
constexpr std::array flow_label_words = {Word<bool>{"copy", true}, Word<bool>{"hash", false}};

void read_boolean(Section& section, std::string_view key, bool& to) {
  if (const auto value = section.boolean(key)) to = value->value;
}

/// "copy" or a number.
void read_dscp(Section& section, const Node& table, policy::OuterHeader& outer) {
  const Entry* const entry = table.find("dscp");
  if (entry != nullptr && entry->value.kind == NodeKind::integer) {
    constexpr std::int64_t dscp_max = 63;
    if (const auto dscp = section.integer("dscp", 0, dscp_max)) {
      outer.dscp = static_cast<std::uint8_t>(*dscp);
    }
    return;
  }
  if (entry == nullptr) return;
  bool copy = true;
  read_word(section, "dscp", dscp_words, copy);
  outer.dscp.reset();
}

}  // namespace

void read_treatment(Section& section, const Node& table, policy::SaTreatment& treatment) {
  policy::OuterHeader& outer = treatment.outer;
  read_word(section, "fragment", fragment_words, treatment.fragment);
  read_boolean(section, "clamp_mss", treatment.clamp_mss);
  read_word(section, "df", df_words, outer.df);
  read_dscp(section, table, outer);
  read_boolean(section, "dscp_inward", outer.copy_dscp_inward);
  read_boolean(section, "ecn", outer.ecn);
  constexpr std::int64_t ttl_max = 255;
  if (const auto ttl = section.integer("ttl", 1, ttl_max)) {
    outer.ttl = static_cast<std::uint8_t>(*ttl);
  }
  read_word(section, "flow_label", flow_label_words, outer.copy_flow_label);
}

}  // namespace caponier::config
