#include "crypto/choice/choice.h"

#include "base/error.h"
#include "crypto/openssl/provider.h"
#include "crypto/self_test.h"
#ifdef CAPONIER_HAS_IPSECMB
#include "crypto/ipsecmb/provider.h"
#endif

namespace caponier::crypto {

std::expected<Choice, std::string> choose_crypto() {
  Choice choice;
  choice.base = std::make_unique<OpensslProvider>();
#ifdef CAPONIER_HAS_IPSECMB
  choice.fast = std::make_unique<IpsecMbProvider>(*choice.base);
#endif
  TRY_VOID(self_test(choice.provider()));
  return choice;
}

std::string back_end_of([[maybe_unused]] const CipherSuite& suite) {
#ifdef CAPONIER_HAS_IPSECMB
  if (IpsecMbProvider::accelerates(suite)) return IpsecMbProvider::description();
#endif
  return OpensslProvider::description();
}

std::string back_end_of_key_exchange() { return OpensslProvider::description(); }

}  // namespace caponier::crypto
