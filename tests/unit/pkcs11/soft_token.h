#pragma once
// softhsm2 with tokens in a folder of the test, behind a module that can lose them.

#include <optional>
#include <string>
#include <vector>

#include <p11-kit/pkcs11.h>

#include "pki/openssl/ossl.h"
#include "pki/pkcs11/tokens.h"

namespace caponier::pki::pkcs11::test {

inline constexpr std::string_view user_pin = "98765432";

/// One token "lab" with keys "rsa", "p256", "p384", "p521" and "ed25519", made once a run.
class SoftToken {
 public:
  /// Empty when softhsm2 is not installed.
  [[nodiscard]] static SoftToken* get();
  ~SoftToken();

  /// softhsm2, but for what is set below.
  [[nodiscard]] std::vector<CK_FUNCTION_LIST*> modules() { return {&front_}; }
  [[nodiscard]] CK_FUNCTION_LIST* back() const { return back_; }
  [[nodiscard]] CK_SLOT_ID slot() const { return slot_; }
  /// A certificate object "leaf" with the ID of the RSA key.
  void store_certificate(Bytes der);

  struct Faults {
    bool is_removed = false;   ///< no slot has a token, no session works
    CK_FLAGS token_flags = 0;  ///< are set as well
    unsigned logins = 0;       ///< tried so far
  };
  static Faults faults;

 private:
  SoftToken() = default;
  [[nodiscard]] bool start();
  void make_token();
  void make_keys(CK_SESSION_HANDLE session);

  std::string folder_;
  CK_FUNCTION_LIST* back_ = nullptr;
  CK_FUNCTION_LIST front_{};
  CK_SLOT_ID slot_ = 0;
};

}  // namespace caponier::pki::pkcs11::test
