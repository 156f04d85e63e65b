// NIST CAVP 800-135: the whole IKEv2 key schedule of RFC 7296 s2.14, s2.17 and s2.18. PRFs that are
// not shipped (HMAC with SHA-1 and SHA-224) are built here, so that prf+ meets all 280 cases.

#include <array>
#include <map>
#include <string>

#include <openssl/hmac.h>

#include "vectors/vector_files.h"

namespace caponier::crypto {
namespace {

using base::ByteVec;

class NistIkev2 : public test_vectors::Vectors {};

class LegacyPrf final : public Prf {
 public:
  explicit LegacyPrf(const EVP_MD* digest) : digest_(digest) {}
  [[nodiscard]] std::size_t size() const override {
    return static_cast<std::size_t>(EVP_MD_get_size(digest_));
  }
  [[nodiscard]] SecretBytes compute(Bytes key, std::span<const Bytes> parts) const override {
    ByteVec text;
    for (const Bytes part : parts) base::append(text, part);
    SecretBytes out{size()};
    const auto octets = [](const void* at) { return static_cast<const unsigned char*>(at); };
    void* to = out.reveal_mutable().data();
    EXPECT_NE(HMAC(digest_, key.data(), static_cast<int>(key.size()), octets(text.data()),
                   text.size(), static_cast<unsigned char*>(to), nullptr),
              nullptr);
    return out;
  }

 private:
  const EVP_MD* digest_;
};

std::unique_ptr<Prf> prf_of(const std::string& hash) {
  if (hash == "SHA-1") return std::make_unique<LegacyPrf>(EVP_sha1());
  if (hash == "SHA-224") return std::make_unique<LegacyPrf>(EVP_sha224());
  const std::map<std::string, PrfId> shipped{{"SHA-256", PrfId::hmac_sha2_256},
                                             {"SHA-384", PrfId::hmac_sha2_384},
                                             {"SHA-512", PrfId::hmac_sha2_512}};
  return test::real_providers().front()->make_prf(shipped.at(hash)).value();
}

using Case = std::map<std::string, ByteVec>;

void expect_key_schedule(const Prf& prf, const Case& known) {
  const ByteVec& ni = known.at("Ni");
  const ByteVec& nr = known.at("Nr");
  const ByteVec& g_ir_new = known.at("g^ir (new)");
  ByteVec nonces = ni;
  base::append(nonces, nr);
  const auto expect = [&known](const std::string& name, Bytes value) {
    EXPECT_EQ(base::to_hex(value), base::to_hex(known.at(name))) << name;
  };

  const SecretBytes skeyseed = prf.compute(nonces, std::array<Bytes, 1>{known.at("g^ir")});
  expect("SKEYSEED", skeyseed.reveal());

  const std::array<Bytes, 4> ike_seed{ni, nr, known.at("SPIi"), known.at("SPIr")};
  const auto dkm = prf_plus(prf, skeyseed.reveal(), ike_seed, known.at("DKM").size()).value();
  expect("DKM", dkm.reveal());

  const Bytes sk_d = dkm.reveal().first(prf.size());
  const std::array<Bytes, 2> child_seed{ni, nr};
  expect("DKM(Child SA)",
         prf_plus(prf, sk_d, child_seed, known.at("DKM(Child SA)").size()).value().reveal());

  const std::array<Bytes, 3> child_ke_seed{g_ir_new, ni, nr};
  expect("DKM(Child SA D-H)",
         prf_plus(prf, sk_d, child_ke_seed, known.at("DKM(Child SA D-H)").size()).value().reveal());

  expect("SKEYSEED(Rekey)", prf.compute(sk_d, child_ke_seed).reveal());
}

/// "name = hex" lines; a case is complete with its last name.
TEST_F(NistIkev2, all_280_cases_of_the_key_schedule) {
  auto file = test_vectors::open_file("nist-cavp-800-135/ikev2.rsp");
  std::map<std::string, int> cases_of;
  std::string hash;
  Case known;
  for (std::string line; std::getline(file, line);) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.starts_with("[SHA-")) hash = line.substr(1, line.size() - 2);
    const std::size_t equals = line.find(" = ");
    if (line.starts_with('[') || line.starts_with('#') || equals == std::string::npos) continue;
    const std::string name = line.substr(0, equals);
    if (name == "COUNT") {
      known.clear();
      continue;
    }
    known[name] = base::from_hex(line.substr(equals + 3)).value();
    if (name != "SKEYSEED(Rekey)") continue;
    SCOPED_TRACE(hash + " case " + std::to_string(cases_of[hash]));
    expect_key_schedule(*prf_of(hash), known);
    ++cases_of[hash];
  }
  const std::map<std::string, int> expected{
      {"SHA-1", 40}, {"SHA-224", 60}, {"SHA-256", 60}, {"SHA-384", 60}, {"SHA-512", 60}};
  EXPECT_EQ(cases_of, expected);
}

}  // namespace
}  // namespace caponier::crypto
