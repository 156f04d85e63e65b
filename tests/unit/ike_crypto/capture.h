#pragma once
// The Ethernet frames of a pcap or pcapng file, and the UDP payloads of those with IPv4: as much of
// the formats as the test captures need.

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace caponier::test {

inline base::ByteVec read_file(const std::string& path) {
  std::ifstream in{path, std::ios::binary};
  const std::string text{std::istreambuf_iterator<char>{in}, {}};
  return base::to_vec(base::as_bytes(text));
}

/// Empty past the end of `bytes`.
inline base::Bytes part(base::Bytes bytes, std::size_t at, std::size_t size) {
  if (at > bytes.size() || size > bytes.size() - at) return {};
  return bytes.subspan(at, size);
}

inline std::uint32_t load_le32(base::Bytes bytes, std::size_t at) {
  const base::Bytes raw = part(bytes, at, 4);
  std::uint32_t value = 0;
  for (std::size_t i = raw.size(); i-- > 0;) {
    value = value << 8 | std::to_integer<std::uint32_t>(raw[i]);
  }
  return value;
}

inline base::ByteVec udp_payload(base::Bytes frame) {
  constexpr std::size_t ip_at = 14;
  const base::Bytes version = part(frame, ip_at, 1);
  if (version.empty()) return {};
  const std::size_t udp_at = ip_at + 4 * (std::to_integer<std::size_t>(version[0]) & 0x0f);
  const base::Bytes length = part(frame, udp_at + 4, 2);
  if (length.empty()) return {};
  const std::size_t size = base::load_be<std::uint16_t>(length.data());
  return size < 8 ? base::ByteVec{} : base::to_vec(part(frame, udp_at + 8, size - 8));
}

inline std::vector<base::ByteVec> frames_of_pcap(base::Bytes file) {
  std::vector<base::ByteVec> frames;
  for (std::size_t at = 24; at + 16 <= file.size();) {
    const std::size_t size = load_le32(file, at + 8);
    frames.push_back(base::to_vec(part(file, at + 16, size)));
    at += 16 + size;
  }
  return frames;
}

inline std::vector<base::ByteVec> frames_of_pcapng(base::Bytes file) {
  constexpr std::uint32_t enhanced_packet = 6;
  std::vector<base::ByteVec> frames;
  for (std::size_t at = 0; at + 12 <= file.size();) {
    const std::size_t block_size = load_le32(file, at + 4);
    if (block_size < 12) break;
    if (load_le32(file, at) == enhanced_packet) {
      frames.push_back(base::to_vec(part(file, at + 28, load_le32(file, at + 20))));
    }
    at += block_size;
  }
  return frames;
}

/// Empty when the file is absent.
inline std::vector<base::ByteVec> udp_payloads(const std::string& path) {
  const base::ByteVec file = read_file(path);
  auto frames = path.ends_with(".pcapng") ? frames_of_pcapng(file) : frames_of_pcap(file);
  for (base::ByteVec& frame : frames) frame = udp_payload(frame);
  return frames;
}

}  // namespace caponier::test
