#include "unit/ike/rekey.h"

#include <algorithm>
#include <utility>

namespace caponier::ike::test {

Collision::Collision(EndpointConfig config, std::uint64_t seed) : Pair(std::move(config), seed) {
  initiate_a();
  run();
  EXPECT_TRUE(is_up());
  sent.clear();
}

policy::ChildSaId Collision::child_of(const Side& side) const { return side.live().at(0)->id; }

std::optional<Datagram> Collision::take_next(bool goes_to_b) {
  const auto next = std::ranges::find(wire, goes_to_b, &Datagram::to_b);
  if (next == wire.end()) return std::nullopt;
  std::optional<Datagram> datagram{std::move(*next)};
  wire.erase(next);
  return datagram;
}

bool Collision::deliver_next(bool goes_to_b) {
  const auto datagram = take_next(goes_to_b);
  if (!datagram) return false;
  deliver(*datagram);
  return true;
}

const policy::InstallSa* Collision::sender(const Side& side) const {
  const policy::InstallSa* receiving = nullptr;
  const auto live = side.live();
  for (auto sa = live.rbegin(); sa != live.rend(); ++sa) {
    bool sends = !(*sa)->receives_only;
    for (const policy::SwitchSa& choice : side.record.switches) {
      if (choice.id == (*sa)->id) sends = choice.sends;
    }
    if (sends) return *sa;
    if (receiving == nullptr) receiving = *sa;
  }
  return receiving;
}

bool Collision::carries(const Side& from, const Side& to) const {
  const policy::InstallSa* const sa = sender(from);
  if (sa == nullptr) return false;
  const auto live = to.live();
  return std::ranges::any_of(live, [&](const auto* other) { return other->spi_in == sa->spi_out; });
}

}  // namespace caponier::ike::test
