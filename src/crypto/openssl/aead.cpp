// AES-GCM (RFC 4106), AES-CCM (RFC 4309), ChaCha20-Poly1305 (RFC 7634), each with the IV on the
// wire or implicit (RFC 8750), and AES-GMAC (RFC 4543).

#include <algorithm>

#include "crypto/openssl/ossl.h"
#include "crypto/suite_cipher.h"

namespace caponier::crypto::ossl {

namespace {

constexpr std::size_t nonce_size_max = 12;
using Nonce = std::array<std::byte, nonce_size_max>;

Cipher fetch(const char* name) { return Cipher{EVP_CIPHER_fetch(nullptr, name, nullptr)}; }

const EVP_CIPHER* gcm_of(std::size_t key_size) {
  static const Cipher aes_128 = fetch("AES-128-GCM");
  static const Cipher aes_192 = fetch("AES-192-GCM");
  static const Cipher aes_256 = fetch("AES-256-GCM");
  if (key_size == 16) return aes_128.get();
  return key_size == 24 ? aes_192.get() : aes_256.get();
}

const EVP_CIPHER* ccm_of(std::size_t key_size) {
  static const Cipher aes_128 = fetch("AES-128-CCM");
  static const Cipher aes_192 = fetch("AES-192-CCM");
  static const Cipher aes_256 = fetch("AES-256-CCM");
  if (key_size == 16) return aes_128.get();
  return key_size == 24 ? aes_192.get() : aes_256.get();
}

const EVP_CIPHER* chacha20_poly1305() {
  static const Cipher algorithm = fetch("ChaCha20-Poly1305");
  return algorithm.get();
}

enum class Mode : std::uint8_t { gcm, ccm, chacha20_poly1305, gmac };

Mode mode_of(EncrId encr) {
  using enum EncrId;
  switch (encr) {
    case aes_ccm_8:
    case aes_ccm_12:
    case aes_ccm_16:
    case aes_ccm_8_iiv: return Mode::ccm;
    case chacha20_poly1305:
    case chacha20_poly1305_iiv: return Mode::chacha20_poly1305;
    case null_auth_aes_gmac: return Mode::gmac;
    case triple_des:
    case null:
    case aes_cbc:
    case aes_ctr:
    case aes_gcm_8:
    case aes_gcm_12:
    case aes_gcm_16:
    case aes_gcm_16_iiv: break;
  }
  return Mode::gcm;
}

/// Null when this OpenSSL lacks it. Each is looked up once: by name that is dear.
const EVP_CIPHER* algorithm_of(Mode mode, std::size_t key_size) {
  switch (mode) {
    case Mode::gcm:
    case Mode::gmac: return gcm_of(key_size);
    case Mode::ccm: return ccm_of(key_size);
    case Mode::chacha20_poly1305: return ossl::chacha20_poly1305();
  }
  return nullptr;
}

bool update(EVP_CIPHER_CTX* ctx, MutBytes text) {
  int size = 0;
  return EVP_CipherUpdate(ctx, raw(text), &size, raw(Bytes{text}), size_of(text)) == 1;
}

bool authenticate(EVP_CIPHER_CTX* ctx, Bytes data) {
  int size = 0;
  return data.empty() || EVP_CipherUpdate(ctx, nullptr, &size, raw(data), size_of(data)) == 1;
}

class AeadCipher final : public SuiteCipher {
 public:
  explicit AeadCipher(const CipherSuite& suite)
      : SuiteCipher(suite), mode_(mode_of(suite.encr)), salt_size_(find(suite.encr)->salt_size) {}

  bool init(Bytes encr_key) {
    const std::size_t key_size = encr_key.size() - salt_size_;
    base::copy_into(MutBytes{salt_.reveal_mutable()}, encr_key.subspan(key_size));
    const EVP_CIPHER* const algorithm = algorithm_of(mode_, key_size);
    if (!prepare(ctx_, algorithm, encr_key, 1)) return false;
    // CCM alone schedules its key for one direction.
    return mode_ != Mode::ccm || prepare(open_ctx_, algorithm, encr_key, 0);
  }

  void seal(std::span<PacketJob> jobs) override {
    for (PacketJob& job : jobs) job.ok = is_well_formed(job) && seal_one(job);
  }
  void open(std::span<PacketJob> jobs) override {
    for (PacketJob& job : jobs) job.ok = is_well_formed(job) && open_one(job);
  }

 private:
  [[nodiscard]] std::size_t nonce_size() const { return salt_size_ + sizeof(CounterIv); }

  bool prepare(CipherCtx& to, const EVP_CIPHER* algorithm, Bytes key, int encrypts) const {
    to.reset(EVP_CIPHER_CTX_new());
    EVP_CIPHER_CTX* const ctx = to.get();
    if (algorithm == nullptr || ctx == nullptr ||
        EVP_CipherInit_ex2(ctx, algorithm, nullptr, nullptr, encrypts, nullptr) != 1) {
      return false;
    }
    // CCM's counter and ICV sizes are part of what it authenticates.
    const auto iv_length = static_cast<int>(nonce_size());
    const auto tag_length = static_cast<int>(icv_size());
    if (mode_ == Mode::ccm &&
        (EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_IVLEN, iv_length, nullptr) != 1 ||
         EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, tag_length, nullptr) != 1)) {
      return false;
    }
    return EVP_CipherInit_ex2(ctx, nullptr, raw(key), nullptr, encrypts, nullptr) == 1;
  }

  [[nodiscard]] Nonce nonce_of(const PacketJob& job) const {
    Nonce nonce{};
    base::copy_into(nonce, Bytes{salt_.reveal()}.first(salt_size_));
    base::copy_into(MutBytes{nonce}.subspan(salt_size_), counter_iv(job));
    return nonce;
  }

  bool seal_one(PacketJob& job) {
    if (!job.iv.empty()) base::store_be(job.iv.data(), job.iv_counter);
    const Nonce nonce = nonce_of(job);
    EVP_CIPHER_CTX* const ctx = ctx_.get();
    int size = 0;
    return EVP_EncryptInit_ex2(ctx, nullptr, nullptr, raw(Bytes{nonce}), nullptr) == 1 &&
           process(ctx, job) && EVP_EncryptFinal_ex(ctx, raw(job.icv), &size) == 1 &&
           EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, size_of(job.icv), raw(job.icv)) == 1;
  }

  bool open_one(PacketJob& job) {
    const Nonce nonce = nonce_of(job);
    EVP_CIPHER_CTX* const ctx = mode_ == Mode::ccm ? open_ctx_.get() : ctx_.get();
    int size = 0;
    std::array<std::byte, EVP_MAX_BLOCK_LENGTH> rest{};
    return EVP_DecryptInit_ex2(ctx, nullptr, nullptr, raw(Bytes{nonce}), nullptr) == 1 &&
           EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, size_of(job.icv), raw(job.icv)) == 1 &&
           process(ctx, job) && EVP_DecryptFinal_ex(ctx, raw(MutBytes{rest}), &size) == 1;
  }

  bool process(EVP_CIPHER_CTX* ctx, PacketJob& job) {
    EsnAad space{};
    const Bytes aad = associated_data(job, space);
    switch (mode_) {
      case Mode::gmac: return authenticate(ctx, aad) && authenticate(ctx, job.text);
      case Mode::ccm: {
        int size = 0;
        // CCM checks the ICV while it decrypts, so that even an empty text has to be given.
        return EVP_CipherUpdate(ctx, nullptr, &size, nullptr, size_of(job.text)) == 1 &&
               authenticate(ctx, aad) &&
               update(ctx, job.text.empty() ? job.icv.first(0) : job.text);
      }
      case Mode::gcm:
      case Mode::chacha20_poly1305: break;
    }
    return authenticate(ctx, aad) && (job.text.empty() || update(ctx, job.text));
  }

  Mode mode_;
  base::Secret<4> salt_;
  std::size_t salt_size_;
  /// Serves both directions: but for CCM these ciphers have one key schedule, and every job names
  /// its own.
  CipherCtx ctx_;
  CipherCtx open_ctx_;
};

}  // namespace

bool Gmac::init(Bytes key) {
  const std::size_t key_size = key.size() - salt_.reveal().size();
  base::copy_into(salt_.reveal_mutable(), key.subspan(key_size));
  ctx_.reset(EVP_CIPHER_CTX_new());
  return ctx_ != nullptr && gcm_of(key_size) != nullptr &&
         EVP_EncryptInit_ex2(ctx_.get(), gcm_of(key_size), raw(key), nullptr, nullptr) == 1;
}

bool Gmac::compute(Bytes iv, std::span<const Bytes> parts, MutBytes out) {
  Nonce nonce{};
  base::copy_into(nonce, salt_.reveal());
  base::copy_into(MutBytes{nonce}.last(iv.size()), iv);
  if (EVP_EncryptInit_ex2(ctx_.get(), nullptr, nullptr, raw(Bytes{nonce}), nullptr) != 1) {
    return false;
  }
  for (const Bytes part : parts) {
    if (!authenticate(ctx_.get(), part)) return false;
  }
  int written = 0;
  return EVP_EncryptFinal_ex(ctx_.get(), raw(out), &written) == 1 &&
         EVP_CIPHER_CTX_ctrl(ctx_.get(), EVP_CTRL_AEAD_GET_TAG, size, raw(out)) == 1;
}

std::unique_ptr<PacketCipher> make_aead(const CipherSuite& suite, Bytes encr_key) {
  auto cipher = std::make_unique<AeadCipher>(suite);
  if (!cipher->init(encr_key)) return nullptr;
  return cipher;
}

}  // namespace caponier::crypto::ossl
