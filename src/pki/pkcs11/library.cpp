#include "pki/pkcs11/library.h"

#include <algorithm>
#include <span>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/event.h"

namespace caponier::pki::pkcs11 {

namespace {

constexpr std::string_view show_tokens =
    "`pkcs11-tool --list-token-slots` or `p11tool --list-tokens` shows what there is; "
    "module-path=FILE in the query names a module that p11-kit is not configured for";
constexpr std::size_t slots_max = 1024;

/// A text of fixed size, filled up with spaces.
template <std::size_t N>
std::string trimmed(const unsigned char (&field)[N]) {
  const auto octets = std::as_bytes(std::span{field});
  const std::string_view text = base::as_text(octets);
  const auto end = text.find_last_not_of(std::string_view{" \0", 2});
  return std::string{text.substr(0, end == std::string_view::npos ? 0 : end + 1)};
}

std::vector<CK_SLOT_ID> slots_of(CK_FUNCTION_LIST* module) {
  CK_ULONG count = 0;
  if (module->C_GetSlotList(CK_TRUE, nullptr, &count) != CKR_OK) return {};
  std::vector<CK_SLOT_ID> slots(std::min<std::size_t>(count, slots_max));
  count = static_cast<CK_ULONG>(slots.size());
  if (module->C_GetSlotList(CK_TRUE, slots.data(), &count) != CKR_OK) return {};
  slots.resize(std::min<std::size_t>(count, slots.size()));
  return slots;
}

bool is_of_module(CK_FUNCTION_LIST* module, const P11KitUri* uri) {
  CK_INFO info{};
  return module->C_GetInfo(&info) == CKR_OK && p11_kit_uri_match_module_info(uri, &info) == 1;
}

void add_tokens(CK_FUNCTION_LIST* module, P11KitUri* uri, std::vector<Token>& found) {
  if (!is_of_module(module, uri)) return;
  const CK_SLOT_ID wanted = p11_kit_uri_get_slot_id(uri);
  for (const CK_SLOT_ID slot : slots_of(module)) {
    if (wanted != static_cast<CK_SLOT_ID>(-1) && slot != wanted) continue;
    CK_SLOT_INFO slot_info{};
    Token token{module, slot, {}};
    if (module->C_GetSlotInfo(slot, &slot_info) == CKR_OK &&
        module->C_GetTokenInfo(slot, &token.info) == CKR_OK &&
        p11_kit_uri_match_slot_info(uri, &slot_info) == 1 &&
        p11_kit_uri_match_token_info(uri, &token.info) == 1 &&
        (token.info.flags & CKF_TOKEN_INITIALIZED) != 0) {
      found.push_back(token);
    }
  }
}

LoadError error_of(const std::string& name, std::string message, std::string fix) {
  return {name, std::move(message), std::move(fix)};
}

}  // namespace

std::string describe(CK_RV result) {
  const char* const text = p11_kit_strerror(result);
  return text == nullptr ? fmt::format("PKCS #11 result {:#x}", result) : std::string{text};
}

Loaded<Uri> parse_uri(std::string_view text) {
  const std::string name = token_name(text);
  Uri uri{p11_kit_uri_new()};
  const int result =
      uri == nullptr ? static_cast<int>(P11_KIT_URI_UNEXPECTED)
                     : p11_kit_uri_parse(std::string{text}.c_str(), P11_KIT_URI_FOR_ANY, uri.get());
  if (result != P11_KIT_URI_OK) {
    return std::unexpected{error_of(
        name, "it is no PKCS #11 URI (RFC 7512)",
        "write \"pkcs11:token=LABEL;object=LABEL?pin-source=file:/PATH\"; what is no letter or "
        "digit in a label is written as %20")};
  }
  if (p11_kit_uri_any_unrecognized(uri.get()) != 0) {
    return std::unexpected{error_of(
        name, "the URI has an attribute that is unknown or makes no sense",
        "token, serial, manufacturer, model, object, id, slot-id and type can stand in it; "
        "pin-source, module-path and module-name behind a question mark")};
  }
  return uri;
}

// ---- tokens

std::string Token::name() const {
  return base::printable(fmt::format("'{}' ({})", trimmed(info.label), trimmed(info.serialNumber)));
}

std::string Token::identity() const {
  return fmt::format("{}\n{}\n{}\n{}", trimmed(info.manufacturerID), trimmed(info.model),
                     trimmed(info.serialNumber), trimmed(info.label));
}

bool Token::has_mechanism(CK_MECHANISM_TYPE type) const {
  CK_MECHANISM_INFO about{};
  return module->C_GetMechanismInfo(slot, type, &about) == CKR_OK && (about.flags & CKF_SIGN) != 0;
}

Library::~Library() {
  for (const auto& [path, module] : by_path_) {
    p11_kit_module_finalize(module);
    p11_kit_module_release(module);
  }
  if (configured_ != nullptr) p11_kit_modules_finalize_and_release(configured_);
}

Loaded<std::vector<CK_FUNCTION_LIST*>> Library::modules_of(std::string_view text, P11KitUri* uri) {
  const std::string name = token_name(text);
  if (const char* const path = p11_kit_uri_get_module_path(uri)) {
    const auto known = by_path_.find(path);
    if (known != by_path_.end()) return std::vector{known->second};
    CK_FUNCTION_LIST* const module = p11_kit_module_load(path, 0);
    if (module != nullptr && p11_kit_module_initialize(module) == CKR_OK) {
      by_path_.emplace(path, module);
      return std::vector{module};
    }
    if (module != nullptr) p11_kit_module_release(module);
    return std::unexpected{error_of(name,
                                    fmt::format("the PKCS #11 module {} cannot be loaded", path),
                                    "see that the file is there, and is a module of this "
                                    "processor's kind")};
  }
  if (!has_loaded_) {
    has_loaded_ = true;
    configured_ = p11_kit_modules_load_and_initialize(0);
    for (auto** at = configured_; at != nullptr && *at != nullptr; ++at) modules_.push_back(*at);
  }
  const char* const wanted = p11_kit_uri_get_module_name(uri);
  if (wanted == nullptr || configured_ == nullptr) return modules_;
  CK_FUNCTION_LIST* const module = p11_kit_module_for_name(configured_, wanted);
  if (module != nullptr) return std::vector{module};
  return std::unexpected{error_of(name, "p11-kit has no module of that name",
                                  "`p11-kit list-modules` shows what there is")};
}

Loaded<Token> Library::find_token(std::string_view text, P11KitUri* uri) {
  std::vector<Token> found;
  for (CK_FUNCTION_LIST* const module : TRY(modules_of(text, uri))) add_tokens(module, uri, found);
  if (found.size() == 1) return found.front();
  if (found.empty()) {
    return std::unexpected{
        error_of(token_name(text), "there is no such token", std::string{show_tokens})};
  }
  // A PIN is for one token; the others would count it as wrong.
  return std::unexpected{error_of(token_name(text),
                                  fmt::format("{} tokens are meant by it, {} and {} among them",
                                              found.size(), found[0].name(), found[1].name()),
                                  "add token=LABEL, serial=NUMBER or slot-id=NUMBER to the URI")};
}

Loaded<void> Library::log_in(const Token& token, const Session& session, Bytes pin,
                             const std::string& name) {
  if ((token.info.flags & CKF_LOGIN_REQUIRED) == 0) return {};
  const auto refuse = [&](std::string why, std::string fix) {
    return std::unexpected{error_of(name, std::move(why), std::move(fix))};
  };
  if (pin.empty()) {
    return refuse(fmt::format("the token {} wants a PIN", token.name()),
                  "put it into a file of mode 0600, and name that by ?pin-source=file:/PATH in the "
                  "URI, or by key_passphrase = \"@NAME\"");
  }
  const std::string identity = token.identity();
  const auto is_in = [&](const std::map<std::string, base::SecretBytes>& pins) {
    const auto known = pins.find(identity);
    return known != pins.end() && base::equal_constant_time(known->second.reveal(), pin);
  };
  if (session.is_logged_in() && is_in(accepted_)) return {};
  if (is_in(refused_)) {
    return refuse(
        fmt::format("the token {} has refused this PIN, and it is not tried again: tokens lock "
                    "after a few wrong ones",
                    token.name()),
        "put the right PIN into its file; or if the token was wrong, restart caponierd");
  }
  if ((token.info.flags & CKF_USER_PIN_LOCKED) != 0) {
    return refuse(fmt::format("the token {} is locked: its PIN was wrong too often", token.name()),
                  "unlock it with the PIN of its security officer");
  }
  if ((token.info.flags & CKF_USER_PIN_FINAL_TRY) != 0) {
    return refuse(fmt::format("the token {} locks with the next wrong PIN, so that none is tried",
                              token.name()),
                  "log in by hand once, for example with `pkcs11-tool --login --test`");
  }
  // With another PIN than the one that let us in: is it right?
  const bool was_in = session.is_logged_in() && accepted_.contains(identity);
  if (was_in) session.module()->C_Logout(session.handle());
  const CK_RV result = session.log_in(pin);
  if (result == CKR_OK || result == CKR_USER_ALREADY_LOGGED_IN) {
    accepted_.insert_or_assign(identity, base::SecretBytes{pin});
    return {};
  }
  if (was_in) (void)session.log_in(accepted_.at(identity).reveal());
  if (result == CKR_PIN_INCORRECT || result == CKR_PIN_INVALID || result == CKR_PIN_LEN_RANGE) {
    refused_.insert_or_assign(identity, base::SecretBytes{pin});
    return refuse(fmt::format("the PIN is wrong for the token {}", token.name()),
                  "put the right PIN into its file; this one is not tried again");
  }
  return refuse(fmt::format("the token {} lets nobody in: {}", token.name(), describe(result)),
                "try `pkcs11-tool --login --test`");
}

// ---- sessions

std::expected<Session, CK_RV> Session::open(const Token& token) {
  Session session;
  const CK_RV result = token.module->C_OpenSession(token.slot, CKF_SERIAL_SESSION, nullptr, nullptr,
                                                   &session.handle_);
  if (result != CKR_OK) return std::unexpected{result};
  session.module_ = token.module;
  return session;
}

Session::Session(Session&& other) noexcept
    : module_(std::exchange(other.module_, nullptr)), handle_(std::exchange(other.handle_, 0)) {}

Session& Session::operator=(Session&& other) noexcept {
  if (this == &other) return *this;
  close();
  module_ = std::exchange(other.module_, nullptr);
  handle_ = std::exchange(other.handle_, 0);
  return *this;
}

Session::~Session() { close(); }

void Session::close() {
  if (module_ != nullptr) module_->C_CloseSession(handle_);
  module_ = nullptr;
}

bool Session::is_logged_in() const {
  CK_SESSION_INFO info{};
  return module_->C_GetSessionInfo(handle_, &info) == CKR_OK &&
         (info.state == CKS_RO_USER_FUNCTIONS || info.state == CKS_RW_USER_FUNCTIONS);
}

CK_RV Session::log_in(Bytes pin, CK_USER_TYPE who) const {
  base::SecretBytes copy{pin};  // C has no const
  return module_->C_Login(handle_, who, ossl::raw(copy.reveal_mutable()),
                          static_cast<CK_ULONG>(copy.size()));
}

std::vector<CK_OBJECT_HANDLE> Session::find(std::vector<CK_ATTRIBUTE> wanted) const {
  if (module_->C_FindObjectsInit(handle_, wanted.data(), static_cast<CK_ULONG>(wanted.size())) !=
      CKR_OK) {
    return {};
  }
  std::vector<CK_OBJECT_HANDLE> found(objects_max);
  CK_ULONG count = 0;
  const CK_RV result = module_->C_FindObjects(handle_, found.data(), objects_max, &count);
  module_->C_FindObjectsFinal(handle_);
  found.resize(result == CKR_OK ? std::min(count, objects_max) : 0);
  return found;
}

ByteVec Session::attribute(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type) const {
  CK_ATTRIBUTE wanted{type, nullptr, 0};
  if (module_->C_GetAttributeValue(handle_, object, &wanted, 1) != CKR_OK ||
      wanted.ulValueLen == 0 || wanted.ulValueLen > attribute_size_max) {
    return {};
  }
  ByteVec value(wanted.ulValueLen);
  wanted.pValue = value.data();
  if (module_->C_GetAttributeValue(handle_, object, &wanted, 1) != CKR_OK ||
      wanted.ulValueLen > value.size()) {
    return {};
  }
  value.resize(wanted.ulValueLen);
  return value;
}

CK_ULONG Session::number(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type,
                         CK_ULONG otherwise) const {
  CK_ULONG value = otherwise;
  CK_ATTRIBUTE wanted{type, &value, sizeof value};
  const CK_RV result = module_->C_GetAttributeValue(handle_, object, &wanted, 1);
  return result == CKR_OK && wanted.ulValueLen == sizeof value ? value : otherwise;
}

bool Session::flag(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type) const {
  CK_BBOOL value = CK_FALSE;
  CK_ATTRIBUTE wanted{type, &value, sizeof value};
  return module_->C_GetAttributeValue(handle_, object, &wanted, 1) == CKR_OK && value == CK_TRUE;
}

Loaded<CK_OBJECT_HANDLE> find_object(const Session& session, CK_OBJECT_CLASS kind,
                                     std::string_view text, P11KitUri* uri) {
  CK_ULONG count = 0;
  CK_ATTRIBUTE* const named = p11_kit_uri_get_attributes(uri, &count);
  std::vector<CK_ATTRIBUTE> wanted;
  for (const CK_ATTRIBUTE& attribute : std::span{named, count}) {
    if (attribute.type != CKA_CLASS) wanted.push_back(attribute);
  }
  wanted.push_back({CKA_CLASS, &kind, sizeof kind});
  const auto found = session.find(std::move(wanted));
  if (found.size() == 1) return found.front();
  const std::string_view what = kind == CKO_CERTIFICATE ? "certificate" : "private key";
  return std::unexpected{
      error_of(token_name(text),
               found.empty() ? fmt::format("the token has no such {}", what)
                             : fmt::format("the token has more than one such {}", what),
               found.empty() ? "`pkcs11-tool --login --list-objects` shows what it has; the label "
                               "is object=, the ID is id=%01%02"
                             : "add object=LABEL or id=%01%02 to the URI")};
}

}  // namespace caponier::pki::pkcs11
