#include "crypto/self_test.h"

#include <gtest/gtest.h>

#include "crypto/null/provider.h"
#include "unit/crypto/helpers.h"

namespace caponier::crypto {
namespace {

/// OpenSSL with one algorithm swapped for another, to see that the self-test notices.
class Faulty final : public CryptoProvider {
 public:
  PrfId faulty_prf{};
  KeGroup faulty_group{};
  CipherSuite faulty_suite{};

  [[nodiscard]] std::string_view name() const override { return "faulty"; }
  [[nodiscard]] bool supports(const CipherSuite& s) const override { return real_.supports(s); }
  [[nodiscard]] bool supports(PrfId prf) const override { return real_.supports(prf); }
  [[nodiscard]] bool supports(KeGroup group) const override { return real_.supports(group); }
  [[nodiscard]] std::expected<std::unique_ptr<PacketCipher>, CryptoError> make_cipher(
      const CipherSuite& suite, Bytes encr_key, Bytes integ_key, base::Rng& rng) const override {
    ByteVec key = base::to_vec(encr_key);
    if (suite == faulty_suite) key.front() ^= std::byte{1};
    return real_.make_cipher(suite, key, integ_key, rng);
  }
  [[nodiscard]] std::expected<std::unique_ptr<Prf>, CryptoError> make_prf(
      PrfId prf) const override {
    return real_.make_prf(prf == faulty_prf ? PrfId::hmac_sha2_512 : prf);
  }
  [[nodiscard]] std::expected<std::unique_ptr<KeyExchange>, CryptoError> make_key_exchange(
      KeGroup group, base::Rng& rng) const override {
    test::ReplayRng other{test::hex("1234")};
    return real_.make_key_exchange(group, group == faulty_group ? other : rng);
  }
  [[nodiscard]] ByteVec nat_hash(std::span<const Bytes> parts) const override {
    return real_.nat_hash(parts);
  }

 private:
  OpensslProvider real_;
};

TEST(SelfTest, every_real_back_end_passes) {
  for (const CryptoProvider* provider : test::real_providers()) {
    const auto outcome = self_test(*provider);
    EXPECT_TRUE(outcome) << provider->name() << ": " << outcome.error();
  }
}

TEST(SelfTest, names_the_algorithm_that_answers_wrong) {
  Faulty provider;
  ASSERT_TRUE(self_test(provider));
  provider.faulty_prf = PrfId::hmac_sha2_384;
  EXPECT_EQ(self_test(provider).error(), "prf-sha384: output");
  provider.faulty_prf = {};
  for (const KeInfo& info : all_ke()) {
    provider.faulty_group = info.id;
    EXPECT_EQ(self_test(provider).error(), std::string{info.name} + ": public value");
  }
  provider.faulty_group = {};
  provider.faulty_suite = {EncrId::aes_gcm_16, 256};
  EXPECT_EQ(self_test(provider).error(), "aes256-gcm: seal");
  provider.faulty_suite = {EncrId::aes_cbc, 192, IntegId::hmac_sha2_384_192};
  EXPECT_EQ(self_test(provider).error(), "aes192-cbc/hmac-sha384: seal");
}

TEST(SelfTest, the_provider_without_security_fails) {
  EXPECT_FALSE(self_test(NullProvider{nullptr}));
}

}  // namespace
}  // namespace caponier::crypto
