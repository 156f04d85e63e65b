// OCSP (RFC 6960): the request about one certificate, and whose answers count.

#include <fmt/format.h>
#include <openssl/ocsp.h>

#include "base/error.h"
#include "pki/openssl/revocation.h"

namespace caponier::pki::ossl {

namespace {

using CertId = std::unique_ptr<OCSP_CERTID, Freed<OCSP_CERTID_free>>;
using Request = std::unique_ptr<OCSP_REQUEST, Freed<OCSP_REQUEST_free>>;
using Response = std::unique_ptr<OCSP_RESPONSE, Freed<OCSP_RESPONSE_free>>;
using Basic = std::unique_ptr<OCSP_BASICRESP, Freed<OCSP_BASICRESP_free>>;
using StorePtr = std::unique_ptr<X509_STORE, Freed<X509_STORE_free>>;

constexpr int auth_level = 2;
constexpr int responder_certificates_max = 8;
constexpr int answers_max = 64;

bool has_weak_hash(const OCSP_BASICRESP* basic) {
  const ASN1_OBJECT* oid = nullptr;
  X509_ALGOR_get0(&oid, nullptr, nullptr, OCSP_resp_get0_tbs_sigalg(basic));
  int hash = NID_undef;
  if (OBJ_find_sigid_algs(OBJ_obj2nid(oid), &hash, nullptr) != 1) return true;
  return hash == NID_sha1 || hash == NID_md5;
}

/// Checking a signature with a key of any size a stranger likes would cost any time he likes.
bool has_unfit_keys(const OCSP_BASICRESP* basic) {
  const STACK_OF(X509)* const certificates = OCSP_resp_get0_certs(basic);
  const int count = sk_X509_num(certificates);
  if (count > responder_certificates_max) return true;
  for (int i = 0; i < count; ++i) {
    EVP_PKEY* const key = X509_get0_pubkey(sk_X509_value(certificates, i));
    if (key == nullptr || !examine(key)) return true;
  }
  return false;
}

/// Signed by the issuer, or by who has a certificate of it for that (RFC 6960 s4.2.2.2).
bool is_authorised(OCSP_BASICRESP* basic, X509* issuer, UnixTime now) {
  const StorePtr store{X509_STORE_new()};
  const Stack issuers{sk_X509_new_null()};
  if (store == nullptr || issuers == nullptr || X509_up_ref(issuer) != 1) return false;
  if (sk_X509_push(issuers.get(), issuer) <= 0) return false;
  X509_VERIFY_PARAM* const param = X509_STORE_get0_param(store.get());
  X509_VERIFY_PARAM_set_time(param, now.value);
  X509_VERIFY_PARAM_set_depth(param, 1);
  X509_VERIFY_PARAM_set_auth_level(param, auth_level);
  X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN);
  return X509_STORE_add_cert(store.get(), issuer) == 1 &&
         OCSP_basic_verify(basic, issuers.get(), store.get(), 0) == 1;
}

std::expected<OcspStatus, std::string> status_of(OCSP_BASICRESP* basic, X509* certificate,
                                                 X509* issuer, UnixTime now) {
  const CertId id{OCSP_cert_to_id(nullptr, certificate, issuer)};
  int status = V_OCSP_CERTSTATUS_UNKNOWN;
  ASN1_GENERALIZEDTIME* from = nullptr;
  ASN1_GENERALIZEDTIME* to = nullptr;
  if (id == nullptr ||
      OCSP_resp_find_status(basic, id.get(), &status, nullptr, nullptr, &from, &to) != 1) {
    return std::unexpected{"it is about another certificate"};
  }
  const auto this_update = unix_time(from);
  const auto next_update = unix_time(to);
  if (!this_update || (to != nullptr && !next_update)) {
    return std::unexpected{"its times are none"};
  }
  const UnixTime until = next_update.value_or(UnixTime{this_update->value + ocsp_age_seconds_max});
  if (this_update->value > now.value + clock_skew_seconds_max) {
    return std::unexpected{"it is of the future; compare the clocks"};
  }
  if (until < now) return std::unexpected{"it is too old"};
  if (status == V_OCSP_CERTSTATUS_UNKNOWN) {
    return std::unexpected{"the responder does not know the certificate"};
  }
  return OcspStatus{status == V_OCSP_CERTSTATUS_REVOKED, *this_update, until};
}

}  // namespace

ByteVec ocsp_request(X509* certificate, X509* issuer) {
  const ErrorScope errors;
  const Request request{OCSP_REQUEST_new()};
  CertId id{OCSP_cert_to_id(nullptr, certificate, issuer)};
  if (request == nullptr || id == nullptr ||
      OCSP_request_add0_id(request.get(), id.get()) == nullptr) {
    return {};
  }
  (void)id.release();
  return der_of(request.get(), i2d_OCSP_REQUEST);
}

std::expected<OcspStatus, std::string> read_ocsp_answer(Bytes answer, X509* certificate,
                                                        X509* issuer, UnixTime now) {
  const ErrorScope errors;
  if (answer.size() > ocsp_answer_size_max) return std::unexpected{"it is too large"};
  const auto response = object_of<Response>(answer, d2i_OCSP_RESPONSE);
  if (response == nullptr) return std::unexpected{"it is no OCSP answer"};
  const int result = OCSP_response_status(response.get());
  if (result != OCSP_RESPONSE_STATUS_SUCCESSFUL) {
    return std::unexpected{
        fmt::format("the responder answers '{}'", OCSP_response_status_str(result))};
  }
  const Basic basic{OCSP_response_get1_basic(response.get())};
  if (basic == nullptr || OCSP_resp_count(basic.get()) > answers_max) {
    return std::unexpected{"it is no basic OCSP answer"};
  }
  if (has_weak_hash(basic.get()) || has_unfit_keys(basic.get())) {
    return std::unexpected{"it was signed with a weak hash, or holds a key that is not fit"};
  }
  // First what costs nothing.
  const OcspStatus status = TRY(status_of(basic.get(), certificate, issuer, now));
  if (!is_authorised(basic.get(), issuer, now)) {
    return std::unexpected{"it was not signed by the authority, nor by who may for it"};
  }
  return status;
}

}  // namespace caponier::pki::ossl
