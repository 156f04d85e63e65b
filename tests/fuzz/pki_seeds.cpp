// Writes the seed corpora of the certificate targets: one of everything that is accepted.

#include <filesystem>
#include <fstream>
#include <functional>

#include <openssl/ocsp.h>
#include <openssl/pem.h>

#include "fuzz/pki_fixture.h"

namespace {

namespace fs = std::filesystem;
using namespace caponier;
using base::Bytes;
using base::ByteVec;
using pki::ossl::der_of;

fs::path root;

void write(const std::string& target, const std::string& name, Bytes seed) {
  fs::create_directories(root / target);
  std::ofstream out{root / target / name, std::ios::binary};
  out.write(base::as_text(seed).data(), static_cast<std::streamsize>(seed.size()));
}

ByteVec with_head(std::initializer_list<int> head, Bytes rest) {
  ByteVec out;
  for (const int octet : head) out.push_back(static_cast<std::byte>(octet));
  base::append(out, rest);
  return out;
}

void add_block(ByteVec& input, int what, Bytes content) {
  base::append(input, with_head({what, static_cast<int>(content.size() >> 8),
                                 static_cast<int>(content.size() & 0xff)},
                                content));
}

void write_chains(const fuzz::Pair& pair) {
  const std::vector<std::pair<std::string, std::vector<pki::ossl::ExtensionText>>> kinds{
      {"plain", {{"subjectAltName", "DNS:gw.example.org"}}},
      {"uses",
       {{"subjectAltName", "DNS:gw.example.org,email:a@example.org,IP:192.0.2.1"},
        {"keyUsage", "critical,digitalSignature"},
        {"extendedKeyUsage", "serverAuth,clientAuth"}}},
      {"policies",
       {{"certificatePolicies", "1.2.3.4"},
        {"policyConstraints", "requireExplicitPolicy:3"},
        {"inhibitAnyPolicy", "1"}}},
      {"constraints",
       {{"basicConstraints", "critical,CA:TRUE,pathlen:3"},
        {"nameConstraints",
         "critical,permitted;DNS:example.org,excluded;IP:0.0.0.0/0.0.0.0,permitted;email:.org"}}},
      {"sources",
       {{"authorityInfoAccess", "OCSP;URI:http://o/"},
        {"crlDistributionPoints", "URI:http://c/"},
        {"freshestCRL", "URI:http://d/"}}},
  };
  for (const auto& [name, extensions] : kinds) {
    const auto made = pki::ossl::make_certificate(
        {"CN=L", {fuzz::now.value - 9}, fuzz::year_later, extensions, {std::byte{3}}, nullptr},
        pair.leaf_key.get(), pair.root.get(), pair.root_key.get());
    ByteVec input{std::byte{8}};
    add_block(input, 0x84, der_of(made.value().get(), i2d_X509));
    if (name == "constraints") {
      const auto below =
          pki::ossl::make_certificate({"CN=M",
                                       {fuzz::now.value - 9},
                                       fuzz::year_later,
                                       kinds[0].second,
                                       {std::byte{4}},
                                       nullptr},
                                      pair.leaf_key.get(), made.value().get(), pair.leaf_key.get());
      ByteVec both{std::byte{0}};
      add_block(both, 4, der_of(below.value().get(), i2d_X509));
      add_block(both, 0x84, der_of(made.value().get(), i2d_X509));
      write("pki_chain", "two", both);
    }
    write("pki_chain", name, input);
  }
}

ByteVec crl(const fuzz::Pair& pair, std::vector<pki::RevokedSerial> revoked,
            std::vector<pki::ossl::ExtensionText> extensions) {
  const auto made = pki::ossl::make_crl(
      {{1, {fuzz::now.value - 9}, fuzz::year_later, revoked}, std::move(extensions), nullptr},
      pair.root.get(), pair.root_key.get());
  return der_of(made.value().get(), i2d_X509_CRL);
}

void write_crls(const fuzz::Pair& pair) {
  write("pki_crl", "empty", with_head({0}, crl(pair, {}, {})));
  write("pki_crl", "resigned", with_head({1}, crl(pair, {}, {})));
  write("pki_crl", "revoked",
        with_head({1}, crl(pair, {{"02", fuzz::now, pki::RevocationReason::key_compromise}}, {})));
  write("pki_crl", "scope",
        with_head({1}, crl(pair, {{"07", fuzz::now, {}}},
                           {{"issuingDistributionPoint", "critical,fullname:URI:http://c/"}})));
  write("pki_crl", "delta", with_head({1}, crl(pair, {}, {{"deltaCRL", "critical,DER:020101"}})));
}

void write_ocsp(const fuzz::Pair& pair) {
  for (const int status : {V_OCSP_CERTSTATUS_GOOD, V_OCSP_CERTSTATUS_REVOKED}) {
    OCSP_BASICRESP* const basic = OCSP_BASICRESP_new();
    OCSP_CERTID* const id = OCSP_cert_to_id(nullptr, pair.leaf.get(), pair.root.get());
    ASN1_GENERALIZEDTIME* const from = ASN1_GENERALIZEDTIME_set(nullptr, fuzz::now.value - 9);
    ASN1_GENERALIZEDTIME* const to = ASN1_GENERALIZEDTIME_set(nullptr, fuzz::year_later.value);
    OCSP_basic_add1_status(basic, id, status, 0, from, from, to);
    OCSP_basic_sign(basic, pair.root.get(), pair.root_key.get(), EVP_sha256(), nullptr, 0);
    OCSP_RESPONSE* const response = OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
    const ByteVec der = der_of(response, i2d_OCSP_RESPONSE);
    const std::string name = status == V_OCSP_CERTSTATUS_GOOD ? "good" : "revoked";
    write("pki_ocsp", name, with_head({0}, der));
    write("pki_ocsp", name + "-resigned", with_head({1}, der));
    OCSP_RESPONSE_free(response);
    OCSP_BASICRESP_free(basic);
    OCSP_CERTID_free(id);
    ASN1_GENERALIZEDTIME_free(from);
    ASN1_GENERALIZEDTIME_free(to);
  }
  write("pki_ocsp", "try-later", with_head({0}, base::from_hex("30030a0103").value()));
}

void write_auth() {
  using pki::SignatureScheme;
  const Bytes octets = base::as_bytes("octets");
  const auto add = [&](int key, std::string_view hex, int method, SignatureScheme scheme) {
    const auto signature =
        pki::ossl::make_signature(fuzz::fixed_key(hex).get(), scheme, octets).value();
    const Bytes algorithm = pki::algorithm_identifier(scheme);
    ByteVec input = with_head({key, method}, {});
    if (method == 14) {
      input.push_back(static_cast<std::byte>(algorithm.size()));
      base::append(input, algorithm);
    }
    base::append(input, signature);
    write("pki_auth", std::to_string(method) + "-" + std::to_string(static_cast<int>(scheme)),
          input);
  };
  add(0, fuzz::root_key_hex, 9, SignatureScheme::ecdsa_concatenated);
  add(0, fuzz::root_key_hex, 14, SignatureScheme::ecdsa_sha2_256);
  add(1, fuzz::ed25519_key_hex, 14, SignatureScheme::ed25519);
  add(2, fuzz::rsa_key_hex, 1, SignatureScheme::rsa_pkcs1_sha1);
  add(2, fuzz::rsa_key_hex, 1, SignatureScheme::rsa_pkcs1_sha2_256);
  add(2, fuzz::rsa_key_hex, 14, SignatureScheme::rsa_pkcs1_sha2_512);
  add(2, fuzz::rsa_key_hex, 14, SignatureScheme::rsa_pss_sha2_256);
}

void write_bio(const std::string& name, const std::function<void(BIO*)>& fill) {
  const pki::ossl::Bio bio{BIO_new(BIO_s_mem())};
  fill(bio.get());
  write("pki_files", name, pki::ossl::content_of(bio.get()));
}

void write_files(const fuzz::Pair& pair) {
  EVP_PKEY* const key = pair.leaf_key.get();
  // Few rounds: the derivation is not what is looked for.
  write_bio("pkcs8.pem", [&](BIO* bio) {
    PEM_write_bio_PKCS8PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr);
  });
  write_bio("sec1.der", [&](BIO* bio) { i2d_PrivateKey_bio(bio, key); });
  write_bio("rsa.pem", [&](BIO* bio) {
    PEM_write_bio_PrivateKey_traditional(bio, fuzz::fixed_key(fuzz::rsa_key_hex).get(), nullptr,
                                         nullptr, 0, nullptr, nullptr);
  });
  write_bio("encrypted.pem", [&](BIO* bio) {
    PEM_write_bio_PKCS8PrivateKey(bio, key, EVP_aes_256_cbc(), "secret", 6, nullptr, nullptr);
  });
  write_bio("encrypted.der", [&](BIO* bio) {
    i2d_PKCS8PrivateKey_bio(bio, key, EVP_aes_256_cbc(), "secret", 6, nullptr, nullptr);
  });
  const pki::ossl::Pkcs12 container{PKCS12_create("secret", "x", key, pair.leaf.get(), nullptr,
                                                  NID_aes_256_cbc, NID_aes_256_cbc, 1, 1, 0)};
  write("pki_files", "gw.p12", der_of(container.get(), i2d_PKCS12));
  write_bio("bundle.pem", [&](BIO* bio) {
    PEM_write_bio_X509(bio, pair.root.get());
    PEM_write_bio_X509(bio, pair.leaf.get());
  });
  write("pki_files", "leaf.der", pair.leaf_der);
  write("pki_files", "crl.der", crl(pair, {{"02", fuzz::now, {}}}, {}));
  write("pki_files", "name", base::as_bytes("C=CH, O=Ex\\2Cample+OU=x, CN=gw\\ "));
  write("pki_files", "raw", base::as_bytes(pki::raw_key_text(pki::ossl::examine(key).value())));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  root = argv[1];
  const fuzz::Pair pair;
  write_chains(pair);
  write_crls(pair);
  write_ocsp(pair);
  write_auth();
  write_files(pair);
  return 0;
}
