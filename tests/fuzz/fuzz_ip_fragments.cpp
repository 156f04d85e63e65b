// IP packets in pieces: what is split comes together again, and whatever strangers send as pieces
// stays within the limits. The first byte chooses which of the two.

#include <vector>

#include "fuzz/fuzz.h"
#include "ipsec/reassembly.h"
#include "wire/ip.h"
#include "wire/ip_split.h"

namespace {

using namespace caponier;
using base::Bytes;
using base::ByteVec;
using fuzz::require;

constexpr base::Instant start{std::chrono::hours{1}};

/// What the receiver has to make of it: nothing but the identification and options are free.
void check_same(const ByteVec& whole, Bytes original) {
  const auto before = wire::upper_layer(original);
  const auto after = wire::upper_layer(whole);
  if (!before || before->is_fragment) return;
  require(after.has_value(), "what comes together again is a packet");
  require(base::equal(Bytes{whole}.subspan(after->offset, after->end - after->offset),
                      original.subspan(before->offset, before->end - before->offset)),
          "what comes together again is what was split");
}

void check_together(const std::vector<ByteVec>& pieces, Bytes original, bool backwards,
                    bool is_whole) {
  base::DropCounters drops;
  ipsec::Reassembly reassembly{{}, drops};
  std::size_t made = 0;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    const ByteVec& piece = pieces[backwards ? pieces.size() - 1 - i : i];
    const auto whole = reassembly.add(piece, start);
    if (!whole || !*whole) continue;
    ++made;
    check_same(**whole, original);
  }
  if (!is_whole || pieces.size() > ipsec::ReassemblyLimits{}.fragments_per_set_max) return;
  require(made == 1, "all pieces make one packet");
  require(reassembly.set_count() == 0 && reassembly.byte_count() == 0, "nothing stays behind");
}

void check_split(Bytes input) {
  base::Reader reader{input};
  const std::size_t mtu = reader.u16("mtu").value_or(0);
  const bool backwards = mtu % 2 == 1;
  const Bytes packet = reader.take_rest();
  std::vector<ByteVec> pieces;
  if (const auto split = wire::Ipv4Split::plan(packet, mtu)) {
    for (std::size_t i = 1; i < split->count(); ++i) {
      pieces.emplace_back(split->size_of(i));
      split->write(i, pieces.back());
    }
    ByteVec first = base::to_vec(packet);
    split->cut_first(first);
    first.resize(split->size_of(0));
    pieces.insert(pieces.begin(), std::move(first));
    const auto view = wire::Ipv4View::checked(packet);
    const bool is_whole = view->fragment_offset() == 0 && !view->more_fragments();
    for (const ByteVec& piece : pieces) {
      require(wire::Ipv4View::checked(piece).has_value(), "a piece is a packet");
    }
    check_together(pieces, packet, backwards, is_whole);
  } else if (const auto split6 = wire::Ipv6Split::plan(packet, mtu, 7)) {
    for (std::size_t i = 0; i < split6->count(); ++i) {
      pieces.emplace_back(split6->size_of(i));
      split6->write(i, pieces.back());
      require(wire::Ipv6View::checked(pieces.back()).has_value(), "a piece is a packet");
    }
    check_together(pieces, packet, backwards, true);
  }
  for (const ByteVec& piece : pieces) require(piece.size() <= mtu, "a piece fits");
}

void check_limits(Bytes input) {
  base::DropCounters drops;
  ipsec::ReassemblyLimits limits;
  limits.sets_max = 4;
  limits.sets_per_source_max = 2;
  limits.fragments_per_set_max = 8;
  limits.bytes_max = 2048;
  ipsec::Reassembly reassembly{limits, drops};
  base::Instant now = start;
  base::Reader reader{input};
  while (const auto size = reader.u16("size")) {
    now = now + std::chrono::milliseconds{*size % 4096};
    const auto packet = reader.take(std::min<std::size_t>(*size % 512, reader.remaining()), "ip");
    const auto whole = reassembly.add(packet.value_or(Bytes{}), now);
    // What is no fragment is handed back as it is.
    if (whole && *whole && !base::equal(**whole, *packet)) {
      require(wire::Ipv4View::checked(**whole) || wire::Ipv6View::checked(**whole),
              "what comes out is a packet");
    }
    require(reassembly.set_count() <= limits.sets_max, "no more unfinished packets than allowed");
    require(reassembly.byte_count() <= limits.bytes_max, "no more octets than allowed");
    reassembly.handle_deadline(now);
    const auto deadline = reassembly.poll_deadline();
    require(!deadline || deadline->at > now, "a deadline that has passed has been handled");
  }
  reassembly.handle_deadline(now + limits.age_max);
  require(reassembly.set_count() == 0 && reassembly.byte_count() == 0, "nothing stays for ever");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1 || size > 70000) return 0;
  const Bytes input = fuzz::bytes_of(data, size).subspan(1);
  if (data[0] % 2 == 0) {
    check_split(input);
  } else {
    check_limits(input);
  }
  return 0;
}
