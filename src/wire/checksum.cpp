#include "wire/checksum.h"

#include <bit>

#include "base/error.h"

namespace caponier::wire {

namespace {

std::uint16_t fold(ChecksumSum sum) {
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(sum);
}

std::uint16_t to_big_endian_words(std::uint16_t native) {
  if constexpr (std::endian::native == std::endian::little) {
    return static_cast<std::uint16_t>(native << 8 | native >> 8);
  }
  return native;
}

/// Two native 64-bit words, in a register of their own where the machine has such.
using WordPair = std::uint64_t __attribute__((vector_size(16)));

/// The sum of 32-bit words: that of all the 64-bit words modulo 2^64, and that of their upper
/// halves, from which the lower halves' follows. So an addition and a half is enough for each.
struct WideSum {
  WordPair all{};
  WordPair upper{};

  void add(WordPair words) {
    all += words;
    upper += words >> 32;
  }
  [[nodiscard]] ChecksumSum total() const {
    const WordPair lower = all - (upper << 32);
    return lower[0] + lower[1] + upper[0] + upper[1];
  }
};

/// Takes a `Word` from `from` and, when copying, puts it at `to`; both move on.
template <class Word, bool is_copying>
Word next_word(const std::byte*& from, std::byte*& to) {
  Word word;
  std::memcpy(&word, from, sizeof word);
  from += sizeof word;
  if constexpr (is_copying) {
    std::memcpy(to, &word, sizeof word);
    to += sizeof word;
  }
  return word;
}

/// The sum's byte order does not matter until the end (RFC 1071 s2(B)): native words are fastest.
/// Two independent sums keep the adders busy.
template <bool is_copying>
ChecksumSum add_words(ChecksumSum sum, std::byte* to, Bytes data) {
  WideSum sums[2];
  const std::byte* from = data.data();
  std::size_t left = data.size();
  for (; left >= 2 * sizeof(WordPair); left -= 2 * sizeof(WordPair)) {
    sums[0].add(next_word<WordPair, is_copying>(from, to));
    sums[1].add(next_word<WordPair, is_copying>(from, to));
  }
  ChecksumSum native = sums[0].total() + sums[1].total();
  for (; left >= 4; left -= 4) native += next_word<std::uint32_t, is_copying>(from, to);
  if (left >= 2) {
    native += next_word<std::uint16_t, is_copying>(from, to);
    left -= 2;
  }
  sum += to_big_endian_words(fold(native));
  if (left == 1) sum += ChecksumSum{next_word<std::uint8_t, is_copying>(from, to)} << 8;
  return sum;
}

}  // namespace

ChecksumSum checksum_add(ChecksumSum sum, Bytes data) {
  return add_words<false>(sum, nullptr, data);
}

ChecksumSum checksum_copy(ChecksumSum sum, MutBytes to, Bytes data) {
  CAPONIER_ASSERT(to.size() >= data.size());
  return add_words<true>(sum, to.data(), data);
}

ChecksumSum pseudo_header_sum(const IpAddress& source, const IpAddress& destination,
                              std::uint8_t protocol, std::uint32_t length) {
  ChecksumSum sum = checksum_add(0, source.bytes());
  sum = checksum_add(sum, destination.bytes());
  return sum + protocol + (length >> 16) + (length & 0xffff);
}

std::uint16_t checksum_finish(ChecksumSum sum) {
  return static_cast<std::uint16_t>(~std::uint32_t{fold(sum)});
}

std::uint16_t internet_checksum(Bytes data) { return checksum_finish(checksum_add(0, data)); }

std::uint16_t checksum_update(std::uint16_t checksum, std::uint16_t old_word,
                              std::uint16_t new_word) {
  const auto inverted = [](std::uint16_t word) { return ChecksumSum{word ^ 0xffffU}; };
  return checksum_finish(inverted(checksum) + inverted(old_word) + new_word);
}

std::uint16_t checksum_update(std::uint16_t checksum, Bytes old_words, Bytes new_words) {
  CAPONIER_ASSERT(old_words.size() == new_words.size() && old_words.size() % 2 == 0);
  for (std::size_t at = 0; at < old_words.size(); at += 2) {
    checksum = checksum_update(checksum, base::load_be<std::uint16_t>(old_words.data() + at),
                               base::load_be<std::uint16_t>(new_words.data() + at));
  }
  return checksum;
}

std::uint16_t transport_checksum(const IpAddress& source, const IpAddress& destination,
                                 std::uint8_t protocol, Bytes segment) {
  const ChecksumSum sum =
      pseudo_header_sum(source, destination, protocol, static_cast<std::uint32_t>(segment.size()));
  return checksum_finish(checksum_add(sum, segment));
}

}  // namespace caponier::wire
