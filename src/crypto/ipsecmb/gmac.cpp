// AES-GMAC (RFC 4543) by direct calls: in ESP as a cipher that hides nothing, in AH as a MAC.

#include "crypto/ipsecmb/ipsecmb.h"

namespace caponier::crypto::ipsecmb {

namespace {

constexpr std::size_t salt_size = 4;

class GmacCipher final : public SuiteCipher {
 public:
  GmacCipher(const CipherSuite& suite, Bytes key, const IMB_MGR& mgr)
      : SuiteCipher(suite),
        calls_(calls_of(key.size() - salt_size, mgr)),
        in_ah_(suite.integ != IntegId::none) {
    calls_.expand(key.data(), &key_);
    base::copy_into(salt_.reveal_mutable(), key.last(salt_size));
  }
  GmacCipher(const GmacCipher&) = delete;
  GmacCipher& operator=(const GmacCipher&) = delete;
  ~GmacCipher() override { base::wipe(std::as_writable_bytes(std::span{&key_, 1})); }

  void seal(std::span<PacketJob> jobs) override {
    start_seal(jobs);
    finish();
  }
  void open(std::span<PacketJob> jobs) override {
    start_open(jobs);
    finish();
  }

  void start_seal(std::span<PacketJob> jobs) override {
    for (PacketJob& job : jobs) {
      job.ok = is_well_formed(job);
      if (!job.ok) continue;
      base::store_be(job.iv.data(), job.iv_counter);
      compute(job, job.icv);
    }
  }

  void start_open(std::span<PacketJob> jobs) override {
    std::array<std::byte, 16> tag;
    for (PacketJob& job : jobs) {
      job.ok = is_well_formed(job);
      if (!job.ok) continue;
      compute(job, tag);
      job.ok = base::equal_constant_time(tag, job.icv);
    }
    base::wipe(tag);  // of a forgery, this is the ICV that would have passed
  }

 private:
  struct Calls {
    aes_gcm_pre_t expand;
    aes_gmac_init_t init;
    aes_gmac_update_t update;
    aes_gmac_finalize_t finalize;
  };
  static Calls calls_of(std::size_t key_size, const IMB_MGR& mgr) {
    if (key_size == 16) {
      return {mgr.gcm128_pre, mgr.gmac128_init, mgr.gmac128_update, mgr.gmac128_finalize};
    }
    if (key_size == 24) {
      return {mgr.gcm192_pre, mgr.gmac192_init, mgr.gmac192_update, mgr.gmac192_finalize};
    }
    return {mgr.gcm256_pre, mgr.gmac256_init, mgr.gmac256_update, mgr.gmac256_finalize};
  }

  void compute(const PacketJob& job, MutBytes tag) {
    std::array<std::byte, 12> nonce;
    base::copy_into(nonce, salt_.reveal());
    base::copy_into(MutBytes{nonce}.subspan(salt_size), job.iv);
    gcm_context_data& context = gcm_scratch().context;
    calls_.init(&key_, &context, octets(nonce), nonce.size());
    if (in_ah_) {  // RFC 4302 s3.3.3: the upper half comes last
      std::array<std::byte, 4> esn_high{};
      base::store_be(esn_high.data(), job.esn_high.value_or(0));
      update(context, authenticated_text(job));
      if (job.esn_high) update(context, esn_high);
    } else {
      EsnAad space{};
      update(context, associated_data(job, space));
      update(context, job.text);
    }
    calls_.finalize(&key_, &context, mutable_octets(tag), tag.size());
  }

  void update(gcm_context_data& context, Bytes data) {
    if (!data.empty()) calls_.update(&key_, &context, octets(data), data.size());
  }

  Calls calls_;
  base::Secret<salt_size> salt_;
  bool in_ah_;
  alignas(64) gcm_key_data key_{};
};

}  // namespace

std::unique_ptr<PacketCipher> make_gmac(const CipherSuite& suite, Bytes key) {
  const IMB_MGR* mgr = manager();
  if (mgr == nullptr) return nullptr;
  return std::make_unique<GmacCipher>(suite, key, *mgr);
}

}  // namespace caponier::crypto::ipsecmb
