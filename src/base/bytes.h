#pragma once
// Byte spans, big-endian access, and the only two classes that touch offsets: Reader and Writer.

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace caponier::base {

using Bytes = std::span<const std::byte>;
using MutBytes = std::span<std::byte>;
using ByteVec = std::vector<std::byte>;

/// Reads a big-endian unsigned integer at `from`; the caller guarantees sizeof(T) bytes.
template <std::unsigned_integral T>
[[nodiscard]] inline T load_be(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return std::endian::native == std::endian::little ? std::byteswap(value) : value;
}

/// Writes `value` big-endian at `to`; the caller guarantees sizeof(T) bytes.
template <std::unsigned_integral T>
inline void store_be(std::byte* to, T value) {
  if (std::endian::native == std::endian::little) value = std::byteswap(value);
  std::memcpy(to, &value, sizeof value);
}

/// The bytes of a character string, not copied.
[[nodiscard]] Bytes as_bytes(std::string_view text);
/// The characters of a byte string, not copied.
[[nodiscard]] std::string_view as_text(Bytes bytes);
[[nodiscard]] inline ByteVec to_vec(Bytes bytes) { return {bytes.begin(), bytes.end()}; }
void append(ByteVec& to, Bytes bytes);
/// Copies `from` to the start of `to`; both sizes are the caller's invariant.
void copy_into(MutBytes to, Bytes from);
/// Equal contents. Not for secrets: see equal_constant_time in base/secret.h.
[[nodiscard]] bool equal(Bytes a, Bytes b);

/// Lower-case hexadecimal without separators.
[[nodiscard]] std::string to_hex(Bytes bytes);
/// The inverse of to_hex; accepts upper case too. Empty on odd length or a foreign character.
[[nodiscard]] std::optional<ByteVec> from_hex(std::string_view hex);

/// Where and why a byte string stopped making sense.
enum class WireFault : std::uint8_t {
  truncated,       ///< fewer bytes than the field needs
  trailing_bytes,  ///< bytes left after the last field of a length-delimited part
  bad_length,      ///< a length field that contradicts its surroundings
  reserved_bits,   ///< a bit that must be zero and is checked
  out_of_range,    ///< a value outside what its definition allows
};

[[nodiscard]] std::string_view name_of(WireFault fault);

struct WireError {
  WireFault fault{};
  std::size_t offset = 0;  ///< from the start of the outermost Reader
  std::string_view field;  ///< static storage: "payload.part"
};

template <class T>
using Wire = std::expected<T, WireError>;

/// A cursor over borrowed bytes. Every read is bounds-checked; nothing is copied.
class Reader {
 public:
  explicit Reader(Bytes bytes, std::size_t base_offset = 0) : bytes_(bytes), base_(base_offset) {}

  [[nodiscard]] std::size_t remaining() const { return bytes_.size() - at_; }
  /// Position counted from the outermost Reader.
  [[nodiscard]] std::size_t offset() const { return base_ + at_; }

  [[nodiscard]] Wire<std::uint8_t> u8(std::string_view field) {
    return integer<std::uint8_t>(field);
  }
  [[nodiscard]] Wire<std::uint16_t> u16(std::string_view field) {
    return integer<std::uint16_t>(field);
  }
  [[nodiscard]] Wire<std::uint32_t> u32(std::string_view field) {
    return integer<std::uint32_t>(field);
  }
  [[nodiscard]] Wire<std::uint64_t> u64(std::string_view field) {
    return integer<std::uint64_t>(field);
  }
  /// The next `size` bytes, borrowed.
  [[nodiscard]] Wire<Bytes> take(std::size_t size, std::string_view field);
  /// Everything that is left, borrowed.
  [[nodiscard]] Bytes take_rest();
  /// A Reader over the next `size` bytes, which the caller must finish().
  [[nodiscard]] Wire<Reader> sub(std::size_t size, std::string_view field);
  [[nodiscard]] Wire<void> skip(std::size_t size, std::string_view field);
  /// Fails unless every byte has been read.
  [[nodiscard]] Wire<void> finish(std::string_view field) const;
  /// An error at the current position.
  [[nodiscard]] WireError error(WireFault fault, std::string_view field) const {
    return {fault, offset(), field};
  }

 private:
  template <std::unsigned_integral T>
  Wire<T> integer(std::string_view field) {
    if (remaining() < sizeof(T)) return std::unexpected{error(WireFault::truncated, field)};
    const T value = load_be<T>(bytes_.data() + at_);
    at_ += sizeof(T);
    return value;
  }

  Bytes bytes_;
  std::size_t base_ = 0;
  std::size_t at_ = 0;
};

/// Appends big-endian fields to an owned buffer. A value that does not fit a length field sets a
/// sticky flag, so encoders need no error paths; finish() tells.
class Writer {
 public:
  void u8(std::uint8_t value) { integer(value); }
  void u16(std::uint16_t value) { integer(value); }
  void u32(std::uint32_t value) { integer(value); }
  void u64(std::uint64_t value) { integer(value); }
  void bytes(Bytes data) { append(out_, data); }
  void zeros(std::size_t count) { out_.resize(out_.size() + count); }

  [[nodiscard]] std::size_t size() const { return out_.size(); }
  /// Overwrites an earlier 16-bit field, which must already have been written.
  void patch_u16(std::size_t at, std::size_t value);
  void patch_u32(std::size_t at, std::size_t value);
  void patch_u8(std::size_t at, std::uint8_t value);
  void fail() { failed_ = true; }
  [[nodiscard]] bool failed() const { return failed_; }
  /// The bytes written so far, borrowed until the next write.
  [[nodiscard]] Bytes view() const { return out_; }
  /// Gives up the buffer; empty when a value did not fit its field.
  [[nodiscard]] std::optional<ByteVec> finish();

 private:
  template <std::unsigned_integral T>
  void integer(T value) {
    const std::size_t at = out_.size();
    out_.resize(at + sizeof(T));
    store_be(out_.data() + at, value);
  }

  ByteVec out_;
  bool failed_ = false;
};

}  // namespace caponier::base
