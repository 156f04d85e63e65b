#include <array>

#include <gtest/gtest.h>

#include "crypto/null/provider.h"
#include "unit/crypto/helpers.h"

namespace caponier::crypto {
namespace {

std::unique_ptr<Prf> sha256_prf() {
  return OpensslProvider{}.make_prf(PrfId::hmac_sha2_256).value();
}

TEST(PrfPlus, chains_each_round_over_the_last_one_the_seed_and_the_round_number) {
  const auto prf = sha256_prf();
  const ByteVec key = test::hex("0102");
  const ByteVec a = test::hex("aabb");
  const ByteVec b = test::hex("cc");
  const std::array<Bytes, 2> seed{a, b};
  const auto out = prf_plus(*prf, key, seed, 70).value();

  const ByteVec first = test::hex("aabbcc01");
  const SecretBytes t1 = prf->compute(key, std::array<Bytes, 1>{first});
  ByteVec second = base::to_vec(t1.reveal());
  base::append(second, test::hex("aabbcc02"));
  const SecretBytes t2 = prf->compute(key, std::array<Bytes, 1>{second});
  EXPECT_TRUE(base::equal(out.reveal().first(32), t1.reveal()));
  EXPECT_TRUE(base::equal(out.reveal().subspan(32, 32), t2.reveal()));
  EXPECT_EQ(out.size(), 70U);
}

TEST(PrfPlus, a_shorter_request_is_a_prefix_of_a_longer_one) {
  const auto prf = sha256_prf();
  const ByteVec key = test::hex("0102");
  const auto longest = prf_plus(*prf, key, {}, 255 * 32).value();
  for (const std::size_t size : {0U, 1U, 31U, 32U, 33U, 64U, 1000U}) {
    const auto out = prf_plus(*prf, key, {}, size).value();
    EXPECT_TRUE(base::equal(out.reveal(), longest.reveal().first(size))) << size;
  }
}

TEST(PrfPlus, refuses_more_than_255_rounds) {
  const auto out = prf_plus(*sha256_prf(), test::hex("01"), {}, 255 * 32 + 1);
  ASSERT_FALSE(out);
  EXPECT_EQ(out.error(), CryptoError::bad_key_size);
}

TEST(Prf, takes_keys_of_any_size_and_sees_only_the_concatenation_of_its_parts) {
  const NullProvider null{nullptr};
  auto providers = test::real_providers();
  providers.push_back(&null);
  const ByteVec whole = test::hex("00010203040506");
  for (const CryptoProvider* provider : providers) {
    for (const PrfInfo& info : all_prf()) {
      const auto prf = provider->make_prf(info.id).value();
      for (const std::size_t key_size : {0U, 1U, 64U, 128U, 129U, 500U}) {
        const ByteVec key(key_size, std::byte{7});
        const SecretBytes expected = prf->compute(key, std::array<Bytes, 1>{whole});
        const SecretBytes split = prf->compute(
            key, std::array<Bytes, 3>{Bytes{whole}.first(3), Bytes{}, Bytes{whole}.subspan(3)});
        EXPECT_EQ(expected.size(), info.size);
        EXPECT_TRUE(base::equal(expected.reveal(), split.reveal())) << info.name << key_size;
      }
    }
    EXPECT_EQ(provider->make_prf(PrfId{1}).error(), CryptoError::unsupported);
  }
}

TEST(CryptoError, every_value_has_a_name) {
  EXPECT_EQ(name_of(CryptoError::unsupported), "unsupported");
  EXPECT_EQ(name_of(CryptoError::bad_key_size), "bad_key_size");
  EXPECT_EQ(name_of(CryptoError::bad_public_value), "bad_public_value");
  EXPECT_EQ(name_of(CryptoError::weak_result), "weak_result");
  EXPECT_EQ(name_of(CryptoError::backend_failure), "backend_failure");
}

}  // namespace
}  // namespace caponier::crypto
