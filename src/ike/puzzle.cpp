#include "ike/puzzle.h"

#include <algorithm>
#include <array>
#include <bit>
#include <utility>

#include "ike/messages.h"

namespace caponier::ike {

using base::Bytes;
using base::ByteVec;

namespace {

unsigned trailing_zero_bits(Bytes bytes) {
  unsigned bits = 0;
  for (auto byte = bytes.rbegin(); byte != bytes.rend(); ++byte) {
    const auto value = std::to_integer<std::uint8_t>(*byte);
    if (value != 0) return bits + static_cast<unsigned>(std::countr_zero(value));
    bits += 8;
  }
  return bits;
}

}  // namespace

//= rfc8019#8.1-1..4
wire::NotifyPayload make_puzzle(const Puzzle& puzzle) {
  base::Writer out;
  out.u16(static_cast<std::uint16_t>(puzzle.prf));
  out.u8(puzzle.bits);
  return make_notify(wire::NotifyType::puzzle, out.finish().value_or(ByteVec{}));
}

std::optional<Puzzle> read_puzzle(const wire::NotifyPayload& notify) {
  base::Reader in{notify.data};
  const auto prf = in.u16("puzzle.prf");
  const auto bits = in.u8("puzzle.difficulty");
  if (!prf || !bits || in.remaining() != 0) return std::nullopt;
  return Puzzle{crypto::PrfId{*prf}, *bits};
}

wire::UnknownPayload make_solution(ByteVec keys) {
  return {wire::PayloadType::puzzle_solution, false, std::move(keys)};
}

const ByteVec* find_solution(const std::vector<wire::Payload>& payloads) {
  for (const wire::Payload& payload : payloads) {
    const auto* const unknown = std::get_if<wire::UnknownPayload>(&payload);
    if (unknown != nullptr && unknown->type == wire::PayloadType::puzzle_solution) {
      return &unknown->data;
    }
  }
  return nullptr;
}

std::optional<unsigned> solved_bits(const crypto::Prf& prf, Bytes text, Bytes solution) {
  const std::size_t size = solution.size() / puzzle_keys;
  //= rfc8019#8.2-1..2 rfc8019#8.2-4
  if (size == 0 || size > prf.size() || size * puzzle_keys != solution.size()) return std::nullopt;
  //= rfc8019#7.1.4-6..7 rfc8019#7.2.4-3
  std::optional<unsigned> least;
  for (std::size_t i = 0; i < puzzle_keys; ++i) {
    const Bytes key = solution.subspan(i * size, size);
    for (std::size_t j = 0; j < i; ++j) {
      if (base::equal(key, solution.subspan(j * size, size))) return std::nullopt;
    }
    const base::SecretBytes result = prf.compute(key, std::array{text});
    if (result.empty()) return std::nullopt;
    const unsigned bits = trailing_zero_bits(result.reveal());
    least = least ? std::min(*least, bits) : bits;
  }
  return least;
}

ByteVec auth_puzzle_text(Bytes nonce_r, base::IkeSpi spi_r) {
  ByteVec text = base::to_vec(nonce_r);
  base::append(text, to_bytes(spi_r));
  return text;
}

PuzzleSolver::PuzzleSolver(std::unique_ptr<crypto::Prf> prf, ByteVec text, unsigned bits,
                           std::uint32_t start)
    : prf_(std::move(prf)), text_(std::move(text)), bits_(bits), next_(start) {}

bool PuzzleSolver::work(std::size_t hashes_max) {
  for (std::size_t i = 0; i < hashes_max; ++i) {
    if (solution_.size() == puzzle_keys * key_size) return true;
    std::array<std::byte, key_size> key{};
    base::store_be(key.data(), next_++);
    ++hashes_;
    const base::SecretBytes result = prf_->compute(key, std::array{Bytes{text_}});
    if (!result.empty() && trailing_zero_bits(result.reveal()) >= bits_) {
      base::append(solution_, key);
    }
  }
  return solution_.size() == puzzle_keys * key_size;
}

}  // namespace caponier::ike
