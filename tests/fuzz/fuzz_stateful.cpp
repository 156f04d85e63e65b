// Two IKE endpoints with everything in reach of a peer that has the right keys and ill will. The
// input is a program: each instruction delivers, loses, repeats or rewrites a message, forges one,
// lets time pass, or gives a command. Compiled twice: the one that is attacked is the original
// initiator, or the responder (CAPONIER_FUZZ_INITIATOR).

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include "fuzz/fuzz.h"
#include "unit/ike/pair.h"

namespace {

using namespace caponier;
using namespace caponier::ike::test;
using base::Bytes;
using base::ByteVec;
using fuzz::require;
using ike::IkeState;
using wire::ExchangeType;

#ifdef CAPONIER_FUZZ_INITIATOR
constexpr bool attacks_b = false;
#else
constexpr bool attacks_b = true;
#endif

constexpr std::size_t instructions_max = 96;
constexpr std::size_t wire_max = 64;
/// Two generations of every child of every IKE SA.
constexpr std::size_t installed_max = 60;

/// Small, so that a short program reaches them.
ike::EndpointConfig small_config() {
  ike::EndpointConfig config = test_config();
  ike::IkeLimits& limits = config.limits;
  limits.half_open_max = 6;
  limits.cookie_threshold = 3;
  limits.puzzle_threshold = 5;
  limits.puzzle_bits = limits.puzzle_bits_suspect = 4;
  limits.puzzle_bits_max = 8;
  limits.puzzle_hashes_max = 4096;
  limits.children_per_ike_max = 3;
  limits.ike_sas_per_peer_max = 3;
  limits.ike_sas_max = 10;
  limits.own_requests_queue_max = 4;
  limits.lingering_max = 4;
  limits.fragment_bytes_per_ike_max = 4096;
  limits.fragment_bytes_max = 8192;
  return config;
}

enum class Op : std::uint8_t {
  deliver,
  deliver_all,
  lose,
  repeat,
  rewrite,
  replay,
  forge_request,
  forge_response,
  forge_plain,
  pass_time,
  command_victim,
  command_other,
  keyholder,
};
constexpr std::uint8_t op_count = 13;

class Program {
 public:
  explicit Program(Bytes input) : in_(input), pair_(small_config()) {}
  void run();

 private:
  [[nodiscard]] std::uint8_t next() { return in_.u8("op").value_or(0); }
  [[nodiscard]] bool has_more() const { return in_.remaining() > 0; }
  [[nodiscard]] Bytes chain();
  [[nodiscard]] Side& victim() { return attacks_b ? pair_.b : pair_.a; }
  [[nodiscard]] Side& other() { return attacks_b ? pair_.a : pair_.b; }

  void step(Op op);
  void begin(std::uint8_t how);
  void hand_over(const Datagram& datagram);
  [[nodiscard]] std::optional<Datagram> take_from_wire();
  [[nodiscard]] Forger* forger(const wire::IkeHeader& header);
  [[nodiscard]] const ike::KeysExported* keys();
  void rewrite(Datagram datagram);
  void forge(bool is_response);
  void forge_plain();
  void command(bool to_victim);
  [[nodiscard]] ike::Command draw_command(bool for_a);
  void check(const Side& side);
  void end();

  base::Reader in_;
  Pair pair_;
  std::map<std::pair<base::IkeSpi, base::IkeSpi>, std::unique_ptr<Forger>> forgers_;
};

Bytes Program::chain() {
  const std::size_t size = std::min<std::size_t>(next(), in_.remaining());
  return in_.take(size, "chain").value_or(Bytes{});
}

void Program::hand_over(const Datagram& datagram) {
  Side& side = datagram.to_b ? pair_.b : pair_.a;
  side.endpoint.handle_datagram(datagram.path, datagram.message, pair_.now);
  pair_.collect();
}

std::optional<Datagram> Program::take_from_wire() {
  if (pair_.wire.empty()) return std::nullopt;
  const auto at = static_cast<std::ptrdiff_t>(next() % pair_.wire.size());
  Datagram datagram = std::move(pair_.wire[static_cast<std::size_t>(at)]);
  pair_.wire.erase(pair_.wire.begin() + at);
  return datagram;
}

Forger* Program::forger(const wire::IkeHeader& header) {
  auto& found = forgers_[{header.spi_i, header.spi_r}];
  if (found) return found.get();
  for (const Side* side : {&pair_.a, &pair_.b}) {
    for (const ike::KeysExported& keys : side->record.keys) {
      if (keys.spi_i != header.spi_i || keys.spi_r != header.spi_r) continue;
      found = std::make_unique<Forger>(keys);
      return found.get();
    }
  }
  return nullptr;
}

const ike::KeysExported* Program::keys() {
  const auto& all = victim().record.keys.empty() ? other().record.keys : victim().record.keys;
  return all.empty() ? nullptr
                     : &all[all.size() - 1 - next() % std::min<std::size_t>(all.size(), 3)];
}

/// What a protected message carries, as the null provider leaves it: in clear.
ByteVec chain_of(Bytes message, wire::PayloadType& first) {
  constexpr std::size_t head = wire::IkeHeader::size + 4;
  constexpr std::size_t iv = 8;
  constexpr std::size_t icv = 16;
  if (message.size() <= head + iv + icv) return {};
  first = static_cast<wire::PayloadType>(message[wire::IkeHeader::size]);
  const Bytes text = message.subspan(head + iv, message.size() - head - iv - icv);
  const std::size_t padding = std::to_integer<std::size_t>(text.back()) + 1;
  return base::to_vec(text.first(text.size() - std::min(padding, text.size())));
}

void Program::rewrite(Datagram datagram) {
  wire::IkeHeader header = datagram.header();
  Forger* const with = header.next_payload == wire::PayloadType::sk ? forger(header) : nullptr;
  wire::PayloadType first = header.next_payload;
  ByteVec bytes = with != nullptr ? chain_of(datagram.message, first) : datagram.message;
  const std::uint8_t what = next();
  for (unsigned edits = what & 7U; edits > 0 && !bytes.empty(); --edits) {
    const std::size_t at = (std::size_t{next()} * 256 + next()) % bytes.size();
    bytes[at] = std::byte{next()};
  }
  if ((what & 8U) != 0) bytes.resize(bytes.size() - std::min<std::size_t>(bytes.size(), next()));
  if ((what & 16U) != 0) base::append(bytes, chain());
  if ((what & 32U) != 0) header.exchange = static_cast<ExchangeType>(34 + next() % 12);
  if ((what & 64U) != 0) header.message_id.value += next();
  if ((what & 128U) != 0) first = static_cast<wire::PayloadType>(next());
  datagram.message = with != nullptr ? with->seal_raw(header, first, bytes) : std::move(bytes);
  hand_over(datagram);
}

void Program::forge(bool is_response) {
  const ike::KeysExported* const of = keys();
  if (of == nullptr) return;
  wire::IkeHeader header;
  header.spi_i = of->spi_i;
  header.spi_r = of->spi_r;
  header.exchange = static_cast<ExchangeType>(34 + next() % 12);
  header.message_id.value = next() % 16;
  bool victim_is_initiator = !attacks_b;
  for (const ike::IkeSaInfo& info : victim().endpoint.snapshot()) {
    if (info.spi_i == of->spi_i && info.spi_r == of->spi_r) victim_is_initiator = info.initiator;
  }
  if (!victim_is_initiator) header.flags |= wire::IkeHeader::flag_initiator;
  if (is_response) header.flags |= wire::IkeHeader::flag_response;
  const auto first = static_cast<wire::PayloadType>(next());
  const ByteVec message = forger(header)->seal_raw(header, first, chain());
  hand_over({attacks_b, pair_.path_of(!attacks_b, 500), message});
}

void Program::forge_plain() {
  wire::IkeHeader header;
  const ike::KeysExported* const of = keys();
  if (of != nullptr) {
    header.spi_i = of->spi_i;
    header.spi_r = of->spi_r;
  } else {
    header.spi_i.value = next();
  }
  header.exchange = static_cast<ExchangeType>(34 + next() % 12);
  header.flags = next();
  header.message_id.value = next() % 8;
  header.next_payload = static_cast<wire::PayloadType>(next());
  const Bytes body = chain();
  header.length = static_cast<std::uint32_t>(wire::IkeHeader::size + body.size());
  base::Writer out;
  header.encode(out);
  out.bytes(body);
  const ByteVec message = out.finish().value();
  hand_over({attacks_b, pair_.path_of(!attacks_b, 500), message});
}

ike::Command Program::draw_command(bool for_a) {
  const std::string connection = for_a ? "to-b.example" : "to-a.example";
  const Side& side = for_a ? pair_.a : pair_.b;
  const auto& installs = side.record.installs;
  const std::size_t back = 1 + next() % 3;
  const auto child =
      installs.size() < back ? policy::ChildSaId{} : installs[installs.size() - back].id;
  base::Path moved = pair_.path_of(for_a, 4500);
  moved.remote.port = static_cast<std::uint16_t>(4500 + next() % 3);
  switch (next() % 13) {
    case 0: return ike::Initiate{connection, pair_.path_of(for_a, 500)};
    case 1: return ike::InitiateChild{connection, "net"};
    case 2: return ike::DeleteIke{connection};
    case 3: return ike::DeleteChild{child};
    case 4: return ike::RekeyChild{child};
    case 5: return ike::RekeyIke{connection};
    case 6: return ike::Reauthenticate{connection, {}};
    case 7: return ike::SetLocalAddresses{{moved.local.address, ip("198.51.100.7")}};
    case 8: return ike::SetLocalAddresses{{ip("198.51.100.7")}};
    case 9: return ike::PeerMoved{child, moved};
    case 10: return ike::PeerHeard{child};
    case 11: return ike::SyncMessageIds{connection};
    default: return ike::CheckLiveness{connection};
  }
}

void Program::command(bool to_victim) {
  const bool to_a = to_victim != attacks_b;
  const ike::Command command = draw_command(to_a);
  to_a ? pair_.command_a(command) : pair_.command_b(command);
}

void Program::step(Op op) {
  switch (op) {
    case Op::deliver:
      if (const auto datagram = take_from_wire()) hand_over(*datagram);
      return;
    case Op::deliver_all: return pair_.run();
    case Op::lose: (void)take_from_wire(); return;
    case Op::repeat:
      if (const auto datagram = take_from_wire()) {
        hand_over(*datagram);
        hand_over(*datagram);
      }
      return;
    case Op::rewrite:
      if (auto datagram = take_from_wire()) rewrite(std::move(*datagram));
      return;
    case Op::replay:
      if (pair_.sent.empty()) return;
      return hand_over(Datagram{pair_.sent[pair_.sent.size() - 1 -
                                           next() % std::min<std::size_t>(pair_.sent.size(), 32)]});
    case Op::forge_request: return forge(false);
    case Op::forge_response: return forge(true);
    case Op::forge_plain: return forge_plain();
    case Op::pass_time: return pair_.advance(base::Duration{1ms} * (1U << (next() % 18)));
    case Op::command_victim: return command(true);
    case Op::command_other: return command(false);
    case Op::keyholder: victim().keyholder_answers = next() % 2 == 0; return;
  }
}

/// Most of what matters happens once a tunnel is up.
void Program::begin(std::uint8_t how) {
  if (how % 4 == 3) return;
  pair_.initiate_a();
  if (how % 4 == 2) return;
  pair_.run();
  if (how % 4 == 1) {
    pair_.command_b(ike::CheckLiveness{"to-a.example"});
    pair_.run();
  }
}

void Program::check(const Side& side) {
  const ike::IkeLimits limits = small_config().limits;
  const auto infos = side.endpoint.snapshot();
  require(infos.size() <= limits.ike_sas_max + limits.lingering_max, "IKE SAs are limited");
  require(side.endpoint.half_open_count() <= limits.half_open_max, "half-open SAs are limited");
  std::size_t children = 0;
  std::set<std::uint32_t> spis;
  for (const ike::IkeSaInfo& info : infos) {
    children += info.children.size();
    require(info.waiting <= limits.own_requests_queue_max + 2, "own requests are limited");
    require(info.children.size() <= 2 * limits.children_per_ike_max + 1, "children are limited");
    require(!info.established_at || info.suite.has_value(), "an established SA has a suite");
    for (const ike::ChildSaInfo& child : info.children) {
      require(child.spi_in.value > 255 && child.spi_out.value > 255, "SPIs are not reserved ones");
      require(spis.insert(child.spi_in.value).second, "SPIs are unique");
      require(!child.local.empty() && !child.remote.empty(), "a child has selectors");
    }
  }
  // A replaced SA that still receives for a while is not shown.
  const auto live = side.live();
  require(children <= live.size(), "what the snapshot shows is installed");
  require(live.size() <= installed_max, "what is installed is limited");
}

void Program::end() {
  pair_.command_a(ike::Shutdown{});
  pair_.command_b(ike::Shutdown{});
  pair_.filter = [](Datagram&) { return false; };
  pair_.advance(120s);
  for (const Side* side : {&pair_.a, &pair_.b}) {
    require(side->live().empty(), "nothing is left after a shutdown");
    require(side->endpoint.snapshot().empty(), "no SA is left after a shutdown");
    require(!side->endpoint.poll_deadline(), "nothing more to do after a shutdown");
  }
}

void Program::run() {
  begin(next());
  for (std::size_t i = 0; i < instructions_max && has_more(); ++i) {
    step(static_cast<Op>(next() % op_count));
    check(victim());
    while (pair_.wire.size() > wire_max) pair_.wire.pop_front();
  }
  check(other());
  end();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Program program{fuzz::bytes_of(data, size)};
  program.run();
  return 0;
}
