// RFC 8750, and what AH asks of ciphers that hide nothing.

#include <gtest/gtest.h>

#include "crypto/null/provider.h"
#include "unit/crypto/helpers.h"

namespace caponier::crypto {
namespace {

using test::Packet;

struct Twins {
  EncrId implicit_iv;
  EncrId explicit_iv;
  std::uint16_t key_bits;
};

std::vector<Twins> all_twins() {
  std::vector<Twins> twins{{EncrId::chacha20_poly1305_iiv, EncrId::chacha20_poly1305, 0}};
  for (const std::uint16_t bits : std::array<std::uint16_t, 3>{128, 192, 256}) {
    twins.push_back({EncrId::aes_gcm_16_iiv, EncrId::aes_gcm_16, bits});
    twins.push_back({EncrId::aes_ccm_8_iiv, EncrId::aes_ccm_8, bits});
  }
  return twins;
}

TEST(ImplicitIv, gives_what_the_sequence_number_gives_as_an_iv) {
  base::SeededRng rng{1};
  for (const CryptoProvider* provider : test::real_providers()) {
    for (const Twins& twins : all_twins()) {
      for (const bool esn : {false, true}) {
        SCOPED_TRACE(to_string(CipherSuite{twins.implicit_iv, twins.key_bits}));
        const CipherSuite shorter{twins.implicit_iv, twins.key_bits};
        const CipherSuite longer{twins.explicit_iv, twins.key_bits};
        const ByteVec key = test::random_bytes(rng, encr_key_size(shorter));
        const auto with = provider->make_cipher(longer, key, {}, rng).value();
        const auto without = provider->make_cipher(shorter, key, {}, rng).value();
        const ByteVec header = test::random_bytes(rng, 8);
        const ByteVec text = test::random_bytes(rng, 100);
        const auto high = esn ? std::optional{rng.public_u32()} : std::nullopt;
        const auto low = base::load_be<std::uint32_t>(header.data() + 4);

        Packet known{header, ByteVec(8), text, ByteVec(with->icv_size()), high};
        known.job.iv_counter = std::uint64_t{high.value_or(0)} << 32 | low;
        with->seal({&known.job, 1});
        Packet packet{header, {}, text, ByteVec(without->icv_size()), high};
        packet.job.iv_counter = rng.public_u64();  // counts for nothing
        without->seal({&packet.job, 1});
        ASSERT_TRUE(packet.job.ok && known.job.ok);
        EXPECT_TRUE(base::equal(packet.job.text, known.job.text));
        EXPECT_TRUE(base::equal(packet.job.icv, known.job.icv));
        without->open({&packet.job, 1});
        ASSERT_TRUE(packet.job.ok);
        EXPECT_TRUE(base::equal(packet.job.text, text));
      }
    }
  }
}

TEST(ImplicitIv, needs_the_header_of_esp) {
  base::SeededRng rng{2};
  const CipherSuite suite{EncrId::aes_gcm_16_iiv, 128};
  for (const CryptoProvider* provider : test::real_providers()) {
    const auto cipher = provider->make_cipher(suite, ByteVec(20), {}, rng).value();
    for (const std::size_t size : {0U, 4U, 7U, 9U, 32U}) {
      Packet packet{ByteVec(size), {}, ByteVec(16), ByteVec(16)};
      cipher->seal({&packet.job, 1});
      EXPECT_FALSE(packet.job.ok) << size;
    }
  }
}

TEST(ImplicitIv, is_what_the_watch_over_repeated_ivs_sees) {
  struct Watch final : SealObserver {
    void on_seal(Bytes, Bytes iv, Bytes) override { ivs.push_back(base::to_hex(iv)); }
    std::vector<std::string> ivs;
  };
  Watch watch;
  base::SeededRng rng{3};
  const NullProvider provider{&watch};
  const CipherSuite suite{EncrId::aes_gcm_16_iiv, 128};
  const auto cipher = provider.make_cipher(suite, ByteVec(20), {}, rng).value();
  Packet packet{test::hex("c0ffee0100000007"), {}, ByteVec(16), ByteVec(16), 2};
  cipher->seal({&packet.job, 1});
  EXPECT_EQ(watch.ivs, std::vector<std::string>{"0000000200000007"});
}

TEST(AhMac, covers_header_text_and_the_upper_half_of_the_sequence_number) {
  base::SeededRng rng{4};
  for (const IntegInfo& integ : all_integ()) {
    const CipherSuite suite{EncrId::null, 0, integ.id};
    const ByteVec key = test::random_bytes(rng, integ.key_size);
    std::vector<ByteVec> results;
    for (const CryptoProvider* provider : test::real_providers()) {
      const auto cipher = provider->make_cipher(suite, {}, key, rng).value();
      // As one MAC sees it, an IPv6 header and AH before the payload are one with it.
      base::SeededRng same{5};
      Packet packet{test::random_bytes(same, 64), ByteVec(cipher->iv_size()),
                    test::random_bytes(same, 333), ByteVec(cipher->icv_size()), 7};
      packet.job.iv_counter = 99;
      cipher->seal({&packet.job, 1});
      ASSERT_TRUE(packet.job.ok) << provider->name() << integ.name;
      results.push_back(packet.bytes);
      packet.job.esn_high = 8;
      cipher->open({&packet.job, 1});
      EXPECT_FALSE(packet.job.ok) << provider->name() << integ.name;
    }
    EXPECT_EQ(results.front(), results.back()) << integ.name;
  }
}

}  // namespace
}  // namespace caponier::crypto
