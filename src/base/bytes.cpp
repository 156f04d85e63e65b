#include "base/bytes.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/error.h"

namespace caponier::base {

Bytes as_bytes(std::string_view text) { return std::as_bytes(std::span{text.data(), text.size()}); }

std::string_view as_text(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

void append(ByteVec& to, Bytes bytes) { to.insert(to.end(), bytes.begin(), bytes.end()); }

void copy_into(MutBytes to, Bytes from) {
  CAPONIER_ASSERT(from.size() <= to.size());
  if (!from.empty()) std::memcpy(to.data(), from.data(), from.size());
}

bool equal(Bytes a, Bytes b) { return std::ranges::equal(a, b); }

std::string to_hex(Bytes bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string hex;
  hex.reserve(bytes.size() * 2);
  for (const std::byte b : bytes) {
    hex.push_back(digits[std::to_integer<std::size_t>(b >> 4)]);
    hex.push_back(digits[std::to_integer<std::size_t>(b & std::byte{15})]);
  }
  return hex;
}

namespace {
int digit_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}
}  // namespace

std::optional<ByteVec> from_hex(std::string_view hex) {
  if (hex.size() % 2 != 0) return std::nullopt;
  ByteVec out;
  out.reserve(hex.size() / 2);
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    const int high = digit_value(hex[i]);
    const int low = digit_value(hex[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    out.push_back(static_cast<std::byte>(high * 16 + low));
  }
  return out;
}

std::string_view name_of(WireFault fault) {
  switch (fault) {
    case WireFault::truncated: return "truncated";
    case WireFault::trailing_bytes: return "trailing bytes";
    case WireFault::bad_length: return "bad length";
    case WireFault::reserved_bits: return "reserved bits set";
    case WireFault::out_of_range: return "out of range";
  }
  return "unknown";
}

Wire<Bytes> Reader::take(std::size_t size, std::string_view field) {
  if (remaining() < size) return std::unexpected{error(WireFault::truncated, field)};
  const Bytes taken = bytes_.subspan(at_, size);
  at_ += size;
  return taken;
}

Bytes Reader::take_rest() {
  const Bytes rest = bytes_.subspan(at_);
  at_ = bytes_.size();
  return rest;
}

Wire<Reader> Reader::sub(std::size_t size, std::string_view field) {
  const std::size_t start = offset();
  return Reader{TRY(take(size, field)), start};
}

Wire<void> Reader::skip(std::size_t size, std::string_view field) {
  TRY(take(size, field));
  return {};
}

Wire<void> Reader::finish(std::string_view field) const {
  if (remaining() != 0) return std::unexpected{error(WireFault::trailing_bytes, field)};
  return {};
}

namespace {
template <class T>
void patch(ByteVec& out, std::size_t at, std::size_t value, bool& failed) {
  CAPONIER_ASSERT(at + sizeof(T) <= out.size());
  if (value > std::numeric_limits<T>::max()) {
    failed = true;
    return;
  }
  store_be(out.data() + at, static_cast<T>(value));
}
}  // namespace

void Writer::patch_u8(std::size_t at, std::uint8_t value) {
  patch<std::uint8_t>(out_, at, value, failed_);
}
void Writer::patch_u16(std::size_t at, std::size_t value) {
  patch<std::uint16_t>(out_, at, value, failed_);
}
void Writer::patch_u32(std::size_t at, std::size_t value) {
  patch<std::uint32_t>(out_, at, value, failed_);
}

std::optional<ByteVec> Writer::finish() {
  if (failed_) return std::nullopt;
  return std::exchange(out_, {});
}

}  // namespace caponier::base
