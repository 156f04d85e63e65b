// What an ESP packet looks like to those who hold the keys (RFC 4303 s2).

#include <gtest/gtest.h>

#include "crypto/openssl/provider.h"
#include "ipsec/esp_size.h"
#include "unit/ipsec/pair.h"

namespace caponier::ipsec::test {
namespace {

const crypto::OpensslProvider openssl;
constexpr crypto::CipherSuite in_clear{crypto::EncrId::null, 0, crypto::IntegId::hmac_sha2_256_128};
constexpr std::size_t icv_size = 16;

struct Clear {
  Clear() : pair(spec(), {}, openssl) {}
  static Spec spec() {
    Spec made;
    made.suite = in_clear;
    made.esn = false;
    return made;
  }
  /// Payload, padding, Pad Length and Next Header of the ESP packet around `packet`.
  ByteVec text_around(const ByteVec& packet) {
    const ByteVec esp = protect_one(pair.a, packet).esp;
    return {esp.begin() + wire::esp_header_size, esp.end() - icv_size};
  }
  Pair pair;
};

//= rfc4303#2.3-3 type=test
TEST(EspFormat, the_header_behind_esp_begins_at_a_multiple_of_8_octets) {
  for (const crypto::EncrInfo& encr : crypto::all_encr()) {
    Spec spec;
    spec.suite = {encr.id, encr.default_key_bits,
                  encr.aead ? crypto::IntegId::none : crypto::IntegId::hmac_sha2_256_128};
    Pair pair{spec};
    ASSERT_TRUE(pair.installed) << encr.name;
    const auto cipher =
        pair.provider.make_cipher(spec.suite, ByteVec(crypto::encr_key_size(spec.suite)),
                                  ByteVec(crypto::integ_key_size(spec.suite)), pair.rng);
    ASSERT_TRUE(cipher.has_value()) << encr.name;
    const std::size_t before = wire::esp_header_size + (*cipher)->iv_size();
    EXPECT_EQ(before % 8, 0u) << encr.name;
    const std::size_t behind = esp_trailer_size + (*cipher)->icv_size();
    const std::size_t size = protect_one(pair.a, v4_packet(100)).esp.size();
    const std::size_t padding = size - before - behind - v4_packet(100).size();
    EXPECT_LT(padding, std::max<std::size_t>(4, (*cipher)->block_size())) << encr.name;
  }
  Clear clear;
  const ByteVec text = clear.text_around(v6_packet());
  EXPECT_EQ(base::to_vec(Bytes{text}.first(v6_packet().size())), v6_packet());
}

//= rfc4303#2.4-2..3 type=test
TEST(EspFormat, padding_counts_from_one_and_fills_the_last_word) {
  Clear clear;
  for (std::size_t size = 0; size < 20; ++size) {
    const ByteVec packet = v4_packet(size);
    ByteVec wanted = packet;
    for (std::uint8_t octet = 1; (wanted.size() + esp_trailer_size) % 4 != 0; ++octet) {
      wanted.push_back(std::byte{octet});
    }
    wanted.push_back(static_cast<std::byte>(wanted.size() - packet.size()));
    wanted.push_back(std::byte{wire::ip_protocol::ipv4});
    EXPECT_EQ(clear.text_around(packet), wanted) << size;
    EXPECT_EQ(clear.pair.a_to_b(packet), packet) << size;
  }
}

//= rfc4303#2.6-1 rfc4303#2.6-3 type=test
TEST(EspFormat, a_dummy_packet_is_a_whole_one_with_next_header_59) {
  Clear clear;
  policy::InstallSa sa = install_for_a(clear.pair.spec);
  sa.treatment.dummy_interval = std::chrono::milliseconds{100};
  clear.pair.a.remove(sa.id);
  ASSERT_TRUE(clear.pair.a.install(std::move(sa), {}).has_value());
  clear.pair.a.handle_deadline(at_seconds(1));
  ASSERT_EQ(clear.pair.a.made().size(), 1u);
  const ByteVec esp = base::to_vec(clear.pair.a.made().front().packet->bytes());
  EXPECT_EQ(base::load_be<std::uint32_t>(esp.data()), spi_to_b(clear.pair.spec).value);
  EXPECT_EQ(base::load_be<std::uint32_t>(esp.data() + 4), 1u);
  const std::size_t next_header_at = esp.size() - icv_size - 1;
  EXPECT_EQ(esp[next_header_at], std::byte{59});
  const auto padding = std::to_integer<std::size_t>(esp[next_header_at - 1]);
  for (std::size_t i = 0; i < padding; ++i) {
    EXPECT_EQ(esp[next_header_at - 1 - padding + i], static_cast<std::byte>(i + 1));
  }
  EXPECT_EQ(open_one(clear.pair.b, esp).item.drop, DropReason::esp_dummy) << "so the ICV is right";
}

//= rfc4303#2.2-1..2 rfc4303#2.2-4 type=test
TEST(EspFormat, the_sequence_number_is_there_whether_or_not_anybody_looks_at_it) {
  for (const std::uint32_t window : {0U, 64U}) {
    Spec spec;
    spec.window = window;
    Pair pair{spec};
    for (std::uint32_t expected = 1; expected < 100; ++expected) {
      const ByteVec esp = protect_one(pair.a, v4_packet()).esp;
      ASSERT_EQ(base::load_be<std::uint32_t>(esp.data() + 4), expected);
    }
  }
}

}  // namespace
}  // namespace caponier::ipsec::test
