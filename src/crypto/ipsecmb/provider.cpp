#include "crypto/ipsecmb/provider.h"

#include "base/error.h"
#include "crypto/ipsecmb/ipsecmb.h"

namespace caponier::crypto {

bool IpsecMbProvider::accelerates(const CipherSuite& suite) {
  if (!is_valid(suite) || ipsecmb::manager() == nullptr) return false;
  switch (suite.encr) {
    case EncrId::aes_gcm_16:
    case EncrId::chacha20_poly1305:
    case EncrId::aes_cbc: return true;
    case EncrId::triple_des:
    case EncrId::null:
    case EncrId::aes_ctr:
    case EncrId::aes_ccm_8:
    case EncrId::aes_ccm_12:
    case EncrId::aes_ccm_16:
    case EncrId::aes_gcm_8:
    case EncrId::aes_gcm_12:
    case EncrId::null_auth_aes_gmac:
    case EncrId::aes_ccm_8_iiv:
    case EncrId::aes_gcm_16_iiv:
    case EncrId::chacha20_poly1305_iiv: return false;
  }
  return false;
}

bool IpsecMbProvider::supports(const CipherSuite& suite) const {
  return accelerates(suite) || fallback_.supports(suite);
}

std::expected<std::unique_ptr<PacketCipher>, CryptoError> IpsecMbProvider::make_cipher(
    const CipherSuite& suite, Bytes encr_key, Bytes integ_key, base::Rng& rng) const {
  if (!accelerates(suite)) return fallback_.make_cipher(suite, encr_key, integ_key, rng);
  TRY_VOID(check_keys(suite, encr_key, integ_key));
  auto cipher = suite.encr == EncrId::aes_gcm_16 ? ipsecmb::make_gcm(suite, encr_key)
                : suite.encr == EncrId::chacha20_poly1305
                    ? ipsecmb::make_chacha20_poly1305(suite, encr_key)
                    : ipsecmb::make_cbc_hmac(suite, encr_key, integ_key, rng);
  if (cipher == nullptr) return std::unexpected{CryptoError::backend_failure};
  return cipher;
}

void IpsecMbProvider::finish() const {
  ipsecmb::finish();
  fallback_.finish();
}

}  // namespace caponier::crypto
