#pragma once
// A root, an intermediate and a leaf that are in order, to be changed in one place, and what the
// store says of them.

#include <functional>
#include <string>
#include <vector>

#include "unit/pki/helpers.h"

namespace caponier::pki::test {

/// Extensions by name, with `name` replaced by `value`, or removed when the value is empty.
void set(ossl::CertificateForm& form, const std::string& name, const std::string& value);

struct Chain {
  Chain();

  ossl::CertificateForm root;
  ossl::CertificateForm inter;
  ossl::CertificateForm leaf;
  EVP_PKEY* root_key = key_called("root");
  EVP_PKEY* inter_key = key_called("inter");
  EVP_PKEY* leaf_key = key_called("leaf");
  EVP_PKEY* signs_inter = nullptr;                         ///< null: the root's key
  EVP_PKEY* signs_leaf = nullptr;                          ///< null: the intermediate's
  std::function<void(X509*)> change_inter = [](X509*) {};  ///< before it is signed once more
  std::function<void(ByteVec&)> spoil_inter = [](ByteVec&) {};
  std::function<void(ByteVec&)> spoil_leaf = [](ByteVec&) {};
  bool send_inter = true;
  std::vector<wire::CertPayload> more;  ///< behind leaf and intermediate

  policy::Identity identity = name_of_peer("gw.example.org");
  Purpose purpose = Purpose::server;
  Revocation revocation = Revocation::relaxed;
  bool may_fetch = false;
  std::vector<std::string> anchors;
  std::vector<std::string> required_policies;
  UnixTime at = now;

  // What build() makes.
  ossl::X509Ptr root_made;
  ossl::X509Ptr inter_made;
  ossl::X509Ptr leaf_made;
  std::vector<wire::CertPayload> payloads;
  void build();
  /// A store whose anchor "root.pem" is the root.
  [[nodiscard]] std::unique_ptr<CertificateStore> make_store(std::vector<ByteVec> crls = {}) const;
  [[nodiscard]] Verdict verify(CertificateStore& store) const;
};

[[nodiscard]] wire::CertPayload payload_of(X509* certificate);
[[nodiscard]] ByteVec der_of(X509* certificate);
[[nodiscard]] ossl::X509Ptr certificate_of(const ossl::CertificateForm& form, EVP_PKEY* key,
                                           X509* issuer, EVP_PKEY* issuer_key);
/// The store's word in one word: "trusted", "fetch", or the reason of the refusal.
[[nodiscard]] std::string word_of(const Verdict& verdict);

}  // namespace caponier::pki::test
