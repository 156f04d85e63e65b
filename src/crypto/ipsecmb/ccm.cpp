// AES-CCM (RFC 4309, RFC 8750) by the job API.

#include <algorithm>

#include "crypto/ipsecmb/burst_cipher.h"

namespace caponier::crypto::ipsecmb {

namespace {

constexpr std::size_t round_keys_size = std::size_t{16} * 15;
constexpr std::size_t salt_size = 3;
constexpr std::size_t nonce_size = salt_size + sizeof(CounterIv);
/// What the library authenticates; ESP has 8 or 12 octets of it, IKE normally 32.
constexpr std::size_t aad_size_max = 46;

class CcmBurst final : public BurstCipher {
 public:
  CcmBurst(const CipherSuite& suite, const IMB_MGR& mgr, Bytes encr_key)
      : BurstCipher(suite), key_size_(suite.key_bits / 8U) {
    RoundKeys unused;
    const auto expand = key_size_ == 16 ? mgr.keyexp_128 : mgr.keyexp_256;
    expand(encr_key.data(), rounds_.data(), unused.data());
    base::wipe(unused);
    base::copy_into(salt_.reveal_mutable(), encr_key.last(salt_size));
  }
  CcmBurst(const CcmBurst&) = delete;
  CcmBurst& operator=(const CcmBurst&) = delete;
  ~CcmBurst() override { base::wipe(rounds_); }

 private:
  using RoundKeys = std::array<std::byte, round_keys_size>;

  void write_iv(PacketJob& job) override {
    if (!job.iv.empty()) base::store_be(job.iv.data(), job.iv_counter);
  }

  void prepare(Slot& slot, IMB_JOB& out) override {
    const PacketJob& job = *slot.job;
    base::copy_into(slot.nonce, salt_.reveal());
    base::copy_into(MutBytes{slot.nonce}.subspan(salt_size), counter_iv(job));
    const Bytes aad = associated_data(job, slot.aad);
    const MutBytes text = job.text.empty() ? job.icv : job.text;
    out.cipher_mode = IMB_CIPHER_CCM;
    out.hash_alg = IMB_AUTH_AES_CCM;
    // The MAC is of the plaintext (RFC 3610 s2.2).
    out.chain_order =
        out.cipher_direction == IMB_DIR_ENCRYPT ? IMB_ORDER_HASH_CIPHER : IMB_ORDER_CIPHER_HASH;
    out.enc_keys = rounds_.data();
    out.dec_keys = rounds_.data();
    out.key_len_in_bytes = key_size_;
    out.iv = octets(slot.nonce);
    out.iv_len_in_bytes = nonce_size;
    out.src = octets(text);
    out.dst = mutable_octets(text);
    out.cipher_start_src_offset_in_bytes = 0;
    out.msg_len_to_cipher_in_bytes = job.text.size();
    out.hash_start_src_offset_in_bytes = 0;
    out.msg_len_to_hash_in_bytes = job.text.size();
    out.u.CCM.aad = aad.empty() ? slot.aad.data() : aad.data();
    out.u.CCM.aad_len_in_bytes = aad.size();
  }

  void restore(Slot&) override {}

  alignas(64) RoundKeys rounds_{};
  base::Secret<salt_size> salt_;
  std::size_t key_size_;
};

/// Gives packets with more to authenticate than the library takes to the other back end.
class CcmCipher final : public SuiteCipher {
 public:
  CcmCipher(const CipherSuite& suite, const IMB_MGR& mgr, Bytes encr_key,
            std::unique_ptr<PacketCipher> fallback)
      : SuiteCipher(suite), burst_(suite, mgr, encr_key), fallback_(std::move(fallback)) {}

  void seal(std::span<PacketJob> jobs) override {
    start_seal(jobs);
    finish();
  }
  void open(std::span<PacketJob> jobs) override {
    start_open(jobs);
    finish();
  }
  void start_seal(std::span<PacketJob> jobs) override { split(jobs, &PacketCipher::start_seal); }
  void start_open(std::span<PacketJob> jobs) override { split(jobs, &PacketCipher::start_open); }

 private:
  static bool is_long(const PacketJob& job) { return job.header.size() > aad_size_max; }

  void split(std::span<PacketJob> jobs, void (PacketCipher::*start)(std::span<PacketJob>)) {
    while (!jobs.empty()) {
      const bool are_long = is_long(jobs.front());
      const auto end = std::ranges::find(jobs, !are_long, is_long);
      const auto count = static_cast<std::size_t>(end - jobs.begin());
      PacketCipher& cipher = are_long ? *fallback_ : static_cast<PacketCipher&>(burst_);
      (cipher.*start)(jobs.first(count));
      jobs = jobs.subspan(count);
    }
  }

  CcmBurst burst_;
  std::unique_ptr<PacketCipher> fallback_;
};

}  // namespace

std::unique_ptr<PacketCipher> make_ccm(const CipherSuite& suite, Bytes encr_key,
                                       std::unique_ptr<PacketCipher> fallback) {
  const IMB_MGR* mgr = manager();
  if (mgr == nullptr) return nullptr;
  return std::make_unique<CcmCipher>(suite, *mgr, encr_key, std::move(fallback));
}

}  // namespace caponier::crypto::ipsecmb
