#include "ike/keys.h"

#include <array>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "crypto/openssl/provider.h"

namespace caponier::ike {
namespace {

using base::Bytes;
using base::ByteVec;
using base::SecretBytes;
using crypto::EncrId;
using crypto::IntegId;
using crypto::KeGroup;
using crypto::PrfId;

const policy::IkeSuite gcm_suite{
    {EncrId::aes_gcm_16, 256, IntegId::none}, PrfId::hmac_sha2_384, KeGroup::curve25519};
const policy::IkeSuite cbc_suite{
    {EncrId::aes_cbc, 128, IntegId::hmac_sha2_512_256}, PrfId::hmac_sha2_256, KeGroup::ecp_256};

std::unique_ptr<crypto::Prf> make_prf(PrfId id) {
  return crypto::OpensslProvider{}.make_prf(id).value();
}

ByteVec joined(std::initializer_list<const SecretBytes*> parts) {
  ByteVec out;
  for (const SecretBytes* part : parts) base::append(out, part->reveal());
  return out;
}

ByteVec all_of(const IkeKeys& k) {
  return joined({&k.sk_d, &k.sk_ai, &k.sk_ar, &k.sk_ei, &k.sk_er, &k.sk_pi, &k.sk_pr});
}

ByteVec all_of(const ChildKeys& k) {
  return joined({&k.initiator_to_responder.encr, &k.initiator_to_responder.integ,
                 &k.responder_to_initiator.encr, &k.responder_to_initiator.integ});
}

IkeKeys derive(const policy::IkeSuite& suite) {
  const ByteVec shared(32, std::byte{7});
  const ByteVec nonce_i(32, std::byte{1});
  const ByteVec nonce_r(32, std::byte{2});
  return derive_ike_keys(*make_prf(suite.prf), suite, shared, nonce_i, nonce_r, {3}, {4}).value();
}

//= rfc7296#2.13-3 rfc7296#2.14-1 type=test
TEST(IkeKeys, have_the_sizes_of_an_aead_suite) {
  const IkeKeys keys = derive(gcm_suite);
  for (const SecretBytes* key : {&keys.sk_d, &keys.sk_pi, &keys.sk_pr}) EXPECT_EQ(key->size(), 48U);
  for (const SecretBytes* key : {&keys.sk_ei, &keys.sk_er}) EXPECT_EQ(key->size(), 36U);
  for (const SecretBytes* key : {&keys.sk_ai, &keys.sk_ar}) EXPECT_TRUE(key->empty());
}

//= rfc7296#2.13-3 rfc7296#2.14-1 type=test
TEST(IkeKeys, have_the_sizes_of_a_cipher_with_a_mac) {
  const IkeKeys keys = derive(cbc_suite);
  for (const SecretBytes* key : {&keys.sk_d, &keys.sk_pi, &keys.sk_pr}) EXPECT_EQ(key->size(), 32U);
  for (const SecretBytes* key : {&keys.sk_ei, &keys.sk_er}) EXPECT_EQ(key->size(), 16U);
  for (const SecretBytes* key : {&keys.sk_ai, &keys.sk_ar}) EXPECT_EQ(key->size(), 64U);
}

TEST(IkeKeys, are_refused_for_a_suite_that_does_not_exist) {
  auto suite = gcm_suite;
  suite.cipher.integ = IntegId::hmac_sha2_256_128;
  const auto prf = make_prf(suite.prf);
  EXPECT_EQ(derive_ike_keys(*prf, suite, {}, {}, {}, {1}, {2}).error(),
            crypto::CryptoError::unsupported);
}

/// s2.14: AES-XCBC and AES-CMAC take 64 bits of each nonce as the key, the other PRFs all of both.
TEST(IkeKeys, of_a_prf_with_a_key_of_fixed_size_come_from_half_of_each_nonce) {
  const ByteVec shared(32, std::byte{7});
  const ByteVec nonce_i = base::from_hex("000102030405060708090a0b0c0d0e0f").value();
  const ByteVec nonce_r = base::from_hex("101112131415161718191a1b1c1d1e1f2021").value();
  const ByteVec halves = base::from_hex("00010203040506071011121314151617").value();
  const ByteVec seed = base::from_hex(base::to_hex(nonce_i) + base::to_hex(nonce_r) +
                                      "0000000000000003"
                                      "0000000000000004"
                                      "01")
                           .value();
  for (const PrfId id : {PrfId::aes128_xcbc, PrfId::aes128_cmac}) {
    const auto prf = make_prf(id);
    const SecretBytes skeyseed = prf->compute(halves, std::array{Bytes{shared}});
    const SecretBytes first = prf->compute(skeyseed.reveal(), std::array{Bytes{seed}});
    policy::IkeSuite suite = cbc_suite;
    suite.prf = id;
    const auto keys = derive_ike_keys(*prf, suite, shared, nonce_i, nonce_r, {3}, {4}).value();
    EXPECT_EQ(base::to_hex(keys.sk_d.reveal()), base::to_hex(first.reveal()));
  }
}

//= rfc7296#2.17-1..2 rfc4301#4.5.2-2 type=test
TEST(ChildKeys, put_encryption_with_salt_before_integrity_and_the_initiator_first) {
  const auto prf = make_prf(PrfId::hmac_sha2_256);
  const SecretBytes sk_d{Bytes{ByteVec(32, std::byte{9})}};
  const ByteVec nonce(16, std::byte{1});
  const policy::ChildSuite cbc{cbc_suite.cipher};
  const auto keys = derive_child_keys(*prf, cbc, sk_d, {}, nonce, nonce).value();
  EXPECT_EQ(keys.initiator_to_responder.encr.size(), 16U);
  EXPECT_EQ(keys.responder_to_initiator.integ.size(), 64U);
  const std::array<Bytes, 2> seed{nonce, nonce};
  const auto keymat = crypto::prf_plus(*prf, sk_d.reveal(), seed, 160).value();
  EXPECT_EQ(all_of(keys), base::to_vec(keymat.reveal()));

  const policy::ChildSuite gcm{gcm_suite.cipher};
  const auto gcm_keys = derive_child_keys(*prf, gcm, sk_d, {}, nonce, nonce).value();
  EXPECT_EQ(gcm_keys.initiator_to_responder.encr.size(), 36U);
  EXPECT_TRUE(gcm_keys.initiator_to_responder.integ.empty());
}

TEST(SignedOctets, end_with_the_maced_identity_without_its_generic_header) {
  const auto prf = make_prf(PrfId::hmac_sha2_256);
  const SecretBytes sk_p{Bytes{ByteVec(32, std::byte{5})}};
  const ByteVec message = *base::from_hex("aabbcc");
  const ByteVec nonce = *base::from_hex("0102");
  const wire::IdPayload id{true, wire::IdType::ipv4_addr, *base::from_hex("c0000201")};
  const ByteVec id_body = *base::from_hex("01000000c0000201");
  ByteVec expected = *base::from_hex("aabbcc0102");
  base::append(expected, prf->compute(sk_p.reveal(), std::array{Bytes{id_body}}).reveal());
  EXPECT_EQ(signed_octets(*prf, message, nonce, sk_p, id), expected);
}

TEST(SharedKeyAuth, macs_the_octets_with_the_padded_key) {
  // HMAC-SHA-256 twice, computed with Python's hmac module.
  const auto prf = make_prf(PrfId::hmac_sha2_256);
  const auto auth = shared_key_auth(*prf, base::as_bytes("secret"), base::as_bytes("octets"));
  EXPECT_EQ(base::to_hex(auth.reveal()),
            "93d6b432e988c4c184f49457ef7ddfef938f1179de4120120d1cc523b368d33b");
}

// NIST CAVP 800-135: the key material as one string, of which we check how it is cut up.

using Fields = std::map<std::string, std::string>;

std::vector<Fields> nist_cases() {
  std::vector<Fields> cases;
  std::ifstream in{std::string{CAPONIER_VECTORS} + "/nist-cavp-800-135/ikev2.rsp"};
  std::string hash;
  for (std::string line; std::getline(in, line);) {
    while (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.starts_with("[SHA-")) hash = line.substr(1, line.size() - 2);
    const auto at = line.find(" = ");
    if (at == std::string::npos || line.front() == '[' || line.front() == '#') continue;
    const auto key = line.substr(0, at);
    if (key == "COUNT") cases.push_back({{"hash", hash}});
    if (!cases.empty()) cases.back()[key] = line.substr(at + 3);
  }
  return cases;
}

ByteVec field(const Fields& fields, const std::string& name) {
  return base::from_hex(fields.at(name)).value();
}

std::optional<PrfId> prf_of(const Fields& fields) {
  const std::string& hash = fields.at("hash");
  if (hash == "SHA-256") return PrfId::hmac_sha2_256;
  if (hash == "SHA-384") return PrfId::hmac_sha2_384;
  if (hash == "SHA-512") return PrfId::hmac_sha2_512;
  return std::nullopt;
}

/// NIST gives a fixed number of octets; ours may be fewer or more.
void expect_same_start(const ByteVec& ours, const ByteVec& theirs) {
  const std::size_t size = std::min(ours.size(), theirs.size());
  ASSERT_GE(size, 64U);
  EXPECT_EQ(base::to_hex(Bytes{ours}.first(size)), base::to_hex(Bytes{theirs}.first(size)));
}

void check_nist_case(const Fields& fields, PrfId prf_id) {
  const auto prf = make_prf(prf_id);
  const auto nonce_i = field(fields, "Ni");
  const auto nonce_r = field(fields, "Nr");
  const base::IkeSpi spi_i{base::load_be<std::uint64_t>(field(fields, "SPIi").data())};
  const base::IkeSpi spi_r{base::load_be<std::uint64_t>(field(fields, "SPIr").data())};
  for (const auto& suite : {gcm_suite, cbc_suite}) {
    const auto keys =
        derive_ike_keys(*prf, suite, field(fields, "g^ir"), nonce_i, nonce_r, spi_i, spi_r);
    ASSERT_TRUE(keys);
    expect_same_start(all_of(*keys), field(fields, "DKM"));
    const policy::ChildSuite child{suite.cipher};
    const auto plain = derive_child_keys(*prf, child, keys->sk_d, {}, nonce_i, nonce_r);
    const auto fresh =
        derive_child_keys(*prf, child, keys->sk_d, field(fields, "g^ir (new)"), nonce_i, nonce_r);
    ASSERT_TRUE(plain && fresh);
    expect_same_start(all_of(*plain), field(fields, "DKM(Child SA)"));
    expect_same_start(all_of(*fresh), field(fields, "DKM(Child SA D-H)"));
  }
}

void check_nist_rekey(const Fields& fields, PrfId prf_id) {
  const auto prf = make_prf(prf_id);
  const auto nonce_i = field(fields, "Ni");
  const auto nonce_r = field(fields, "Nr");
  const auto spi_i = field(fields, "SPIi");
  const auto spi_r = field(fields, "SPIr");
  const ByteVec dkm = field(fields, "DKM");
  const SecretBytes old_sk_d{Bytes{dkm}.first(prf->size())};
  const auto keys = derive_rekeyed_ike_keys(
      *prf, old_sk_d, *prf, gcm_suite, field(fields, "g^ir (new)"), nonce_i, nonce_r,
      {base::load_be<std::uint64_t>(spi_i.data())}, {base::load_be<std::uint64_t>(spi_r.data())});
  ASSERT_TRUE(keys);
  const ByteVec ours = all_of(*keys);
  const std::array<Bytes, 4> seed{nonce_i, nonce_r, spi_i, spi_r};
  const auto expected =
      crypto::prf_plus(*prf, field(fields, "SKEYSEED(Rekey)"), seed, ours.size()).value();
  EXPECT_EQ(base::to_hex(ours), base::to_hex(expected.reveal()));
}

TEST(NistKeySchedule, is_cut_into_our_keys_in_order) {
  const auto cases = nist_cases();
  if (cases.empty()) GTEST_SKIP() << "skipped: no ../shared";
  std::size_t checked = 0;
  for (const Fields& fields : cases) {
    const auto prf = prf_of(fields);
    if (!prf) continue;
    check_nist_case(fields, *prf);
    check_nist_rekey(fields, *prf);
    ++checked;
  }
  EXPECT_EQ(checked, 180U);
}

/// A back end whose memory is exhausted.
class ExhaustedPrf final : public crypto::Prf {
 public:
  [[nodiscard]] std::size_t size() const override { return 32; }
  [[nodiscard]] SecretBytes compute(Bytes, std::span<const Bytes>) const override { return {}; }
};

TEST(IkeKeySchedule, a_prf_that_fails_makes_no_key_no_octets_and_no_auth) {
  const ExhaustedPrf prf;
  const ByteVec some(32, std::byte{7});
  const SecretBytes sk{Bytes{some}};
  EXPECT_FALSE(derive_ike_keys(prf, cbc_suite, some, some, some, {1}, {2}));
  EXPECT_FALSE(derive_rekeyed_ike_keys(prf, sk, prf, cbc_suite, some, some, some, {1}, {2}));
  EXPECT_FALSE(derive_child_keys(prf, {cbc_suite.cipher}, sk, some, some, some));
  EXPECT_TRUE(signed_octets(prf, some, some, sk, {}).empty());
  EXPECT_TRUE(shared_key_auth(prf, some, some).empty());
}

}  // namespace
}  // namespace caponier::ike
