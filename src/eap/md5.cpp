// MD5-Challenge (RFC 3748 s5.4): CHAP's hash. No key, no proof of the server.

#include "eap/method.h"
#include "eap/user.h"

namespace caponier::eap {
namespace {

constexpr std::size_t value_size = 16;

using Value = std::array<std::byte, value_size>;

/// RFC 1994 s4.1.
Value hash_of(const crypto::LegacyCrypto& crypto, std::uint8_t identifier, Bytes secret,
              Bytes challenge) {
  const std::byte first{identifier};
  const std::array<Bytes, 3> parts = {Bytes{&first, 1}, secret, challenge};
  return crypto.md5(parts);
}

/// Value-Size and Value; the Name behind is optional and says nothing.
std::optional<Bytes> read_value(Bytes data) {
  if (data.empty()) return std::nullopt;
  const auto size = std::to_integer<std::size_t>(data[0]);
  if (size == 0 || size > data.size() - 1) return std::nullopt;
  return data.subspan(1, size);
}

ByteVec write_value(Bytes value, std::string_view name) {
  base::Writer out;
  out.u8(static_cast<std::uint8_t>(value.size()));
  out.bytes(value);
  out.bytes(base::as_bytes(name));
  return base::to_vec(out.view());
}

class Md5Server final : public ServerMethod {
 public:
  explicit Md5Server(const ServerContext& context) : context_(context) {}

  ServerStep begin(std::uint8_t identifier) override {
    identifier_ = identifier;
    context_.ports.rng.fill_public(challenge_);
    return Say{write_value(challenge_, context_.settings.name)};
  }

  ServerStep handle(Bytes data, std::uint8_t /*next_identifier*/) override {
    const auto value = read_value(data);
    if (!value || value->size() != value_size) {
      return Failed{FailureReason::malformed, "an MD5-Challenge response of the wrong size"};
    }
    const User user = find_user(context_, context_.claimed_identity);
    const auto* cleartext = std::get_if<Cleartext>(&user.password);
    const Bytes secret = cleartext == nullptr ? Bytes{} : cleartext->password.reveal();
    const Value expected = hash_of(context_.ports.crypto, identifier_, secret, challenge_);
    const bool same = base::equal_constant_time(expected, *value);
    if (cleartext == nullptr) {
      return Failed{FailureReason::bad_credentials,
                    "MD5-Challenge needs the password itself, and only its NT hash is stored"};
    }
    if (!same || !user.is_known) return refusal(user);
    return Proven{{user.name, {}, Type::none, false, {}}};
  }

 private:
  ServerContext context_;
  Value challenge_{};
  std::uint8_t identifier_ = 0;
};

class Md5Client final : public ClientMethod {
 public:
  explicit Md5Client(const ClientContext& context) : context_(context) {}

  ClientStep handle(Bytes data, std::uint8_t identifier) override {
    const auto challenge = read_value(data);
    const auto* cleartext = std::get_if<Cleartext>(context_.ports.password);
    if (!challenge || has_answered_) {
      return Failed{FailureReason::malformed, "an MD5-Challenge request that is none"};
    }
    if (cleartext == nullptr) {
      return Failed{FailureReason::bad_credentials,
                    "MD5-Challenge needs the password itself, and only its NT hash is known"};
    }
    has_answered_ = true;
    return Say{write_value(
        hash_of(context_.ports.crypto, identifier, cleartext->password.reveal(), *challenge), {})};
  }

  std::optional<Proof> take_proof() override {
    if (!has_answered_) return std::nullopt;
    return Proof{context_.settings.identity, {}, Type::none, false, {}};
  }

 private:
  ClientContext context_;
  bool has_answered_ = false;
};

}  // namespace

std::unique_ptr<ServerMethod> make_md5_server(const ServerContext& context) {
  return std::make_unique<Md5Server>(context);
}

std::unique_ptr<ClientMethod> make_md5_client(const ClientContext& context) {
  return std::make_unique<Md5Client>(context);
}

}  // namespace caponier::eap
