// AES-GCM (RFC 4106) by direct calls with a key expanded once.

#include "crypto/ipsecmb/ipsecmb.h"

namespace caponier::crypto::ipsecmb {

namespace {

constexpr std::size_t salt_size = 4;
constexpr std::size_t tag_size = 16;

class GcmCipher final : public SuiteCipher {
 public:
  GcmCipher(const CipherSuite& suite, Bytes encr_key, const IMB_MGR& manager)
      : SuiteCipher(suite), key_bits_(suite.key_bits) {
    const auto expand = key_bits_ == 128   ? manager.gcm128_pre
                        : key_bits_ == 192 ? manager.gcm192_pre
                                           : manager.gcm256_pre;
    expand(encr_key.data(), &key_);
    base::copy_into(salt_.reveal_mutable(), encr_key.last(salt_size));
  }
  GcmCipher(const GcmCipher&) = delete;
  GcmCipher& operator=(const GcmCipher&) = delete;
  ~GcmCipher() override {
    base::wipe(std::as_writable_bytes(std::span{&key_, 1}));
    base::wipe(std::as_writable_bytes(std::span{&context_, 1}));
  }

  void seal(std::span<PacketJob> jobs) override {
    const IMB_MGR* mgr = manager();
    if (mgr == nullptr) return fail(jobs);
    const auto encrypt = key_bits_ == 128   ? mgr->gcm128_enc
                         : key_bits_ == 192 ? mgr->gcm192_enc
                                            : mgr->gcm256_enc;
    for (PacketJob& job : jobs) {
      job.ok = is_well_formed(job);
      if (!job.ok) continue;
      base::store_be(job.iv.data(), job.iv_counter);
      run(encrypt, job, job.icv);
    }
  }

  void open(std::span<PacketJob> jobs) override {
    const IMB_MGR* mgr = manager();
    if (mgr == nullptr) return fail(jobs);
    const auto decrypt = key_bits_ == 128   ? mgr->gcm128_dec
                         : key_bits_ == 192 ? mgr->gcm192_dec
                                            : mgr->gcm256_dec;
    base::Secret<tag_size> tag;
    for (PacketJob& job : jobs) {
      job.ok = is_well_formed(job);
      if (!job.ok) continue;
      run(decrypt, job, tag.reveal_mutable());
      job.ok = base::equal_constant_time(tag.reveal(), job.icv);
    }
  }

 private:
  static void fail(std::span<PacketJob> jobs) {
    for (PacketJob& job : jobs) job.ok = false;
  }

  void run(aes_gcm_enc_dec_t call, PacketJob& job, MutBytes tag) {
    alignas(16) std::array<std::byte, 12> nonce;
    base::copy_into(nonce, salt_.reveal());
    base::copy_into(MutBytes{nonce}.subspan(salt_size), job.iv);
    EsnAad space{};
    const Bytes aad = associated_data(job, space);
    // Given a null address the library would return without a tag; an empty text may have one.
    const MutBytes text = job.text.empty() ? job.icv : job.text;
    call(&key_, &context_, mutable_octets(text), octets(text), job.text.size(), octets(nonce),
         octets(aad.empty() ? Bytes{space} : aad), aad.size(), mutable_octets(tag), tag.size());
  }

  alignas(64) gcm_key_data key_{};
  alignas(64) gcm_context_data context_{};
  base::Secret<salt_size> salt_;
  std::uint16_t key_bits_;
};

}  // namespace

std::unique_ptr<PacketCipher> make_gcm(const CipherSuite& suite, Bytes encr_key) {
  const IMB_MGR* mgr = manager();
  if (mgr == nullptr) return nullptr;
  return std::make_unique<GcmCipher>(suite, encr_key, *mgr);
}

}  // namespace caponier::crypto::ipsecmb
