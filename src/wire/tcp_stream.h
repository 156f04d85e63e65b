#pragma once
// The framing of IKE and ESP in a TCP stream (RFC 9329 s3, s4): a prefix that only the originator
// sends, then messages behind a length of 16 bits that counts itself. Memory is bounded on both
// sides, however the bytes are cut.

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>

#include "base/bytes.h"

namespace caponier::wire {

using base::Bytes;

/// "IKETCP", once, from the originator.
inline constexpr std::array<std::byte, 6> tcp_stream_prefix = {
    std::byte{'I'}, std::byte{'K'}, std::byte{'E'}, std::byte{'T'}, std::byte{'C'}, std::byte{'P'}};
inline constexpr std::size_t tcp_length_size = 2;
/// What the length can say, itself not counted.
inline constexpr std::size_t tcp_message_max = 0xffff - tcp_length_size;

/// Who opened the connection.
enum class TcpRole : std::uint8_t { originator, responder };

enum class TcpStreamFault : std::uint8_t {
  bad_prefix,
  bad_length,  ///< less than the length field itself
  too_long,    ///< more than the reader takes
};

class TcpStreamReader {
 public:
  /// `role` is ours: a responder waits for the prefix first. Never holds more than `message_max`
  /// bytes and one length.
  TcpStreamReader(TcpRole role, std::size_t message_max)
      : message_max_(message_max), in_prefix_(role == TcpRole::responder) {}

  /// Takes bytes from the front of `input` until one message is whole: as UDP port 4500 would have
  /// carried it, borrowed until the next call or the end of what `input` refers to. Nothing: all of
  /// `input` is taken and more is needed. After a fault the stream is beyond help.
  [[nodiscard]] std::expected<std::optional<Bytes>, TcpStreamFault> next(Bytes& input);

  [[nodiscard]] std::size_t buffered() const { return buffer_.size(); }

 private:
  /// Moves bytes from `input` until the buffer holds `size`; whether it does.
  [[nodiscard]] bool fill(Bytes& input, std::size_t size);
  [[nodiscard]] std::expected<bool, TcpStreamFault> read_prefix(Bytes& input);

  std::size_t message_max_;
  bool in_prefix_;
  bool is_taken_ = false;  ///< the buffer holds a message that has been handed out
  base::ByteVec buffer_;
};

class TcpStreamWriter {
 public:
  /// `role` is ours: the originator sends the prefix first.
  explicit TcpStreamWriter(TcpRole role);

  /// Queues one message, as UDP port 4500 would carry it. False, and nothing queued: it is empty or
  /// too long for the framing, or more than `unsent_max` bytes would wait.
  [[nodiscard]] bool push(Bytes message, std::size_t unsent_max);
  /// What is to be sent next, in one piece.
  [[nodiscard]] Bytes unsent() const { return Bytes{queue_}.subspan(sent_); }
  [[nodiscard]] bool is_empty() const { return sent_ == queue_.size(); }
  /// The first `count` bytes of unsent() are gone.
  void consume(std::size_t count);

 private:
  base::ByteVec queue_;
  std::size_t sent_ = 0;
};

}  // namespace caponier::wire
