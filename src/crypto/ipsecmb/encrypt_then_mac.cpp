// AES-CBC (RFC 3602), AES-CTR (RFC 3686) and NULL (RFC 2410) with HMAC-SHA2 (RFC 4868), HMAC-SHA1
// (RFC 2404), AES-XCBC (RFC 3566) or AES-CMAC (RFC 4494) by the job API.

#include <algorithm>

#include "crypto/ipsecmb/burst_cipher.h"

namespace caponier::crypto::ipsecmb {

namespace {

constexpr std::size_t round_keys_size = std::size_t{16} * 15;
constexpr std::size_t hash_state_size_max = 64;
constexpr std::size_t ctr_nonce_size = 4;

using RoundKeys = std::array<std::byte, round_keys_size>;
using HashState = std::array<std::byte, hash_state_size_max>;

/// What one MAC is to the library; without `one_block` it is one of AES.
struct Hash {
  IMB_HASH_ALG algorithm;
  std::size_t block_size;
  hash_one_block_t one_block;
};

Hash hash_of(const IMB_MGR& mgr, IntegId integ) {
  switch (integ) {
    case IntegId::hmac_sha1_96: return {IMB_AUTH_HMAC_SHA_1, 64, mgr.sha1_one_block};
    case IntegId::hmac_sha2_256_128: return {IMB_AUTH_HMAC_SHA_256, 64, mgr.sha256_one_block};
    case IntegId::hmac_sha2_384_192: return {IMB_AUTH_HMAC_SHA_384, 128, mgr.sha384_one_block};
    case IntegId::hmac_sha2_512_256: return {IMB_AUTH_HMAC_SHA_512, 128, mgr.sha512_one_block};
    case IntegId::aes_xcbc_96: return {IMB_AUTH_AES_XCBC, 0, nullptr};
    case IntegId::aes_cmac_96: return {IMB_AUTH_AES_CMAC, 0, nullptr};
    case IntegId::none:
    case IntegId::aes_128_gmac:
    case IntegId::aes_192_gmac:
    case IntegId::aes_256_gmac: break;
  }
  return {IMB_AUTH_NULL, 0, nullptr};
}

/// A MAC's key, ready for use.
struct MacKey {
  alignas(64) HashState first{};   ///< of HMAC the inner state, else the mask of a whole last block
  alignas(64) HashState second{};  ///< of HMAC the outer state, else the mask of a padded one
  alignas(64) RoundKeys rounds{};  ///< of AES

  MacKey(const IMB_MGR& mgr, IntegId integ, Bytes key) {
    const Hash hash = hash_of(mgr, integ);
    if (hash.one_block != nullptr) {
      precompute(hash, key, std::byte{0x36}, first);
      precompute(hash, key, std::byte{0x5c}, second);
    } else if (hash.algorithm == IMB_AUTH_AES_XCBC) {
      mgr.xcbc_keyexp(key.data(), rounds.data(), first.data(), second.data());
    } else {
      alignas(16) RoundKeys unused;
      mgr.keyexp_128(key.data(), rounds.data(), unused.data());
      base::wipe(unused);
      mgr.cmac_subkey_gen_128(rounds.data(), first.data(), second.data());
    }
  }
  MacKey(const MacKey&) = delete;
  MacKey& operator=(const MacKey&) = delete;
  ~MacKey() {
    for (const MutBytes secret : {MutBytes{first}, MutBytes{second}, MutBytes{rounds}}) {
      base::wipe(secret);
    }
  }

  void give_to(IMB_JOB& job) const {
    if (job.hash_alg == IMB_AUTH_AES_XCBC) {
      const void* const k1 = rounds.data();
      job.u.XCBC._k1_expanded = static_cast<const std::uint32_t*>(k1);
      job.u.XCBC._k2 = octets(first);
      job.u.XCBC._k3 = octets(second);
    } else if (job.hash_alg == IMB_AUTH_AES_CMAC) {
      job.u.CMAC._key_expanded = rounds.data();
      job.u.CMAC._skey1 = first.data();
      job.u.CMAC._skey2 = second.data();
    } else {
      job.u.HMAC._hashed_auth_key_xor_ipad = octets(first);
      job.u.HMAC._hashed_auth_key_xor_opad = octets(second);
    }
  }

 private:
  /// RFC 2104 s4: the hash's state after its first block, key XOR pad. RFC 4868 keys never exceed
  /// the block.
  static void precompute(const Hash& hash, Bytes key, std::byte pad, HashState& state) {
    base::Secret<128> block;
    std::ranges::fill(block.reveal_mutable(), pad);
    for (std::size_t i = 0; i < key.size(); ++i) block.reveal_mutable()[i] ^= key[i];
    hash.one_block(block.reveal().data(), state.data());
  }
};

IMB_CIPHER_MODE mode_of(EncrId encr) {
  if (encr == EncrId::aes_cbc) return IMB_CIPHER_CBC;
  return encr == EncrId::aes_ctr ? IMB_CIPHER_CNTR : IMB_CIPHER_NULL;
}

class EtmCipher final : public BurstCipher {
 public:
  EtmCipher(const CipherSuite& suite, const IMB_MGR& mgr, Bytes encr_key, Bytes integ_key,
            base::Rng& rng)
      : BurstCipher(suite),
        mac_(mgr, suite.integ, integ_key),
        key_size_(suite.key_bits / 8U),
        mode_(mode_of(suite.encr)),
        algorithm_(hash_of(mgr, suite.integ).algorithm),
        ivs_(rng) {
    if (mode_ == IMB_CIPHER_NULL) return;
    const auto expand = suite.key_bits == 128   ? mgr.keyexp_128
                        : suite.key_bits == 192 ? mgr.keyexp_192
                                                : mgr.keyexp_256;
    expand(encr_key.data(), encrypt_.data(), decrypt_.data());
    base::copy_into(MutBytes{ctr_nonce_.reveal_mutable()}, encr_key.subspan(key_size_));
  }
  EtmCipher(const EtmCipher&) = delete;
  EtmCipher& operator=(const EtmCipher&) = delete;
  ~EtmCipher() override {
    base::wipe(encrypt_);
    base::wipe(decrypt_);
  }

 private:
  void write_iv(PacketJob& job) override {
    if (mode_ == IMB_CIPHER_CBC) {
      ivs_.take(job.iv);
    } else if (!job.iv.empty()) {
      base::store_be(job.iv.data(), job.iv_counter);
    }
  }

  void prepare(Slot& slot, IMB_JOB& out) override {
    const PacketJob& job = *slot.job;
    const Bytes hashed = authenticated_text(job);
    // The library refuses to encrypt nothing.
    out.cipher_mode = job.text.empty() ? IMB_CIPHER_NULL : mode_;
    out.hash_alg = algorithm_;
    out.enc_keys = encrypt_.data();
    // Counter mode decrypts by encrypting.
    out.dec_keys = mode_ == IMB_CIPHER_CBC ? decrypt_.data() : encrypt_.data();
    out.key_len_in_bytes = key_size_;
    set_iv(slot, out);
    out.src = octets(hashed);
    out.dst = mutable_octets(job.text);
    out.cipher_start_src_offset_in_bytes = hashed.size() - job.text.size();
    out.msg_len_to_cipher_in_bytes = job.text.size();
    out.hash_start_src_offset_in_bytes = 0;
    out.msg_len_to_hash_in_bytes = hashed.size();
    mac_.give_to(out);
    if (!job.esn_high) return;
    // RFC 4303 s2.2.1 hashes the upper half behind the ciphertext, where the ICV's room is. The tag
    // itself goes to the slot.
    base::copy_into(slot.icv_head, Bytes{job.icv}.first(slot.icv_head.size()));
    base::store_be(job.icv.data(), *job.esn_high);
    out.msg_len_to_hash_in_bytes += slot.icv_head.size();
  }

  void set_iv(Slot& slot, IMB_JOB& out) const {
    const Bytes iv = slot.job->iv;
    if (mode_ == IMB_CIPHER_CNTR) {  // RFC 3686 s4: nonce | IV, and the library appends 1
      base::copy_into(slot.nonce, ctr_nonce_.reveal());
      base::copy_into(MutBytes{slot.nonce}.subspan(ctr_nonce_size), iv);
      out.iv = octets(slot.nonce);
      out.iv_len_in_bytes = slot.nonce.size();
    } else {
      out.iv = octets(iv);
      out.iv_len_in_bytes = iv.size();
    }
  }

  void restore(Slot& slot) override {
    if (slot.job->esn_high) base::copy_into(slot.job->icv, slot.icv_head);
  }

  alignas(64) RoundKeys encrypt_{};
  alignas(64) RoundKeys decrypt_{};
  MacKey mac_;
  base::Secret<ctr_nonce_size> ctr_nonce_;
  std::size_t key_size_;
  IMB_CIPHER_MODE mode_;
  IMB_HASH_ALG algorithm_;
  IvPool ivs_;
};

}  // namespace

std::unique_ptr<PacketCipher> make_encrypt_then_mac(const CipherSuite& suite, Bytes encr_key,
                                                    Bytes integ_key, base::Rng& rng) {
  const IMB_MGR* mgr = manager();
  if (mgr == nullptr) return nullptr;
  return std::make_unique<EtmCipher>(suite, *mgr, encr_key, integ_key, rng);
}

}  // namespace caponier::crypto::ipsecmb
