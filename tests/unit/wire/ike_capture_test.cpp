// Real IKEv2 messages from third-party captures (Ethernet, classic pcap): all decode and re-encode
// byte-identically.

#include <filesystem>
#include <fstream>
#include <iterator>

#include <gtest/gtest.h>

#include "wire/ike.h"
#include "wire/ip.h"
#include "wire/natt.h"
#include "wire/udp.h"

namespace caponier::wire {
namespace {

namespace fs = std::filesystem;

ByteVec contents_of(const fs::path& file) {
  std::ifstream in{file, std::ios::binary};
  const std::string text{std::istreambuf_iterator<char>{in}, {}};
  return base::to_vec(base::as_bytes(text));
}

std::uint32_t load_le32(Bytes bytes, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = 4; i-- > 0;)
    value = value << 8 | std::to_integer<std::uint32_t>(bytes[at + i]);
  return value;
}

/// The IKE message in an Ethernet frame; empty when there is none.
Bytes ike_in(Bytes frame) {
  constexpr std::size_t ethernet_header_size = 14;
  if (frame.size() < ethernet_header_size) return {};
  const auto ip = Ipv4View::checked(frame.subspan(ethernet_header_size));
  if (!ip || ip->protocol() != ip_protocol::udp) return {};
  const auto udp = UdpView::checked(ip->payload());
  if (!udp) return {};
  if (udp->destination_port() == 500 || udp->source_port() == 500) return udp->payload();
  const NattDatagram datagram = classify_natt(udp->payload());
  return datagram.kind == NattKind::ike ? datagram.body : Bytes{};
}

std::size_t check_capture(Bytes pcap) {
  constexpr std::size_t file_header_size = 24;
  constexpr std::size_t record_header_size = 16;
  std::size_t checked = 0;
  for (std::size_t at = file_header_size; at + record_header_size <= pcap.size();) {
    const std::size_t size = load_le32(pcap, at + 8);
    const Bytes ike = ike_in(pcap.subspan(at + record_header_size, size));
    at += record_header_size + size;
    if (ike.empty()) continue;
    const auto message = IkeMessage::decode(ike);
    EXPECT_TRUE(message.has_value()) << message.error().field;
    if (!message) continue;
    const auto encoded = message->encode();
    EXPECT_TRUE(encoded.has_value() && base::equal(*encoded, ike));
    ++checked;
  }
  return checked;
}

TEST(Captures, messages_of_other_implementations_reencode_byte_identically) {
  const fs::path folder = fs::path{CAPONIER_VECTORS} / "wireshark";
  if (!fs::exists(folder)) GTEST_SKIP() << "skipped: no ../shared";
  std::size_t checked = 0;
  for (const auto& entry : fs::directory_iterator{folder}) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with("ikev2") || entry.path().extension() != ".pcap") continue;
    SCOPED_TRACE(name);
    checked += check_capture(contents_of(entry.path()));
  }
  EXPECT_GE(checked, 12U);
  RecordProperty("messages", static_cast<int>(checked));
}

}  // namespace
}  // namespace caponier::wire
