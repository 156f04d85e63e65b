// AES-GCM (RFC 4106) and ChaCha20-Poly1305 (RFC 7634).

#include <algorithm>

#include "crypto/openssl/ossl.h"
#include "crypto/suite_cipher.h"

namespace caponier::crypto::ossl {

namespace {

constexpr std::size_t salt_size = 4;
using Nonce = std::array<std::byte, 12>;

const EVP_CIPHER* algorithm_of(const CipherSuite& suite) {
  if (suite.encr == EncrId::chacha20_poly1305) return EVP_chacha20_poly1305();
  if (suite.key_bits == 128) return EVP_aes_128_gcm();
  return suite.key_bits == 192 ? EVP_aes_192_gcm() : EVP_aes_256_gcm();
}

class AeadCipher final : public SuiteCipher {
 public:
  explicit AeadCipher(const CipherSuite& suite) : SuiteCipher(suite) {}

  bool init(const EVP_CIPHER* algorithm, Bytes encr_key) {
    const Bytes key = encr_key.first(encr_key.size() - salt_size);
    base::copy_into(salt_.reveal_mutable(), encr_key.last(salt_size));
    encrypt_.reset(EVP_CIPHER_CTX_new());
    decrypt_.reset(EVP_CIPHER_CTX_new());
    if (encrypt_ == nullptr || decrypt_ == nullptr) return false;
    return EVP_EncryptInit_ex(encrypt_.get(), algorithm, nullptr, raw(key), nullptr) == 1 &&
           EVP_DecryptInit_ex(decrypt_.get(), algorithm, nullptr, raw(key), nullptr) == 1;
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
    EVP_CIPHER_CTX* ctx = encrypt_.get();
    int size = 0;
    if (EVP_EncryptInit_ex(ctx, nullptr, nullptr, nullptr, raw(Bytes{nonce})) != 1) return false;
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
    EVP_CIPHER_CTX* ctx = decrypt_.get();
    int size = 0;
    if (EVP_DecryptInit_ex(ctx, nullptr, nullptr, nullptr, raw(Bytes{nonce})) != 1) return false;
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
  CipherCtx encrypt_;
  CipherCtx decrypt_;
};

}  // namespace

std::unique_ptr<PacketCipher> make_aead(const CipherSuite& suite, Bytes encr_key) {
  auto cipher = std::make_unique<AeadCipher>(suite);
  if (!cipher->init(algorithm_of(suite), encr_key)) return nullptr;
  return cipher;
}

}  // namespace caponier::crypto::ossl
