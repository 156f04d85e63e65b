#pragma once
// Keys and certificates in PKCS #11 tokens, named by URIs (RFC 7512). p11-kit loads the modules:
// those of the system's configuration, or the one that the URI names (module-path, module-name).

#include <memory>
#include <vector>

#include <p11-kit/pkcs11.h>

#include "pki/provider.h"

namespace caponier::pki::pkcs11 {

class Library;

class Tokens final : public TokenProvider {
 public:
  /// Loads no module before the first URI wants one.
  Tokens();
  /// With these modules, which are initialised and outlive the object, and no others.
  explicit Tokens(std::vector<CK_FUNCTION_LIST*> modules);
  ~Tokens() override;
  Tokens(const Tokens&) = delete;
  Tokens& operator=(const Tokens&) = delete;

  [[nodiscard]] Loaded<TokenUri> read(std::string_view uri) const override;
  /// The signer finds its token again when it was taken away and is back, and logs in again.
  [[nodiscard]] Loaded<std::shared_ptr<Signer>> load_key(std::string_view uri,
                                                         Bytes pin) const override;
  [[nodiscard]] Loaded<ByteVec> load_certificate(std::string_view uri) const override;

 private:
  std::shared_ptr<Library> library_;  ///< shared with the signers
};

}  // namespace caponier::pki::pkcs11
