#include "unit/ike/rekey.h"

#include <algorithm>
#include <utility>

namespace caponier::ike::test {

Collision::Collision(EndpointConfig config, std::uint64_t seed) : Pair(std::move(config), seed) {
  initiate_a();
  run();
  EXPECT_TRUE(is_up());
  advance(1s);
  sent.clear();
}

policy::ChildSaId Collision::child_of(const Side& side) const {
  return side.endpoint.snapshot().back().children.front().id;
}

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
  check();
  return true;
}

void Collision::check() const {
  if (!expects_traffic) return;
  EXPECT_TRUE(carries(a, b)) << "what A sends, B cannot receive";
  EXPECT_TRUE(carries(b, a)) << "what B sends, A cannot receive";
}

void Collision::finish() {
  while (!wire.empty()) deliver_next(wire.front().to_b);
}

void Collision::settle() {
  finish();
  advance(100s);
  check();
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
    receiving = *sa;  // the oldest, as the engine does
  }
  return receiving;
}

bool Collision::carries(const Side& from, const Side& to) const {
  const policy::InstallSa* const sa = sender(from);
  if (sa == nullptr) return false;
  const auto live = to.live();
  return std::ranges::any_of(live, [&](const auto* other) { return other->spi_in == sa->spi_out; });
}

bool Collision::must_a_win() {
  Forger forger{a.record.keys.at(0)};
  std::optional<ByteVec> of_a;
  std::optional<ByteVec> of_b;
  for (const Datagram& datagram : sent) {
    const wire::IkeHeader header = datagram.header();
    if (header.exchange != wire::ExchangeType::create_child_sa) continue;
    const auto payloads = forger.open(datagram.message);
    const auto* const nonce = wire::find<wire::NoncePayload>(payloads);
    if (nonce == nullptr) continue;
    std::optional<ByteVec>& lowest = datagram.to_b != header.is_response() ? of_a : of_b;
    if (!lowest || nonce->data < *lowest) lowest = nonce->data;
  }
  return of_a && (!of_b || *of_b < *of_a);
}

bool Collision::has_sent(bool by_a, wire::NotifyType type) {
  Forger forger{a.record.keys.at(0)};
  return std::ranges::any_of(sent, [&](const Datagram& datagram) {
    return datagram.to_b == by_a && wire::find_notify(forger.open(datagram.message), type);
  });
}

Datagram refuse(const Pair& pair, Forger& forger, const wire::IkeHeader& request,
                wire::NotifyType type, const ByteVec& data) {
  wire::NotifyPayload refusal;
  refusal.type = type;
  refusal.data = data;
  wire::IkeHeader header = request;
  header.flags = wire::IkeHeader::flag_response;
  return {false, pair.path_of(true, 500), forger.seal(header, {refusal})};
}

std::vector<ChildSaInfo> Collision::children(const Side& side) const {
  std::vector<ChildSaInfo> all;
  for (const IkeSaInfo& sa : side.endpoint.snapshot()) {
    all.insert(all.end(), sa.children.begin(), sa.children.end());
  }
  return all;
}

}  // namespace caponier::ike::test
