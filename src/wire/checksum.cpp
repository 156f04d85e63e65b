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

}  // namespace

ChecksumSum checksum_add(ChecksumSum sum, Bytes data) {
  // The sum's byte order does not matter until the end (RFC 1071 s2(B)): native words are fastest.
  // Four independent sums keep the adders busy; 32-bit words cannot overflow 64-bit sums.
  ChecksumSum sums[4] = {};
  const std::byte* at = data.data();
  std::size_t left = data.size();
  for (; left >= 16; left -= 16, at += 16) {
    std::uint64_t words[2];
    std::memcpy(words, at, sizeof words);
    sums[0] += words[0] & 0xffffffff;
    sums[1] += words[0] >> 32;
    sums[2] += words[1] & 0xffffffff;
    sums[3] += words[1] >> 32;
  }
  ChecksumSum native = sums[0] + sums[1] + sums[2] + sums[3];
  for (; left >= 4; left -= 4, at += 4) {
    std::uint32_t words = 0;
    std::memcpy(&words, at, sizeof words);
    native += words;
  }
  if (left >= 2) {
    std::uint16_t word = 0;
    std::memcpy(&word, at, sizeof word);
    native += word;
    left -= 2;
    at += 2;
  }
  sum += to_big_endian_words(fold(native));
  if (left == 1) sum += std::to_integer<ChecksumSum>(*at) << 8;
  return sum;
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
