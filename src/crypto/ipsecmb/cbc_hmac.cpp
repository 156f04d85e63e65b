// AES-CBC (RFC 3602) with HMAC-SHA2 (RFC 4868) by the job API.

#include <algorithm>

#include "crypto/ipsecmb/burst_cipher.h"

namespace caponier::crypto::ipsecmb {

namespace {

constexpr std::size_t round_keys_size = std::size_t{16} * 15;
constexpr std::size_t hash_state_size_max = 64;

/// What one HMAC is to the library.
struct Hash {
  IMB_HASH_ALG algorithm;
  std::size_t block_size;
  hash_one_block_t one_block;
};

Hash hash_of(const IMB_MGR& mgr, IntegId integ) {
  switch (integ) {
    case IntegId::none:
    case IntegId::hmac_sha1_96:
    case IntegId::aes_xcbc_96:
    case IntegId::aes_cmac_96:
    case IntegId::aes_128_gmac:
    case IntegId::aes_192_gmac:
    case IntegId::aes_256_gmac: break;
    case IntegId::hmac_sha2_256_128: return {IMB_AUTH_HMAC_SHA_256, 64, mgr.sha256_one_block};
    case IntegId::hmac_sha2_384_192: return {IMB_AUTH_HMAC_SHA_384, 128, mgr.sha384_one_block};
    case IntegId::hmac_sha2_512_256: return {IMB_AUTH_HMAC_SHA_512, 128, mgr.sha512_one_block};
  }
  return {IMB_AUTH_NULL, 0, nullptr};
}

class CbcHmacCipher final : public BurstCipher {
 public:
  CbcHmacCipher(const CipherSuite& suite, const IMB_MGR& mgr, Bytes encr_key, Bytes integ_key,
                base::Rng& rng)
      : BurstCipher(suite),
        key_size_(encr_key.size()),
        algorithm_(hash_of(mgr, suite.integ).algorithm),
        ivs_(rng) {
    const auto expand = suite.key_bits == 128   ? mgr.keyexp_128
                        : suite.key_bits == 192 ? mgr.keyexp_192
                                                : mgr.keyexp_256;
    expand(encr_key.data(), encrypt_.data(), decrypt_.data());
    precompute(hash_of(mgr, suite.integ), integ_key, std::byte{0x36}, inner_);
    precompute(hash_of(mgr, suite.integ), integ_key, std::byte{0x5c}, outer_);
  }
  CbcHmacCipher(const CbcHmacCipher&) = delete;
  CbcHmacCipher& operator=(const CbcHmacCipher&) = delete;
  ~CbcHmacCipher() override {
    for (const MutBytes secret :
         {MutBytes{encrypt_}, MutBytes{decrypt_}, MutBytes{inner_}, MutBytes{outer_}}) {
      base::wipe(secret);
    }
  }

 private:
  using RoundKeys = std::array<std::byte, round_keys_size>;
  using HashState = std::array<std::byte, hash_state_size_max>;

  /// RFC 2104 s4: the hash's state after its first block, key XOR pad. RFC 4868 keys never exceed
  /// the block.
  static void precompute(const Hash& hash, Bytes key, std::byte pad, HashState& state) {
    base::Secret<128> block;
    std::ranges::fill(block.reveal_mutable(), pad);
    for (std::size_t i = 0; i < key.size(); ++i) block.reveal_mutable()[i] ^= key[i];
    hash.one_block(block.reveal().data(), state.data());
  }

  void write_iv(PacketJob& job) override { ivs_.take(job.iv); }

  void prepare(Slot& slot, IMB_JOB& out) override {
    const PacketJob& job = *slot.job;
    const Bytes hashed = authenticated_text(job);
    out.cipher_mode = IMB_CIPHER_CBC;
    out.hash_alg = algorithm_;
    out.enc_keys = encrypt_.data();
    out.dec_keys = decrypt_.data();
    out.key_len_in_bytes = key_size_;
    out.iv = octets(job.iv);
    out.iv_len_in_bytes = job.iv.size();
    out.src = octets(hashed);
    out.dst = mutable_octets(job.text);
    out.cipher_start_src_offset_in_bytes = hashed.size() - job.text.size();
    out.msg_len_to_cipher_in_bytes = job.text.size();
    out.hash_start_src_offset_in_bytes = 0;
    out.msg_len_to_hash_in_bytes = hashed.size();
    out.u.HMAC._hashed_auth_key_xor_ipad = octets(inner_);
    out.u.HMAC._hashed_auth_key_xor_opad = octets(outer_);
    if (!job.esn_high) return;
    // RFC 4303 s2.2.1 hashes the upper half behind the ciphertext, where the ICV's room is. The tag
    // itself goes to the slot.
    base::copy_into(slot.icv_head, Bytes{job.icv}.first(slot.icv_head.size()));
    base::store_be(job.icv.data(), *job.esn_high);
    out.msg_len_to_hash_in_bytes += slot.icv_head.size();
  }

  void restore(Slot& slot) override {
    if (slot.job->esn_high) base::copy_into(slot.job->icv, slot.icv_head);
  }

  alignas(64) RoundKeys encrypt_{};
  alignas(64) RoundKeys decrypt_{};
  alignas(64) HashState inner_{};
  alignas(64) HashState outer_{};
  std::size_t key_size_;
  IMB_HASH_ALG algorithm_;
  IvPool ivs_;
};

}  // namespace

std::unique_ptr<PacketCipher> make_cbc_hmac(const CipherSuite& suite, Bytes encr_key,
                                            Bytes integ_key, base::Rng& rng) {
  const IMB_MGR* mgr = manager();
  if (mgr == nullptr) return nullptr;
  return std::make_unique<CbcHmacCipher>(suite, *mgr, encr_key, integ_key, rng);
}

}  // namespace caponier::crypto::ipsecmb
