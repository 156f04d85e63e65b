// ChaCha20-Poly1305 (RFC 7634, RFC 8750) by the job API.

#include "crypto/ipsecmb/burst_cipher.h"

namespace caponier::crypto::ipsecmb {

namespace {

constexpr std::size_t key_size = 32;
/// The AVX2 code loads 32 octets at the key's second half too.
constexpr std::size_t key_room = key_size + 16;
constexpr std::size_t salt_size = 4;

class ChaChaCipher final : public BurstCipher {
 public:
  ChaChaCipher(const CipherSuite& suite, Bytes encr_key) : BurstCipher(suite) {
    base::copy_into(key_.reveal_mutable(), encr_key.first(key_size));
    base::copy_into(salt_.reveal_mutable(), encr_key.last(salt_size));
  }
  [[nodiscard]] bool is_thread_safe() const override { return true; }

 private:
  void write_iv(PacketJob& job) override {
    if (!job.iv.empty()) base::store_be(job.iv.data(), job.iv_counter);
  }

  void prepare(Slot& slot, IMB_JOB& out) override {
    const PacketJob& job = *slot.job;
    base::copy_into(slot.nonce, salt_.reveal());
    base::copy_into(MutBytes{slot.nonce}.subspan(salt_size), counter_iv(job));
    const Bytes aad = associated_data(job, slot.aad);
    out.cipher_mode = IMB_CIPHER_CHACHA20_POLY1305;
    out.hash_alg = IMB_AUTH_CHACHA20_POLY1305;
    out.enc_keys = key_.reveal().data();
    out.dec_keys = key_.reveal().data();
    out.key_len_in_bytes = key_size;
    out.iv = octets(slot.nonce);
    out.iv_len_in_bytes = slot.nonce.size();
    // The library wants an address even for a packet without text.
    const MutBytes text = job.text.empty() ? job.icv : job.text;
    out.src = octets(text);
    out.dst = mutable_octets(text);
    out.cipher_start_src_offset_in_bytes = 0;
    out.msg_len_to_cipher_in_bytes = job.text.size();
    out.hash_start_src_offset_in_bytes = 0;
    out.msg_len_to_hash_in_bytes = job.text.size();
    out.u.CHACHA20_POLY1305.aad = aad.empty() ? slot.aad.data() : aad.data();
    out.u.CHACHA20_POLY1305.aad_len_in_bytes = aad.size();
  }

  void restore(Slot&) override {}

  base::Secret<key_room> key_;
  base::Secret<salt_size> salt_;
};

}  // namespace

std::unique_ptr<PacketCipher> make_chacha20_poly1305(const CipherSuite& suite, Bytes encr_key) {
  if (manager() == nullptr) return nullptr;
  return std::make_unique<ChaChaCipher>(suite, encr_key);
}

}  // namespace caponier::crypto::ipsecmb
