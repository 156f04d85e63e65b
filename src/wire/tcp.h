#pragma once
// TCP (RFC 9293), as much as a gateway looks at.

#include <cstddef>
#include <cstdint>

#include "base/bytes.h"

namespace caponier::wire {

using base::Bytes;
using base::MutBytes;
using base::Wire;

inline constexpr std::size_t tcp_header_size_min = 20;

/// A segment whose data offset holds.
class TcpView {
 public:
  static constexpr std::uint8_t flag_fin = 0x01;
  static constexpr std::uint8_t flag_syn = 0x02;
  static constexpr std::uint8_t flag_rst = 0x04;
  static constexpr std::uint8_t flag_psh = 0x08;
  static constexpr std::uint8_t flag_ack = 0x10;

  [[nodiscard]] static Wire<TcpView> checked(Bytes segment);

  [[nodiscard]] std::uint16_t source_port() const { return load<std::uint16_t>(0); }
  [[nodiscard]] std::uint16_t destination_port() const { return load<std::uint16_t>(2); }
  [[nodiscard]] std::uint32_t sequence() const { return load<std::uint32_t>(4); }
  [[nodiscard]] std::uint32_t acknowledgment() const { return load<std::uint32_t>(8); }
  [[nodiscard]] std::size_t header_length() const {
    return std::size_t{load<std::uint8_t>(12)} / 16 * 4;
  }
  [[nodiscard]] std::uint8_t flags() const { return load<std::uint8_t>(13); }
  [[nodiscard]] std::uint16_t window() const { return load<std::uint16_t>(14); }
  [[nodiscard]] std::uint16_t checksum() const { return load<std::uint16_t>(16); }
  [[nodiscard]] Bytes options() const {
    return bytes_.first(header_length()).subspan(tcp_header_size_min);
  }
  [[nodiscard]] Bytes payload() const { return bytes_.subspan(header_length()); }

 private:
  explicit TcpView(Bytes bytes) : bytes_(bytes) {}
  template <class T>
  [[nodiscard]] T load(std::size_t at) const {
    return base::load_be<T>(bytes_.data() + at);
  }

  Bytes bytes_;
};

/// Lowers the MSS option of a SYN to `mss_max` and corrects the checksum (RFC 1624). False, and
/// nothing changed, when the segment is no SYN, is malformed, or asks for no more than that.
bool clamp_tcp_mss(MutBytes segment, std::uint16_t mss_max);

}  // namespace caponier::wire
