#include "pki/openssl/ossl.h"

#include <openssl/bio.h>

namespace caponier::pki::ossl {

Bio memory_bio(Bytes content) { return Bio{BIO_new_mem_buf(content.data(), size_of(content))}; }

Bytes content_of(BIO* bio) {
  char* start = nullptr;
  const long size = BIO_get_mem_data(bio, &start);
  if (size <= 0) return {};
  return std::as_bytes(std::span{start, static_cast<std::size_t>(size)});
}

Bytes bytes_of(const ASN1_STRING* string) {
  return std::as_bytes(std::span{ASN1_STRING_get0_data(string),
                                 static_cast<std::size_t>(ASN1_STRING_length(string))});
}

std::optional<UnixTime> unix_time(const ASN1_TIME* time) {
  const std::unique_ptr<ASN1_TIME, Freed<ASN1_TIME_free>> epoch{ASN1_TIME_set(nullptr, 0)};
  int days = 0;
  int seconds = 0;
  if (epoch == nullptr || time == nullptr ||
      ASN1_TIME_diff(&days, &seconds, epoch.get(), time) != 1) {
    return std::nullopt;
  }
  constexpr std::int64_t day = 86400;
  return UnixTime{days * day + seconds};
}

}  // namespace caponier::pki::ossl
