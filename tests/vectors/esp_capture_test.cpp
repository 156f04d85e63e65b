// ESP that other implementations have put on the wire, through the engine.

#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <memory>
#include <string>

#include "base/rng.h"
#include "crypto/openssl/provider.h"
#include "ipsec/engine.h"
#include "unit/ike_crypto/capture.h"
#include "vectors/vector_files.h"
#include "wire/checksum.h"
#include "wire/icmp.h"
#include "wire/ip.h"

namespace caponier::test_vectors {
namespace {

using base::Bytes;
using base::ByteVec;

/// What gzip makes of a file.
ByteVec unzipped(const std::string& path) {
  const std::string command = "gzip -dc '" + path + "'";
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe{popen(command.c_str(), "r"), pclose};
  ByteVec out;
  std::array<std::byte, 4096> piece{};
  while (const std::size_t size =
             pipe ? std::fread(piece.data(), 1, piece.size(), pipe.get()) : 0) {
    base::append(out, Bytes{piece}.first(size));
  }
  return out;
}

/// A line of the capture's key table, as the one SA that receives with it.
struct Row {
  const char* from;
  const char* to;
  const char* inner_from;
  const char* inner_to;
  std::uint32_t spi;
  const char* encr;
  const char* integ;
};
constexpr std::array rows{
    Row{"192.168.0.1", "192.168.0.100", "10.1.0.10", "10.1.1.1", 0x070883c2,
        "5de1a4c2c72662c9fda7a7c78cd25623", "51c9213c18232f8f26c70c4dee6e0e6d56e31e8a"},
    Row{"192.168.0.100", "192.168.0.1", "10.1.1.1", "10.1.0.10", 0xc254fe64,
        "88e1dad7140af03b8d4f3d734d21be4b", "3e00d517c1220d4b7d2950fcc02edd4b6023d278"},
};

policy::InstallSa receiver(const Row& row) {
  const auto secret = [](const char* hex) {
    return base::SecretBytes{Bytes{base::from_hex(hex).value()}};
  };
  const auto address = [](const char* text) { return base::IpAddress::parse(text).value(); };
  policy::InstallSa sa;
  sa.id = {row.spi};
  sa.connection = row.from;
  sa.child = "any";
  sa.mode = policy::SaMode::tunnel;
  sa.suite.cipher = {crypto::EncrId::aes_cbc, 128, crypto::IntegId::hmac_sha1_96};
  sa.suite.esn = false;
  sa.spi_in = {row.spi};
  sa.spi_out = {row.spi ^ 1};
  sa.keys_in = {secret(row.encr), secret(row.integ)};
  sa.keys_out = {secret(row.encr), secret(row.integ)};
  sa.path = {{address(row.to), 0}, {address(row.from), 0}};
  sa.local = {{address(row.inner_to), address(row.inner_to)}};
  sa.remote = {{address(row.inner_from), address(row.inner_from)}};
  return sa;
}

class EspCapture : public Vectors {
 protected:
  EspCapture() {
    const ByteVec file =
        unzipped(std::string{CAPONIER_VECTORS} + "/wireshark/esp-bug-12671.pcapng.gz");
    constexpr std::size_t ethernet_size = 14;
    for (const ByteVec& frame : test::frames_of_pcapng(file)) {
      if (frame.size() > ethernet_size) {
        packets.push_back(base::to_vec(Bytes{frame}.subspan(ethernet_size)));
      }
    }
    std::vector<ipsec::Policy> policies;
    for (const Row& row : rows) {
      const policy::InstallSa sa = receiver(row);
      policies.push_back(
          {ipsec::PolicyAction::protect, sa.connection, sa.child, sa.local, sa.remote});
    }
    engine.set_policies(std::move(policies));
    for (const Row& row : rows) EXPECT_TRUE(engine.install(receiver(row), {}).has_value());
  }

  /// Opens the ESP of a whole IPv4 packet.
  ipsec::OpenItem open(const ByteVec& packet) {
    const auto ip = wire::Ipv4View::checked(packet).value();
    buffer = ipsec::PacketBuffer{2048};
    buffer.assign(ip.payload());
    ipsec::OpenItem item;
    item.packet = &buffer;
    item.path = {{ip.destination(), 0}, {ip.source(), 0}};
    engine.open({&item, 1}, {});
    return item;
  }

  std::vector<ByteVec> packets;
  base::SeededRng rng{1};
  crypto::OpensslProvider provider;
  ipsec::Engine engine{{}, rng, provider};
  ipsec::PacketBuffer buffer{2048};
};

TEST_F(EspCapture, of_a_ping_in_aes_cbc_with_hmac_sha1_96_opens_in_both_directions) {
  ASSERT_EQ(packets.size(), 6U);
  for (std::size_t i = 0; i < packets.size(); ++i) {
    const auto item = open(packets[i]);
    ASSERT_EQ(item.verdict, ipsec::Verdict::forward) << i;
    const auto upper = wire::upper_layer(buffer.bytes()).value();
    ASSERT_EQ(upper.protocol, wire::ip_protocol::icmp);
    const Bytes message = Bytes{buffer.bytes()}.subspan(upper.offset, upper.end - upper.offset);
    EXPECT_EQ(wire::internet_checksum(message), 0);
    const bool is_request = i % 2 == 0;
    EXPECT_EQ(wire::IcmpView::checked(message).value().type(), is_request ? 8 : 0);
    EXPECT_EQ(base::load_be<std::uint16_t>(message.data() + 6), i / 2 + 2);  // sequence
  }
}

TEST_F(EspCapture, opens_once_and_only_as_it_was) {
  ASSERT_EQ(packets.size(), 6U);
  for (std::size_t at = 20; at < packets[0].size(); at += 7) {
    ByteVec spoiled = packets[0];
    spoiled[at] ^= std::byte{1};
    EXPECT_EQ(open(spoiled).verdict, ipsec::Verdict::drop) << at;
  }
  EXPECT_EQ(open(packets[0]).verdict, ipsec::Verdict::forward);
  EXPECT_EQ(open(packets[0]).drop, base::DropReason::esp_replay);
}

}  // namespace
}  // namespace caponier::test_vectors
