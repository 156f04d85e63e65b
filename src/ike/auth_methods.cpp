#include "ike/auth_methods.h"

#include <algorithm>

#include <fmt/format.h>

#include "ike/messages.h"

namespace caponier::ike {

using wire::AuthMethod;

namespace {
/// s3.2.1: length and method. Longer ones name a CERTREQ before the method.
constexpr std::size_t short_size = 2;
}  // namespace

AuthMethod method_of(AuthKind kind) {
  switch (kind) {
    case AuthKind::shared_key: return AuthMethod::shared_key_mic;
    case AuthKind::null: return AuthMethod::null;
  }
  return AuthMethod::shared_key_mic;
}

wire::NotifyPayload make_auth_methods(const std::vector<AuthMethod>& methods) {
  base::ByteVec data;
  for (const AuthMethod method : methods) {
    data.push_back(std::byte{short_size});
    data.push_back(static_cast<std::byte>(method));
  }
  return make_notify(wire::NotifyType::supported_auth_methods, std::move(data));
}

std::vector<AuthMethod> find_auth_methods(const std::vector<wire::Payload>& payloads) {
  const auto* const notify = wire::find_notify(payloads, wire::NotifyType::supported_auth_methods);
  if (notify == nullptr) return {};
  std::vector<AuthMethod> methods;
  base::Reader in{notify->data};
  for (std::size_t i = 0; i < auth_announcements_max && in.remaining() > 0; ++i) {
    const auto size = in.u8("announcement.length");
    if (!size || *size < short_size) return {};
    auto body = in.sub(*size - std::size_t{1}, "announcement.body");
    if (!body) return {};
    if (*size > short_size) (void)body->u8("announcement.cert_link");
    const auto method = body->u8("announcement.method");
    if (!method) return {};
    const auto value = static_cast<AuthMethod>(*method);
    if (std::ranges::find(methods, value) == methods.end()) methods.push_back(value);
  }
  return methods;
}

std::string describe(AuthMethod method) {
  switch (method) {
    case AuthMethod::shared_key_mic: return "a pre-shared key";
    case AuthMethod::null: return "no authentication (NULL)";
    case AuthMethod::rsa_signature:
    case AuthMethod::dss_signature:
    case AuthMethod::ecdsa_p256:
    case AuthMethod::ecdsa_p384:
    case AuthMethod::ecdsa_p521:
    case AuthMethod::digital_signature:
      return fmt::format("a signature ({})", static_cast<unsigned>(method));
  }
  return fmt::format("method {}", static_cast<unsigned>(method));
}

std::string describe(const std::vector<AuthMethod>& methods) {
  std::string text;
  for (const AuthMethod method : methods) {
    if (!text.empty()) text += " or ";
    text += describe(method);
  }
  return text;
}

}  // namespace caponier::ike
