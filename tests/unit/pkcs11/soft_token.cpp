#include "unit/pkcs11/soft_token.h"

#include <gtest/gtest.h>
#include <p11-kit/p11-kit.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>

#include <fmt/format.h>

namespace caponier::pki::pkcs11::test {

SoftToken::Faults SoftToken::faults;

namespace {

constexpr const char* module_path = "/usr/lib/softhsm/libsofthsm2.so";
constexpr std::string_view officer_pin = "12345678";

CK_FUNCTION_LIST* real = nullptr;

CK_RV get_slot_list(CK_BBOOL present, CK_SLOT_ID* slots, CK_ULONG* count) {
  if (!SoftToken::faults.is_removed) return real->C_GetSlotList(present, slots, count);
  *count = 0;
  return CKR_OK;
}
CK_RV sign_init(CK_SESSION_HANDLE session, CK_MECHANISM* mechanism, CK_OBJECT_HANDLE key) {
  return SoftToken::faults.is_removed ? CKR_DEVICE_REMOVED
                                      : real->C_SignInit(session, mechanism, key);
}
CK_RV login(CK_SESSION_HANDLE session, CK_USER_TYPE who, unsigned char* pin, CK_ULONG size) {
  ++SoftToken::faults.logins;
  return real->C_Login(session, who, pin, size);
}
CK_RV get_token_info(CK_SLOT_ID slot, CK_TOKEN_INFO* info) {
  const CK_RV result = real->C_GetTokenInfo(slot, info);
  info->flags |= SoftToken::faults.token_flags;
  return result;
}

unsigned char* octets(std::string_view text, std::vector<unsigned char>& buffer) {
  buffer.assign(text.begin(), text.end());
  return buffer.data();
}

void must(CK_RV result, const char* what) {
  if (result != CKR_OK) {
    ADD_FAILURE() << what << ": " << result;
    std::abort();
  }
}

struct Attributes {
  template <class T>
  void add(CK_ATTRIBUTE_TYPE type, T value) {
    const void* const at = &value;
    const auto* const first = static_cast<const unsigned char*>(at);
    add_octets(type, std::vector<unsigned char>(first, first + sizeof value));
  }
  void add_text(CK_ATTRIBUTE_TYPE type, std::string_view text) {
    add_octets(type, std::vector<unsigned char>(text.begin(), text.end()));
  }
  void add_octets(CK_ATTRIBUTE_TYPE type, std::vector<unsigned char> value) {
    values.push_back(std::make_unique<std::vector<unsigned char>>(std::move(value)));
    list.push_back({type, values.back()->data(), static_cast<CK_ULONG>(values.back()->size())});
  }
  std::vector<std::unique_ptr<std::vector<unsigned char>>> values;
  std::vector<CK_ATTRIBUTE> list;
};

void make_pair(CK_SESSION_HANDLE session, CK_MECHANISM_TYPE type, std::string_view label,
               unsigned char id, const std::vector<unsigned char>& curve) {
  Attributes open, secret;
  const CK_BBOOL yes = CK_TRUE;
  for (Attributes* const half : {&open, &secret}) {
    half->add(CKA_TOKEN, yes);
    half->add_text(CKA_LABEL, label);
    half->add_octets(CKA_ID, {id});
  }
  open.add(CKA_VERIFY, yes);
  secret.add(CKA_SIGN, yes);
  secret.add(CKA_PRIVATE, yes);
  secret.add(CKA_SENSITIVE, yes);
  if (curve.empty()) {
    open.add(CKA_MODULUS_BITS, CK_ULONG{2048});
    open.add_octets(CKA_PUBLIC_EXPONENT, {1, 0, 1});
  } else {
    open.add_octets(CKA_EC_PARAMS, curve);
  }
  CK_MECHANISM mechanism{type, nullptr, 0};
  CK_OBJECT_HANDLE a = 0, b = 0;
  must(real->C_GenerateKeyPair(session, &mechanism, open.list.data(),
                               static_cast<CK_ULONG>(open.list.size()), secret.list.data(),
                               static_cast<CK_ULONG>(secret.list.size()), &a, &b),
       "C_GenerateKeyPair");
}

}  // namespace

SoftToken* SoftToken::get() {
  static const std::unique_ptr<SoftToken> one = [] {
    std::unique_ptr<SoftToken> token{new SoftToken};
    return token->start() ? std::move(token) : nullptr;
  }();
  return one.get();
}

SoftToken::~SoftToken() {
  if (back_ != nullptr) {
    p11_kit_module_finalize(back_);
    p11_kit_module_release(back_);
  }
  std::error_code error;
  std::filesystem::remove_all(folder_, error);
}

bool SoftToken::start() {
  if (!std::filesystem::exists(module_path)) return false;
  std::string pattern = (std::filesystem::temp_directory_path() / "caponier-token-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) return false;
  folder_ = pattern;
  std::filesystem::create_directory(folder_ + "/tokens");
  std::ofstream{folder_ + "/softhsm2.conf"} << fmt::format(
      "directories.tokendir = {}/tokens\nobjectstore.backend = file\nlog.level = ERROR\n", folder_);
  ::setenv("SOFTHSM2_CONF", (folder_ + "/softhsm2.conf").c_str(), 1);
  back_ = p11_kit_module_load(module_path, 0);
  if (back_ == nullptr) return false;
  must(p11_kit_module_initialize(back_), "initialize");
  real = back_;
  front_ = *back_;
  front_.C_GetSlotList = get_slot_list;
  front_.C_SignInit = sign_init;
  front_.C_Login = login;
  front_.C_GetTokenInfo = get_token_info;
  make_token();
  return true;
}

void SoftToken::make_token() {
  CK_ULONG count = 1;
  must(back_->C_GetSlotList(CK_TRUE, &slot_, &count), "C_GetSlotList");
  std::array<unsigned char, 32> label{};
  label.fill(' ');
  std::copy_n("lab", 3, label.begin());
  std::vector<unsigned char> officer, user;
  must(back_->C_InitToken(slot_, octets(officer_pin, officer), officer_pin.size(), label.data()),
       "C_InitToken");
  // It has another slot now. softhsm2 sees that when it is asked for the number of slots.
  must(back_->C_GetSlotList(CK_TRUE, nullptr, &count), "C_GetSlotList");
  std::vector<CK_SLOT_ID> slots(16);
  count = static_cast<CK_ULONG>(slots.size());
  must(back_->C_GetSlotList(CK_TRUE, slots.data(), &count), "C_GetSlotList");
  slots.resize(count);
  for (const CK_SLOT_ID slot : slots) {
    CK_TOKEN_INFO info{};
    must(back_->C_GetTokenInfo(slot, &info), "C_GetTokenInfo");
    if ((info.flags & CKF_TOKEN_INITIALIZED) != 0) slot_ = slot;
  }
  CK_SESSION_HANDLE session = 0;
  must(back_->C_OpenSession(slot_, CKF_SERIAL_SESSION | CKF_RW_SESSION, nullptr, nullptr, &session),
       "C_OpenSession");
  must(back_->C_Login(session, CKU_SO, officer.data(), officer.size()), "C_Login");
  must(back_->C_InitPIN(session, octets(user_pin, user), user_pin.size()), "C_InitPIN");
  must(back_->C_Logout(session), "C_Logout");
  must(back_->C_Login(session, CKU_USER, user.data(), user.size()), "C_Login");
  make_keys(session);
  must(back_->C_CloseSession(session), "C_CloseSession");
}

void SoftToken::make_keys(CK_SESSION_HANDLE session) {
  make_pair(session, CKM_RSA_PKCS_KEY_PAIR_GEN, "rsa", 1, {});
  make_pair(session, CKM_EC_KEY_PAIR_GEN, "p256", 2,
            {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07});
  make_pair(session, CKM_EC_KEY_PAIR_GEN, "p384", 3, {0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22});
  make_pair(session, CKM_EC_KEY_PAIR_GEN, "p521", 4, {0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23});
  make_pair(session, CKM_EC_EDWARDS_KEY_PAIR_GEN, "ed25519", 5,
            {0x13, 0x0c, 'e', 'd', 'w', 'a', 'r', 'd', 's', '2', '5', '5', '1', '9'});
}

void SoftToken::store_certificate(Bytes der) {
  CK_SESSION_HANDLE session = 0;
  must(back_->C_OpenSession(slot_, CKF_SERIAL_SESSION | CKF_RW_SESSION, nullptr, nullptr, &session),
       "C_OpenSession");
  Attributes object;
  object.add(CKA_CLASS, CK_OBJECT_CLASS{CKO_CERTIFICATE});
  object.add(CKA_CERTIFICATE_TYPE, CK_CERTIFICATE_TYPE{CKC_X_509});
  object.add(CKA_TOKEN, CK_BBOOL{CK_TRUE});
  object.add(CKA_PRIVATE, CK_BBOOL{CK_FALSE});
  object.add_text(CKA_LABEL, "leaf");
  object.add_octets(CKA_ID, {1});
  const auto copy = [](Bytes from) {
    const auto* const first = ossl::raw(from);
    return std::vector<unsigned char>(first, first + from.size());
  };
  object.add_octets(CKA_VALUE, copy(der));
  object.add_octets(CKA_SUBJECT, {0x30, 0x00});
  CK_OBJECT_HANDLE made = 0;
  must(back_->C_CreateObject(session, object.list.data(), static_cast<CK_ULONG>(object.list.size()),
                             &made),
       "C_CreateObject");
  must(back_->C_CloseSession(session), "C_CloseSession");
}

}  // namespace caponier::pki::pkcs11::test
