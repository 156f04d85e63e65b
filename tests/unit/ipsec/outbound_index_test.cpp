// An index that finds SAs by prefixes must answer as if it had compared every one.
#include "ipsec/outbound_index.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "ipsec/sad.h"
#include "pair.h"
#include "spd_model.h"

namespace caponier::ipsec::test {
namespace {

constexpr policy::ResourceId own{1};

/// Our own, then what is for everybody, then what is for others.
int preference(const Sa& sa) {
  if (!sa.params.resource) return 1;
  return sa.params.resource == own ? 2 : 0;
}

/// The SAs of one child as a list, the oldest first, and what RFC 7296 s2.8 says of them: the
/// newest one that sends, else the oldest that receives, else the newest that has stopped.
Sa* choose_plainly(const std::vector<Sa*>& sas, const wire::PacketSelectorFields& packet) {
  Sa* sending = nullptr;
  Sa* receiving = nullptr;
  Sa* stopped = nullptr;
  for (Sa* const sa : sas) {
    const SpdModel model{{{PolicyAction::protect, {}, {}, sa->params.local, sa->params.remote}}};
    if (!model.outbound(packet)) continue;
    if (sa->is_expired) {
      stopped = sa;
    } else if (sa->sends) {
      if (sending == nullptr || preference(*sa) >= preference(*sending)) sending = sa;
    } else if (receiving == nullptr) {
      receiving = sa;
    }
  }
  if (sending != nullptr) return sending;
  return receiving != nullptr ? receiving : stopped;
}

/// Few different addresses, so that selectors meet.
IpAddress some_address(base::Rng& rng) {
  const auto low = static_cast<std::uint32_t>(rng.public_below(24));
  if (rng.public_below(3) != 0) return IpAddress::v4(0x0a000000 + low * 0x55);
  return ip(fmt::format("2001:db8::{:x}:{:x}", low / 4, low));
}

policy::TrafficSelectors some_selectors(base::Rng& rng) {
  policy::TrafficSelectors selectors;
  for (std::uint64_t count = 1 + rng.public_below(3); count > 0; --count) {
    policy::TrafficSelector selector;
    selector.first = some_address(rng);
    selector.last =
        rng.public_below(2) == 0
            ? selector.first
            : selector.first.with_low_bits(
                  selector.first.bit_count() - static_cast<unsigned>(rng.public_below(34)) % 33,
                  true);
    if (rng.public_below(3) == 0) selector.protocol = 17;
    selectors.push_back(selector);
  }
  return selectors;
}

TEST(OutboundIndex, answers_as_comparing_all_sas_of_the_child_would) {
  base::SeededRng rng{7};
  const crypto::NullProvider null{nullptr};
  EngineLimits limits;
  limits.resource = own;
  Notices notices{limits};
  Sad sad{limits, rng, null, notices};
  std::map<std::string, std::vector<Sa*>> model;
  std::uint64_t next = 1;
  unsigned found = 0;
  for (int step = 0; step < 20'000; ++step) {
    const std::string child = rng.public_below(4) == 0 ? "other" : "net";
    std::vector<Sa*>& sas = model[child];
    const auto pick = [&] { return sas.begin() + static_cast<long>(rng.public_below(sas.size())); };
    const auto what = rng.public_below(8);
    if (what < 2 && sas.size() < 60) {
      Spec spec;
      spec.id = next++;
      spec.child = child;
      spec.a_nets = some_selectors(rng);
      spec.b_nets = some_selectors(rng);
      if (rng.public_below(2) == 0) {
        spec.resource = policy::ResourceId{static_cast<std::uint32_t>(rng.public_below(3))};
      }
      ASSERT_TRUE(sad.install(install_for_a(spec), nullptr, {}));
      sas.push_back(sad.find({spec.id}));
    } else if (what == 2 && !sas.empty()) {
      const auto gone = pick();
      sad.remove((*gone)->id);
      sas.erase(gone);
    } else if (what == 3 && !sas.empty()) {
      Sa& sa = **pick();
      sad.switch_outbound(sa.id, !sa.sends);
    } else if (what == 4 && !sas.empty() && rng.public_below(4) == 0) {
      sad.expire(**pick());
    }
    wire::PacketSelectorFields packet;
    packet.source = some_address(rng);
    packet.destination = some_address(rng);
    packet.protocol = 17;
    packet.has_ports = true;
    Sa* const expected = choose_plainly(sas, packet);
    ASSERT_EQ(sad.find_outbound({"site", child}, packet), expected) << "step " << step;
    if (expected != nullptr) ++found;
  }
  EXPECT_GT(found, 2'000u);
}

}  // namespace
}  // namespace caponier::ipsec::test
