// What an OCSP responder answers. Input: an octet of options (1: the root signs it), then the
// answer.

#include <openssl/ocsp.h>

#include "fuzz/pki_fixture.h"

namespace {

using namespace caponier;

const fuzz::Pair& pair() {
  static const fuzz::Pair made;
  return made;
}

using Response = std::unique_ptr<OCSP_RESPONSE, crypto::ossl::Freed<OCSP_RESPONSE_free>>;
using Basic = std::unique_ptr<OCSP_BASICRESP, crypto::ossl::Freed<OCSP_BASICRESP_free>>;

base::ByteVec signed_by_root(base::Bytes der) {
  const auto response = pki::ossl::object_of<Response>(der, d2i_OCSP_RESPONSE);
  const Basic basic{response == nullptr ? nullptr : OCSP_response_get1_basic(response.get())};
  if (basic == nullptr || OCSP_basic_sign(basic.get(), pair().root.get(), pair().root_key.get(),
                                          EVP_sha256(), nullptr, OCSP_NOTIME) != 1) {
    return base::to_vec(der);
  }
  const Response again{OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic.get())};
  return pki::ossl::der_of(again.get(), i2d_OCSP_RESPONSE);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const base::Bytes content = fuzz::bytes_of(data, size).subspan(1);
  const base::ByteVec answer = (data[0] & 1) != 0 ? signed_by_root(content) : base::to_vec(content);
  const auto store = pair().make_store();
  const auto taken = store->take_answer(pair().fetch(pki::FetchKind::ocsp), answer, fuzz::now);
  fuzz::require(taken.has_value() || !taken.error().empty(), "a refusal has a sentence");
  const std::vector<wire::CertPayload> certs{{4, pair().leaf_der}, {14, answer}};
  const policy::Identity identity = policy::Identity::parse("gw.example.org");
  const auto verdict = store->verify({.identity = identity,
                                      .certs = certs,
                                      .now = fuzz::now,
                                      .revocation = pki::Revocation::strict,
                                      .purpose = pki::Purpose::any,
                                      .anchors = {},
                                      .required_policies = {},
                                      .may_fetch = true});
  fuzz::require(taken.has_value() || std::holds_alternative<pki::NeedsFetch>(verdict) ||
                    std::holds_alternative<pki::Refused>(verdict),
                "an answer that is refused makes nobody trusted");
  return 0;
}
