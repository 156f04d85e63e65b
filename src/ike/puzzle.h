#pragma once
// Client puzzles (RFC 8019): under attack a responder wants to see work done before it does any.
// Four keys are to be found for which prf(key, text) ends with so many zero bits.

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "crypto/crypto.h"
#include "wire/ike.h"

namespace caponier::ike {

inline constexpr std::size_t puzzle_keys = 4;  ///< RFC 8019 s7.1.3

/// The PUZZLE notify (s8.1).
struct Puzzle {
  crypto::PrfId prf{};
  std::uint8_t bits = 0;  ///< 0: as many as the initiator likes
};
[[nodiscard]] wire::NotifyPayload make_puzzle(const Puzzle& puzzle);
/// Null when it makes no sense.
[[nodiscard]] std::optional<Puzzle> read_puzzle(const wire::NotifyPayload& notify);

/// The Puzzle Solution payload (s8.2): opaque, and never critical.
[[nodiscard]] wire::UnknownPayload make_solution(base::ByteVec keys);
/// Null when there is none.
[[nodiscard]] const base::ByteVec* find_solution(const std::vector<wire::Payload>& payloads);

/// The bits that all four keys achieve; null when these are no four different keys of legal size.
[[nodiscard]] std::optional<unsigned> solved_bits(const crypto::Prf& prf, base::Bytes text,
                                                  base::Bytes solution);

/// What the puzzle of IKE_AUTH is about (s7.2.3): Nr | SPIr.
[[nodiscard]] base::ByteVec auth_puzzle_text(base::Bytes nonce_r, base::IkeSpi spi_r);

/// Works on a puzzle in portions, so that everybody else gets a turn.
class PuzzleSolver {
 public:
  /// `start`: where the search begins, any number.
  PuzzleSolver(std::unique_ptr<crypto::Prf> prf, base::ByteVec text, unsigned bits,
               std::uint32_t start);
  /// At most so many more hashes; true when it is solved.
  [[nodiscard]] bool work(std::size_t hashes_max);
  /// All hashes until now.
  [[nodiscard]] std::size_t hashes() const { return hashes_; }
  /// Complete once work() has said so.
  [[nodiscard]] const base::ByteVec& solution() const { return solution_; }

 private:
  static constexpr std::size_t key_size = 4;

  std::unique_ptr<crypto::Prf> prf_;
  base::ByteVec text_;
  unsigned bits_;
  std::uint32_t next_;
  std::size_t hashes_ = 0;
  base::ByteVec solution_;
};

}  // namespace caponier::ike
