#include "crypto/ipsecmb/provider.h"

#include <fmt/format.h>

#include "base/error.h"
#include "crypto/ipsecmb/ipsecmb.h"

namespace caponier::crypto {

namespace {

enum class Part : std::uint8_t { none, gcm, ccm, gmac, chacha20_poly1305, encrypt_then_mac };

/// Which part of this back end protects packets of a valid suite.
Part part_of(const CipherSuite& suite) {
  using enum EncrId;
  if (is_gmac(suite.integ)) return Part::gmac;
  switch (suite.encr) {
    case aes_gcm_8:
    case aes_gcm_12:
    case aes_gcm_16:
    case aes_gcm_16_iiv: return Part::gcm;
    case aes_ccm_8:
    case aes_ccm_12:
    case aes_ccm_16:
    case aes_ccm_8_iiv: return suite.key_bits == 192 ? Part::none : Part::ccm;
    case null_auth_aes_gmac: return Part::gmac;
    case chacha20_poly1305:
    case chacha20_poly1305_iiv: return Part::chacha20_poly1305;
    case null:
    case aes_cbc:
    case aes_ctr: return Part::encrypt_then_mac;
    case triple_des: break;
  }
  return Part::none;
}

std::string_view instructions_of(const IMB_MGR& mgr) {
  switch (mgr.used_arch) {
    case IMB_ARCH_AVX512:
      return (mgr.features & IMB_CPUFLAGS_AVX512_T2) == IMB_CPUFLAGS_AVX512_T2 ? "AVX-512 and VAES"
                                                                               : "AVX-512";
    case IMB_ARCH_AVX2: return "AVX2";
    case IMB_ARCH_AVX: return "AVX";
    case IMB_ARCH_SSE: return "SSE";
    default: return "no AES instructions";
  }
}

}  // namespace

std::string IpsecMbProvider::description() {
  std::string_view version = imb_get_version_str();
  version = version.substr(0, version.find('-'));
  const IMB_MGR* mgr = ipsecmb::manager();
  return fmt::format("ipsec-mb {}, {}", version.starts_with('v') ? version.substr(1) : version,
                     mgr == nullptr ? "not usable" : instructions_of(*mgr));
}

bool IpsecMbProvider::accelerates(const CipherSuite& suite) {
  return is_valid(suite) && ipsecmb::manager() != nullptr && part_of(suite) != Part::none;
}

bool IpsecMbProvider::supports(const CipherSuite& suite) const {
  return accelerates(suite) || fallback_.supports(suite);
}

std::expected<std::unique_ptr<PacketCipher>, CryptoError> IpsecMbProvider::make_cipher(
    const CipherSuite& suite, Bytes encr_key, Bytes integ_key, base::Rng& rng) const {
  if (!accelerates(suite)) return fallback_.make_cipher(suite, encr_key, integ_key, rng);
  TRY_VOID(check_keys(suite, encr_key, integ_key));
  std::unique_ptr<PacketCipher> cipher;
  switch (part_of(suite)) {
    case Part::none: break;
    case Part::gcm: cipher = ipsecmb::make_gcm(suite, encr_key); break;
    case Part::ccm:
      cipher = ipsecmb::make_ccm(suite, encr_key,
                                 TRY(fallback_.make_cipher(suite, encr_key, integ_key, rng)));
      break;
    case Part::gmac:
      cipher = ipsecmb::make_gmac(suite, is_gmac(suite.integ) ? integ_key : encr_key);
      break;
    case Part::chacha20_poly1305: cipher = ipsecmb::make_chacha20_poly1305(suite, encr_key); break;
    case Part::encrypt_then_mac:
      cipher = ipsecmb::make_encrypt_then_mac(suite, encr_key, integ_key, rng);
      break;
  }
  if (cipher == nullptr) return std::unexpected{CryptoError::backend_failure};
  return cipher;
}

void IpsecMbProvider::finish() const {
  ipsecmb::finish();
  fallback_.finish();
}

}  // namespace caponier::crypto
