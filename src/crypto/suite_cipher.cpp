#include "crypto/suite_cipher.h"

#include "base/error.h"

namespace caponier::crypto {

bool is_contiguous_without_empty(const PacketJob& job) {
  const std::byte* end = nullptr;
  for (const Bytes part : {job.header, Bytes{job.iv}, Bytes{job.text}, Bytes{job.icv}}) {
    if (part.empty()) continue;
    if (end != nullptr && part.data() != end) return false;
    end = part.data() + part.size();
  }
  return true;
}

std::expected<void, CryptoError> check_keys(const CipherSuite& suite, Bytes encr_key,
                                            Bytes integ_key) {
  if (!is_valid(suite)) return std::unexpected{CryptoError::unsupported};
  if (encr_key.size() != encr_key_size(suite) || integ_key.size() != integ_key_size(suite)) {
    return std::unexpected{CryptoError::bad_key_size};
  }
  return {};
}

Bytes associated_data(const PacketJob& job, EsnAad& space) {
  if (!job.esn_high) return job.header;
  base::copy_into(space, job.header.first(4));
  base::store_be(space.data() + 4, *job.esn_high);
  base::copy_into(base::MutBytes{space}.subspan(8), job.header.subspan(4, 4));
  return space;
}

CounterIv counter_iv(const PacketJob& job) {
  CounterIv iv;
  if (!job.iv.empty()) {
    base::copy_into(iv, job.iv);
  } else {
    base::store_be(iv.data(), job.esn_high.value_or(0));
    base::copy_into(base::MutBytes{iv}.last(4), job.header.subspan(4, 4));
  }
  return iv;
}

Bytes authenticated_text(const PacketJob& job) {
  const std::byte* start = !job.header.empty() ? job.header.data()
                           : !job.iv.empty()   ? job.iv.data()
                                               : job.text.data();
  return {start, job.header.size() + job.iv.size() + job.text.size()};
}

SuiteCipher::SuiteCipher(const CipherSuite& suite) {
  CAPONIER_ASSERT(is_valid(suite));
  const EncrInfo& encr = *find(suite.encr);
  const IntegInfo* const integ = find(suite.integ);
  CAPONIER_ASSERT(encr.aead || integ != nullptr);
  iv_size_ = encr.iv_size + (integ == nullptr ? 0 : integ->iv_size);
  block_size_ = encr.block_size;
  icv_size_ = encr.aead ? encr.icv_size : integ->icv_size;
  implicit_iv_ = has_implicit_iv(suite.encr);
  longer_header_ = suite.encr == EncrId::null;
}

void IvPool::take(MutBytes out) {
  CAPONIER_ASSERT(out.size() <= pool_.size());
  if (pool_.size() - used_ < out.size()) {
    rng_.fill_public(pool_);
    used_ = 0;
  }
  base::copy_into(out, Bytes{pool_}.subspan(used_, out.size()));
  used_ += out.size();
}

}  // namespace caponier::crypto
