#pragma once
// Modules, tokens, sessions and objects: PKCS #11 v2.40 as far as a signer needs it.

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <p11-kit/p11-kit.h>
#include <p11-kit/uri.h>

#include "pki/openssl/ossl.h"
#include "pki/pkcs11/tokens.h"

namespace caponier::pki::pkcs11 {

struct FreeUri {
  void operator()(P11KitUri* uri) const { p11_kit_uri_free(uri); }
};
using Uri = std::unique_ptr<P11KitUri, FreeUri>;

[[nodiscard]] Loaded<Uri> parse_uri(std::string_view text);
/// "CKR_DEVICE_REMOVED"-like words of p11-kit, in its language.
[[nodiscard]] std::string describe(CK_RV result);

/// A token that is present.
struct Token {
  CK_FUNCTION_LIST* module = nullptr;
  CK_SLOT_ID slot = 0;
  CK_TOKEN_INFO info{};
  [[nodiscard]] std::string name() const;  ///< its label and serial number, printable
  /// The same for as long as it is this token.
  [[nodiscard]] std::string identity() const;
  [[nodiscard]] bool has_mechanism(CK_MECHANISM_TYPE type) const;
};

class Session {
 public:
  Session() = default;
  /// The CK_RV says why not.
  [[nodiscard]] static std::expected<Session, CK_RV> open(const Token& token);
  Session(Session&& other) noexcept;
  Session& operator=(Session&& other) noexcept;
  ~Session();

  [[nodiscard]] CK_FUNCTION_LIST* module() const { return module_; }
  [[nodiscard]] CK_SESSION_HANDLE handle() const { return handle_; }
  [[nodiscard]] bool is_logged_in() const;
  [[nodiscard]] CK_RV log_in(Bytes pin, CK_USER_TYPE who = CKU_USER) const;
  /// At most objects_max.
  [[nodiscard]] std::vector<CK_OBJECT_HANDLE> find(std::vector<CK_ATTRIBUTE> wanted) const;
  /// Empty when the object has none, or keeps it to itself.
  [[nodiscard]] ByteVec attribute(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type) const;
  [[nodiscard]] CK_ULONG number(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type,
                                CK_ULONG otherwise) const;
  [[nodiscard]] bool flag(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type) const;

 private:
  void close();
  CK_FUNCTION_LIST* module_ = nullptr;
  CK_SESSION_HANDLE handle_ = 0;
};

inline constexpr CK_ULONG objects_max = 16;
inline constexpr CK_ULONG attribute_size_max = 65536;

/// The modules, and the PINs that tokens have refused.
class Library {
 public:
  Library() = default;
  explicit Library(std::vector<CK_FUNCTION_LIST*> modules)
      : modules_(std::move(modules)), has_loaded_(true) {}
  ~Library();
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;

  /// The one token of the URI.
  [[nodiscard]] Loaded<Token> find_token(std::string_view text, P11KitUri* uri);
  [[nodiscard]] Loaded<void> log_in(const Token& token, const Session& session, Bytes pin,
                                    const std::string& name);

 private:
  [[nodiscard]] Loaded<std::vector<CK_FUNCTION_LIST*>> modules_of(std::string_view text,
                                                                  P11KitUri* uri);

  std::vector<CK_FUNCTION_LIST*> modules_;
  bool has_loaded_ = false;
  CK_FUNCTION_LIST** configured_ = nullptr;            ///< p11-kit's
  std::map<std::string, CK_FUNCTION_LIST*> by_path_;   ///< of module-path
  std::map<std::string, base::SecretBytes> accepted_;  ///< the last PIN, by token
  std::map<std::string, base::SecretBytes> refused_;   ///< the last PIN, by token
};

/// The one object of this class that the URI names.
[[nodiscard]] Loaded<CK_OBJECT_HANDLE> find_object(const Session& session, CK_OBJECT_CLASS kind,
                                                   std::string_view text, P11KitUri* uri);

/// What the private key's own attributes, its public key or its certificate in the token say.
[[nodiscard]] Loaded<PublicKey> public_key_of(const Session& session, CK_OBJECT_HANDLE key,
                                              const std::string& name);

}  // namespace caponier::pki::pkcs11
