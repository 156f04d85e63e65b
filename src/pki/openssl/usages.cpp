#include "pki/openssl/usages.h"

#include <array>

#include "pki/openssl/ossl.h"

namespace caponier::pki {

std::optional<std::vector<std::string>> extended_usages(base::Bytes certificate) {
  const ossl::ErrorScope errors;
  const ossl::X509Ptr read = ossl::parse_certificate(certificate);
  if (read == nullptr) return std::nullopt;
  void* const extension = X509_get_ext_d2i(read.get(), NID_ext_key_usage, nullptr, nullptr);
  const std::unique_ptr<EXTENDED_KEY_USAGE, ossl::Freed<EXTENDED_KEY_USAGE_free>> usages{
      static_cast<EXTENDED_KEY_USAGE*>(extension)};
  if (usages == nullptr) return std::nullopt;
  std::vector<std::string> found;
  for (int i = 0; i < sk_ASN1_OBJECT_num(usages.get()); ++i) {
    std::array<char, 128> dotted{};
    constexpr int as_number = 1;
    OBJ_obj2txt(dotted.data(), static_cast<int>(dotted.size()),
                sk_ASN1_OBJECT_value(usages.get(), i), as_number);
    found.emplace_back(dotted.data());
  }
  return found;
}

}  // namespace caponier::pki
