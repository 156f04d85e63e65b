// AES-GCM (RFC 4106) and ChaCha20-Poly1305 (RFC 7634).

#include <algorithm>

#include "crypto/openssl/ossl.h"
#include "crypto/suite_cipher.h"

namespace caponier::crypto::ossl {

namespace {

constexpr std::size_t salt_size = 4;
using Nonce = std::array<std::byte, 12>;

Cipher fetch(const char* name) { return Cipher{EVP_CIPHER_fetch(nullptr, name, nullptr)}; }

/// Null when this OpenSSL lacks it. Each is looked up once: by name that is dear.
const EVP_CIPHER* algorithm_of(const CipherSuite& suite) {
  static const Cipher chacha20_poly1305 = fetch("ChaCha20-Poly1305");
  static const Cipher aes_128 = fetch("AES-128-GCM");
  static const Cipher aes_192 = fetch("AES-192-GCM");
  static const Cipher aes_256 = fetch("AES-256-GCM");
  if (suite.encr == EncrId::chacha20_poly1305) return chacha20_poly1305.get();
  if (suite.key_bits == 128) return aes_128.get();
  return suite.key_bits == 192 ? aes_192.get() : aes_256.get();
}

class AeadCipher final : public SuiteCipher {
 public:
  explicit AeadCipher(const CipherSuite& suite) : SuiteCipher(suite) {}

  bool init(const EVP_CIPHER* algorithm, Bytes encr_key) {
    const Bytes key = encr_key.first(encr_key.size() - salt_size);
    base::copy_into(salt_.reveal_mutable(), encr_key.last(salt_size));
    ctx_.reset(EVP_CIPHER_CTX_new());
    return algorithm != nullptr && ctx_ != nullptr &&
           EVP_EncryptInit_ex2(ctx_.get(), algorithm, raw(key), nullptr, nullptr) == 1;
  }

  void seal(std::span<PacketJob> jobs) override {
    for (PacketJob& job : jobs) job.ok = is_well_formed(job) && seal_one(job);
  }
  void open(std::span<PacketJob> jobs) override {
    for (PacketJob& job : jobs) job.ok = is_well_formed(job) && open_one(job);
  }

 private:
  Nonce nonce_of(const PacketJob& job) const {
    Nonce nonce{};
    base::copy_into(nonce, salt_.reveal());
    base::copy_into(base::MutBytes{nonce}.subspan(salt_size), job.iv);
    return nonce;
  }

  bool seal_one(PacketJob& job) {
    base::store_be(job.iv.data(), job.iv_counter);
    const Nonce nonce = nonce_of(job);
    EsnAad space{};
    const Bytes aad = associated_data(job, space);
    EVP_CIPHER_CTX* ctx = ctx_.get();
    int size = 0;
    if (EVP_EncryptInit_ex2(ctx, nullptr, nullptr, raw(Bytes{nonce}), nullptr) != 1) return false;
    if (!aad.empty() && EVP_EncryptUpdate(ctx, nullptr, &size, raw(aad), size_of(aad)) != 1) {
      return false;
    }
    if (!job.text.empty() &&
        EVP_EncryptUpdate(ctx, raw(job.text), &size, raw(job.text), size_of(job.text)) != 1) {
      return false;
    }
    return EVP_EncryptFinal_ex(ctx, raw(job.icv), &size) == 1 &&
           EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, size_of(job.icv), raw(job.icv)) == 1;
  }

  bool open_one(PacketJob& job) {
    const Nonce nonce = nonce_of(job);
    EsnAad space{};
    const Bytes aad = associated_data(job, space);
    EVP_CIPHER_CTX* ctx = ctx_.get();
    int size = 0;
    if (EVP_DecryptInit_ex2(ctx, nullptr, nullptr, raw(Bytes{nonce}), nullptr) != 1) return false;
    if (!aad.empty() && EVP_DecryptUpdate(ctx, nullptr, &size, raw(aad), size_of(aad)) != 1) {
      return false;
    }
    if (!job.text.empty() &&
        EVP_DecryptUpdate(ctx, raw(job.text), &size, raw(job.text), size_of(job.text)) != 1) {
      return false;
    }
    std::array<std::byte, EVP_MAX_BLOCK_LENGTH> rest{};
    return EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, size_of(job.icv), raw(job.icv)) == 1 &&
           EVP_DecryptFinal_ex(ctx, raw(base::MutBytes{rest}), &size) == 1;
  }

  base::Secret<salt_size> salt_;
  /// Serves both directions: these ciphers have one key schedule, and every job names its own.
  CipherCtx ctx_;
};

}  // namespace

std::unique_ptr<PacketCipher> make_aead(const CipherSuite& suite, Bytes encr_key) {
  auto cipher = std::make_unique<AeadCipher>(suite);
  if (!cipher->init(algorithm_of(suite), encr_key)) return nullptr;
  return cipher;
}

}  // namespace caponier::crypto::ossl
