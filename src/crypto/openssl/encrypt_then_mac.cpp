// AES-CBC (RFC 3602), AES-CTR (RFC 3686), 3DES (RFC 2451) and NULL (RFC 2410), each with HMAC-SHA2
// (RFC 4868), HMAC-SHA1 (RFC 2404), AES-XCBC (RFC 3566) or AES-CMAC (RFC 4494); for AH NULL with
// AES-GMAC (RFC 4543).

#include <variant>

#include "crypto/openssl/ossl.h"
#include "crypto/suite_cipher.h"

namespace caponier::crypto::ossl {

namespace {

constexpr std::size_t aes_block_size = 16;
constexpr std::size_t ctr_nonce_size = 4;
using Block = std::array<std::byte, aes_block_size>;

/// One MAC of any kind under one key.
class Integrity {
 public:
  static constexpr std::size_t size_max = Hmac::size_max;
  using Tag = std::array<std::byte, size_max>;

  bool init(IntegId id, Bytes key) {
    if (is_gmac(id)) return mac_.emplace<Gmac>().init(key);
    if (id == IntegId::aes_xcbc_96) return mac_.emplace<CbcMac>().init(CbcMac::Kind::xcbc, key);
    if (id == IntegId::aes_cmac_96) return mac_.emplace<CbcMac>().init(CbcMac::Kind::cmac, key);
    return mac_.emplace<Hmac>().init(digest_of(id), key);
  }

  bool compute(const PacketJob& job, Tag& tag) {
    std::array<std::byte, 4> esn_high{};
    base::store_be(esn_high.data(), job.esn_high.value_or(0));
    const std::array<Bytes, 2> parts{authenticated_text(job),
                                     job.esn_high ? Bytes{esn_high} : Bytes{}};
    if (auto* const hmac = std::get_if<Hmac>(&mac_)) return hmac->compute(parts, tag);
    if (auto* const cbc_mac = std::get_if<CbcMac>(&mac_)) return cbc_mac->compute(parts, tag);
    return std::get<Gmac>(mac_).compute(job.iv, parts, tag);
  }

 private:
  std::variant<Hmac, CbcMac, Gmac> mac_;
};

const EVP_CIPHER* cbc_of(const CipherSuite& suite) {
  if (suite.encr == EncrId::triple_des) return EVP_des_ede3_cbc();
  const std::uint16_t key_bits = suite.key_bits;
  if (key_bits == 128) return EVP_aes_128_cbc();
  return key_bits == 192 ? EVP_aes_192_cbc() : EVP_aes_256_cbc();
}

const EVP_CIPHER* ctr_of(std::uint16_t key_bits) {
  if (key_bits == 128) return EVP_aes_128_ctr();
  return key_bits == 192 ? EVP_aes_192_ctr() : EVP_aes_256_ctr();
}

class EtmCipher final : public SuiteCipher {
 public:
  EtmCipher(const CipherSuite& suite, base::Rng& rng)
      : SuiteCipher(suite), encr_(suite.encr), random_iv_(block_size() > 1), ivs_(rng) {}

  bool init(const CipherSuite& suite, Bytes encr_key, Bytes integ_key) {
    if (!integrity_.init(suite.integ, integ_key)) return false;
    if (encr_ == EncrId::null) return true;
    const bool counter_mode = encr_ == EncrId::aes_ctr;
    const std::size_t key_size = encr_key.size() - (counter_mode ? ctr_nonce_size : 0);
    base::copy_into(base::MutBytes{ctr_nonce_.reveal_mutable()}, encr_key.subspan(key_size));
    const EVP_CIPHER* algorithm = counter_mode ? ctr_of(suite.key_bits) : cbc_of(suite);
    encrypt_.reset(EVP_CIPHER_CTX_new());
    decrypt_.reset(EVP_CIPHER_CTX_new());
    if (encrypt_ == nullptr || decrypt_ == nullptr) return false;
    const unsigned char* key = raw(encr_key);
    return EVP_EncryptInit_ex(encrypt_.get(), algorithm, nullptr, key, nullptr) == 1 &&
           EVP_DecryptInit_ex(decrypt_.get(), algorithm, nullptr, key, nullptr) == 1 &&
           EVP_CIPHER_CTX_set_padding(encrypt_.get(), 0) == 1 &&
           EVP_CIPHER_CTX_set_padding(decrypt_.get(), 0) == 1;
  }

  void seal(std::span<PacketJob> jobs) override {
    for (PacketJob& job : jobs) job.ok = is_well_formed(job) && seal_one(job);
  }
  void open(std::span<PacketJob> jobs) override {
    for (PacketJob& job : jobs) job.ok = is_well_formed(job) && open_one(job);
  }

 private:
  bool seal_one(PacketJob& job) {
    if (random_iv_) {
      ivs_.take(job.iv);
    } else if (!job.iv.empty()) {
      base::store_be(job.iv.data(), job.iv_counter);
    }
    Integrity::Tag tag{};
    if (!crypt(encrypt_.get(), job) || !integrity_.compute(job, tag)) return false;
    base::copy_into(job.icv, Bytes{tag}.first(job.icv.size()));
    return true;
  }

  bool open_one(PacketJob& job) {
    Integrity::Tag tag{};
    const bool genuine = integrity_.compute(job, tag) &&
                         base::equal_constant_time(Bytes{tag}.first(job.icv.size()), job.icv);
    base::wipe(tag);  // of a forgery, this is the ICV that would have passed
    return genuine && crypt(decrypt_.get(), job);
  }

  bool crypt(EVP_CIPHER_CTX* ctx, PacketJob& job) {
    if (encr_ == EncrId::null || job.text.empty()) return true;
    const Block iv = initial_block(job);
    int size = 0;
    return EVP_CipherInit_ex(ctx, nullptr, nullptr, nullptr, raw(Bytes{iv}), -1) == 1 &&
           EVP_CipherUpdate(ctx, raw(job.text), &size, raw(job.text), size_of(job.text)) == 1 &&
           size == size_of(job.text);
  }

  Block initial_block(const PacketJob& job) const {
    Block block{};
    if (encr_ == EncrId::aes_ctr) {  // RFC 3686 s4: nonce | IV | 1
      base::copy_into(block, ctr_nonce_.reveal());
      base::copy_into(base::MutBytes{block}.subspan(ctr_nonce_size), job.iv);
      block.back() = std::byte{1};
    } else {
      base::copy_into(block, job.iv);
    }
    return block;
  }

  EncrId encr_;
  bool random_iv_;
  IvPool ivs_;
  Integrity integrity_;
  base::Secret<ctr_nonce_size> ctr_nonce_;
  CipherCtx encrypt_;
  CipherCtx decrypt_;
};

}  // namespace

std::unique_ptr<PacketCipher> make_encrypt_then_mac(const CipherSuite& suite, Bytes encr_key,
                                                    Bytes integ_key, base::Rng& rng) {
  auto cipher = std::make_unique<EtmCipher>(suite, rng);
  if (!cipher->init(suite, encr_key, integ_key)) return nullptr;
  return cipher;
}

}  // namespace caponier::crypto::ossl
