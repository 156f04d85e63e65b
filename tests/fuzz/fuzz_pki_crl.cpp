// What a URL gives as a CRL. Input: an octet of options (1: the root signs it), then the CRL.

#include "fuzz/pki_fixture.h"

namespace {

using namespace caponier;

const fuzz::Pair& pair() {
  static const fuzz::Pair made;
  return made;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const base::Bytes input = fuzz::bytes_of(data, size);
  base::ByteVec answer = base::to_vec(input.subspan(1));
  const auto crl = pki::ossl::object_of<pki::ossl::Crl>(answer, d2i_X509_CRL);
  const bool sign = (data[0] & 1) != 0 && crl != nullptr;
  if (sign && X509_CRL_sign(crl.get(), pair().root_key.get(), EVP_sha256()) > 0) {
    answer = pki::ossl::der_of(crl.get(), i2d_X509_CRL);
  }
  const auto store = pair().make_store();
  const auto taken = store->take_answer(pair().fetch(pki::FetchKind::crl), answer, fuzz::now);
  fuzz::require(taken.has_value() || !taken.error().empty(), "a refusal has a sentence");
  if (taken && crl != nullptr) {
    const auto again = pki::ossl::object_of<pki::ossl::Crl>(answer, d2i_X509_CRL);
    fuzz::require(X509_CRL_verify(again.get(), pair().root_key.get()) == 1,
                  "a CRL that is taken was signed");
  }
  const std::vector<wire::CertPayload> certs{{4, pair().leaf_der}, {7, answer}};
  const policy::Identity identity = policy::Identity::parse("gw.example.org");
  for (const auto policy : {pki::Revocation::strict, pki::Revocation::relaxed}) {
    const auto verdict = store->verify({.identity = identity,
                                        .certs = certs,
                                        .now = fuzz::now,
                                        .revocation = policy,
                                        .purpose = pki::Purpose::any,
                                        .anchors = {},
                                        .required_policies = {},
                                        .may_fetch = false});
    const auto* const refused = std::get_if<pki::Refused>(&verdict);
    fuzz::require(refused == nullptr || refused->reason != pki::Refusal::internal,
                  "a CRL causes no internal failure");
  }
  return 0;
}
