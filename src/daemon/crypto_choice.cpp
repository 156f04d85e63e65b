#include "daemon/crypto_choice.h"

#include "base/error.h"
#include "crypto/openssl/provider.h"
#include "crypto/self_test.h"
#ifdef CAPONIER_HAS_IPSECMB
#include "crypto/ipsecmb/provider.h"
#endif

namespace caponier::daemon {

std::expected<CryptoChoice, std::string> choose_crypto() {
  CryptoChoice choice;
  choice.base = std::make_unique<crypto::OpensslProvider>();
#ifdef CAPONIER_HAS_IPSECMB
  choice.fast = std::make_unique<crypto::IpsecMbProvider>(*choice.base);
#endif
  TRY_VOID(crypto::self_test(choice.provider()));
  return choice;
}

}  // namespace caponier::daemon
