// Two IKE endpoints, and any bytes as what one of them says inside SK. The first octet picks the
// moment; then come records of exchange type, type of the first payload, size of the chain, chain.

#include <algorithm>

#include "fuzz/fuzz.h"
#include "unit/ike/pair.h"

namespace {

using namespace caponier;
using namespace caponier::ike::test;
using base::Bytes;
using fuzz::require;
using ike::IkeState;
using wire::ExchangeType;

enum class Moment : std::uint8_t { stranger, auth_request, auth_response, requests, responses };
constexpr std::uint8_t moment_count = 5;
constexpr std::size_t records_max = 8;

struct Record {
  ExchangeType exchange{};
  wire::PayloadType first{};
  Bytes chain;
};

std::optional<Record> next_record(base::Reader& in) {
  const auto exchange = in.u8("exchange");
  const auto first = in.u8("first");
  const auto size = in.u8("size");
  if (!exchange || !first || !size) return std::nullopt;
  const std::size_t taken = std::min<std::size_t>(*size, in.remaining());
  const auto chain = in.take(taken, "chain");
  if (!chain) return std::nullopt;
  return Record{static_cast<ExchangeType>(35 + *exchange % 4),
                static_cast<wire::PayloadType>(*first), *chain};
}

/// Replaces the first IKE_AUTH message in that direction.
void tamper(Pair& pair, bool to_b, const Record& record) {
  bool is_done = false;
  pair.filter = [&, is_done](Datagram& datagram) mutable {
    if (is_done || datagram.to_b != to_b || datagram.header().exchange != ExchangeType::ike_auth) {
      return true;
    }
    is_done = true;
    Forger forger{pair.a.record.keys.at(0)};
    datagram.message = forger.seal_raw(datagram.header(), record.first, record.chain);
    return true;
  };
  pair.initiate_a();
  pair.run();
  pair.filter = nullptr;
}

void send_requests(Pair& pair, base::Reader& in) {
  pair.initiate_a();
  pair.run();
  Forger forger{pair.a.record.keys.at(0)};
  for (std::uint32_t id = 2; id < 2 + records_max; ++id) {
    const auto record = next_record(in);
    if (!record) return;
    pair.inject(true, forger.raw_request(record->exchange, id, record->first, record->chain));
  }
}

/// B's answers to what A asks are forged.
void send_responses(Pair& pair, base::Reader& in) {
  pair.initiate_a();
  pair.run();
  Forger forger{pair.a.record.keys.at(0)};
  pair.filter = [&](Datagram& datagram) {
    const wire::IkeHeader header = datagram.header();
    if (datagram.to_b || !header.is_response()) return true;
    if (const auto record = next_record(in)) {
      datagram.message = forger.seal_raw(header, record->first, record->chain);
    }
    return true;
  };
  pair.command_a(ike::InitiateChild{"to-b.example", "net"});
  pair.run();
  pair.command_a(ike::CheckLiveness{"to-b.example"});
  pair.run();
  for (const policy::InstallSa* sa : pair.a.live()) pair.command_a(ike::DeleteChild{sa->id});
  pair.run();
  pair.filter = nullptr;
}

void check(const Side& side) {
  std::size_t children = 0;
  for (const ike::IkeSaInfo& info : side.endpoint.snapshot()) {
    children += info.children.size();
    require(info.state == IkeState::established || info.children.empty(),
            "only an established SA has children");
  }
  // A replaced SA that still receives for a while is not shown.
  require(children <= side.live().size(), "what the snapshot shows is installed");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  base::Reader in{fuzz::bytes_of(data, size)};
  const auto choice = in.u8("moment");
  if (!choice) return 0;
  Pair pair;
  switch (static_cast<Moment>(*choice % moment_count)) {
    case Moment::stranger: pair.inject(true, in.take_rest()); break;
    case Moment::auth_request:
      if (const auto record = next_record(in)) tamper(pair, true, *record);
      break;
    case Moment::auth_response:
      if (const auto record = next_record(in)) tamper(pair, false, *record);
      break;
    case Moment::requests: send_requests(pair, in); break;
    case Moment::responses: send_responses(pair, in); break;
  }
  check(pair.a);
  check(pair.b);
  pair.command_a(ike::Shutdown{});
  pair.command_b(ike::Shutdown{});
  pair.filter = [](Datagram&) { return false; };
  pair.advance(60s);
  for (const Side* side : {&pair.a, &pair.b}) {
    require(side->live().empty(), "nothing is left after a shutdown");
    require(side->endpoint.snapshot().empty(), "no SA is left after a shutdown");
    require(!side->endpoint.poll_deadline(), "nothing more to do after a shutdown");
  }
  return 0;
}
