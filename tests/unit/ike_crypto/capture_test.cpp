// Messages that other implementations sealed, opened with the keys published beside them.

#include <array>
#include <sstream>

#include <gtest/gtest.h>

#include "crypto/openssl/provider.h"
#include "ike/protection.h"
#include "unit/ike_crypto/capture.h"

namespace caponier::ike {
namespace {

using base::ByteVec;
using base::SecretBytes;
using crypto::EncrId;
using crypto::IntegId;
using crypto::KeGroup;
using crypto::PrfId;

const std::string wireshark = std::string{CAPONIER_VECTORS} + "/wireshark/";

struct Capture {
  std::string file;
  crypto::CipherSuite cipher;
  std::string auth_start;  ///< hex, of one IKE_AUTH message
};

SecretBytes secret(std::string_view hex) {
  const ByteVec bytes = base::from_hex(hex).value_or(ByteVec{});
  return SecretBytes{base::Bytes{bytes}};
}

/// A row of ikev2_decryption_table: SPIi, SPIr, SK_ei, SK_er, name, SK_ai, SK_ar, name.
std::optional<IkeKeys> keys_of(base::IkeSpi spi_i) {
  const std::string table =
      std::string{base::as_text(test::read_file(wireshark + "ikev2_decryption_table.tmpl"))};
  std::array<std::byte, 8> raw{};
  base::store_be(raw.data(), spi_i.value);
  std::istringstream lines{table};
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with(base::to_hex(raw))) continue;
    std::vector<std::string> cells;
    std::istringstream row{line};
    for (std::string cell; std::getline(row, cell, ',');) cells.push_back(cell);
    if (cells.size() < 8) return std::nullopt;
    IkeKeys keys;
    keys.sk_ei = secret(cells[2]);
    keys.sk_er = secret(cells[3]);
    keys.sk_ai = secret(cells[5]);
    keys.sk_ar = secret(cells[6]);
    return keys;
  }
  return std::nullopt;
}

/// Opens every protected message of the capture; collects the AUTH payloads' first 8 octets.
std::vector<std::string> open_all(const Capture& capture, const std::vector<ByteVec>& datagrams) {
  const policy::IkeSuite suite{capture.cipher, PrfId::hmac_sha2_256, KeGroup::ecp_256};
  base::SeededRng rng{1};
  const crypto::OpensslProvider crypto;
  std::vector<std::string> auths;
  for (const ByteVec& datagram : datagrams) {
    base::Reader in{datagram};
    const auto header = wire::IkeHeader::decode(in);
    EXPECT_TRUE(header);
    if (!header || header->next_payload != wire::PayloadType::sk) continue;
    auto keys = keys_of(header->spi_i);
    EXPECT_TRUE(keys);
    if (!keys) continue;
    auto protection = MessageProtection::make(crypto, suite, *keys, !header->from_initiator(), rng);
    EXPECT_TRUE(protection);
    if (!protection) continue;
    const auto inner = protection->open(datagram);
    EXPECT_TRUE(inner) << capture.file;
    const auto* auth = inner ? wire::find<wire::AuthPayload>(*inner) : nullptr;
    if (auth != nullptr) auths.push_back(base::to_hex(base::Bytes{auth->data}.first(8)));
  }
  return auths;
}

void check(const Capture& capture) {
  const auto datagrams = test::udp_payloads(wireshark + capture.file);
  if (datagrams.empty()) GTEST_SKIP() << "skipped: no ../shared";
  const auto auths = open_all(capture, datagrams);
  ASSERT_EQ(auths.size(), 2U);
  EXPECT_TRUE(auths[0] == capture.auth_start || auths[1] == capture.auth_start)
      << auths[0] << ' ' << auths[1];
}

TEST(WiresharkCapture, in_aes_256_gcm_opens) {
  check({"ikev2-decrypt-aes256gcm16.pcap",
         {EncrId::aes_gcm_16, 256, IntegId::none},
         "9ab71f14ab553cad"});
}

TEST(WiresharkCapture, in_aes_256_cbc_with_hmac_sha2_256_opens) {
  check({"ikev2-decrypt-aes256cbc.pcapng",
         {EncrId::aes_cbc, 256, IntegId::hmac_sha2_256_128},
         "e1a8d550064201a7"});
}

TEST(WiresharkCapture, in_aes_192_ctr_with_hmac_sha2_512_opens) {
  check({"ikev2-decrypt-aes192ctr.pcap",
         {EncrId::aes_ctr, 192, IntegId::hmac_sha2_512_256},
         "3ec23dcf93484856"});
}

TEST(Rfc7634, appendix_b_opens) {
  const ByteVec datagram = *base::from_hex(
      "c0c1c2c3c4c5c6c7d0d1d2d3d4d5d6d72e202500000000090000004529000029"
      "1011121314151617"
      "610394701f8d017f7c129248896b71bfe25236efd7cdc67066906315b2");
  IkeKeys keys;
  keys.sk_ei = secret("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3");
  keys.sk_er = keys.sk_ei.duplicate();
  const policy::IkeSuite suite{
      {EncrId::chacha20_poly1305, 0, IntegId::none}, PrfId::hmac_sha2_256, KeGroup::curve25519};
  base::SeededRng rng{1};
  const crypto::OpensslProvider crypto;
  auto protection = MessageProtection::make(crypto, suite, keys, true, rng);
  ASSERT_TRUE(protection);
  const auto inner = protection->open(datagram);
  ASSERT_TRUE(inner);
  ASSERT_EQ(inner->size(), 1U);
  const auto* notify = std::get_if<wire::NotifyPayload>(&inner->front());
  ASSERT_NE(notify, nullptr);
  EXPECT_EQ(notify->type, wire::NotifyType::set_window_size);
  EXPECT_EQ(base::to_hex(notify->data), "0000000a");
}

}  // namespace
}  // namespace caponier::ike
