// AES-GCM (RFC 4106, RFC 8750) by direct calls with a key expanded once.

#include <cstring>
#include <tuple>

#include "crypto/ipsecmb/ipsecmb.h"

namespace caponier::crypto::ipsecmb {

namespace {

constexpr std::size_t salt_size = 4;
constexpr std::size_t tag_size_max = 16;

class GcmCipher final : public SuiteCipher {
 public:
  GcmCipher(const CipherSuite& suite, Bytes encr_key, const IMB_MGR& manager)
      : SuiteCipher(suite), calls_(calls_of(suite.key_bits, manager)) {
    calls_.expand(encr_key.data(), &key_);
    salt_ = load<std::uint32_t>(encr_key.last(salt_size).data());
  }
  GcmCipher(const GcmCipher&) = delete;
  GcmCipher& operator=(const GcmCipher&) = delete;
  ~GcmCipher() override {
    base::wipe(std::as_writable_bytes(std::span{&key_, 1}));
    base::wipe(std::as_writable_bytes(std::span{&salt_, 1}));
  }

  void seal(std::span<PacketJob> jobs) override {
    start_seal(jobs);
    finish();
  }
  void open(std::span<PacketJob> jobs) override {
    start_open(jobs);
    finish();
  }

  void start_seal(std::span<PacketJob> jobs) override {
    GcmScratch& scratch = gcm_scratch();
    for (PacketJob& job : jobs) {
      job.ok = is_well_formed(job);
      if (!job.ok) continue;
      std::uint64_t iv = std::byteswap(job.iv_counter);
      if (job.iv.empty()) {
        iv = implicit_iv(job);
      } else {
        base::store_be(job.iv.data(), job.iv_counter);
      }
      run(calls_.encrypt, scratch, job, iv, mutable_octets(job.icv));
    }
  }

  void start_open(std::span<PacketJob> jobs) override {
    GcmScratch& scratch = gcm_scratch();
    for (PacketJob& job : jobs) {
      job.ok = is_well_formed(job);
      if (!job.ok) continue;
      const MutBytes tag = std::as_writable_bytes(std::span{scratch.tag});
      const std::uint64_t iv =
          job.iv.empty() ? implicit_iv(job) : load<std::uint64_t>(job.iv.data());
      run(calls_.decrypt, scratch, job, iv, mutable_octets(tag));
      if (job.icv.size() != tag_size_max) {
        job.ok = base::equal_constant_time(Bytes{tag}.first(job.icv.size()), job.icv);
        continue;
      }
      const std::uint64_t difference =
          (scratch.tag[0] ^ load<std::uint64_t>(job.icv.data())) |
          (scratch.tag[1] ^ load<std::uint64_t>(job.icv.data() + sizeof(std::uint64_t)));
      job.ok = difference == 0;
    }
  }

  /// This object up to the round keys; the powers of the hash key lie behind, the lowest last.
  [[nodiscard]] KeyMemory key_memory() const override {
    const Bytes key = std::as_bytes(std::span{&key_, 1});
    const std::byte* const self = std::as_bytes(std::span{this, 1}).data();
    const std::byte* const powers = key.data() + sizeof key_.expanded_keys;
    return {{self, powers}, {powers, key.data() + key.size()}};
  }

  [[nodiscard]] bool is_thread_safe() const override { return true; }

 private:
  struct Calls {
    aes_gcm_pre_t expand;
    aes_gcm_enc_dec_t encrypt;
    aes_gcm_enc_dec_t decrypt;
  };
  static Calls calls_of(std::uint16_t key_bits, const IMB_MGR& manager) {
    if (key_bits == 128) return {manager.gcm128_pre, manager.gcm128_enc, manager.gcm128_dec};
    if (key_bits == 192) return {manager.gcm192_pre, manager.gcm192_enc, manager.gcm192_dec};
    return {manager.gcm256_pre, manager.gcm256_enc, manager.gcm256_dec};
  }

  void run(aes_gcm_enc_dec_t call, GcmScratch& scratch, PacketJob& job, std::uint64_t iv,
           std::uint8_t* tag) {
    // One store each: the library loads them whole, and would wait for the parts of several.
    const Pair nonce{salt_ | iv << 32, iv >> 32};
    Pair esn_aad;
    const std::uint8_t* aad = octets(job.header);
    std::size_t aad_size = job.header.size();
    if (job.esn_high) {  // as associated_data()
      esn_aad = Pair{load<std::uint32_t>(job.header.data()) |
                         std::uint64_t{std::byteswap(*job.esn_high)} << 32,
                     load<std::uint32_t>(job.header.data() + 4)};
      aad = octets_of(esn_aad);
      aad_size = std::tuple_size_v<EsnAad>;
    }
    // Given a null address the library would return without a tag; an empty text may have one.
    const MutBytes text = job.text.empty() ? job.icv : job.text;
    call(&key_, &scratch.context, mutable_octets(text), octets(text), job.text.size(),
         octets_of(nonce), aad == nullptr ? octets_of(nonce) : aad, aad_size, tag, job.icv.size());
  }

  // Octets are put together as little-endian numbers: there is no such library for other
  // processors.

  /// Sixteen octets in one register.
  using Pair [[gnu::vector_size(16)]] = std::uint64_t;
  [[nodiscard]] static const std::uint8_t* octets_of(const Pair& pair) {
    return octets(std::as_bytes(std::span{&pair, 1}));
  }
  template <class T>
  [[nodiscard]] static T load(const std::byte* from) {
    T value;
    std::memcpy(&value, from, sizeof value);
    return value;
  }
  /// As counter_iv().
  [[nodiscard]] static std::uint64_t implicit_iv(const PacketJob& job) {
    return std::byteswap(job.esn_high.value_or(0)) |
           std::uint64_t{load<std::uint32_t>(job.header.data() + 4)} << 32;
  }

  // Salt and calls share the first cache line.
  Calls calls_;
  std::uint32_t salt_ = 0;  ///< no secret (RFC 4106 s4), but wiped with the key
  alignas(64) gcm_key_data key_{};
};

}  // namespace

std::unique_ptr<PacketCipher> make_gcm(const CipherSuite& suite, Bytes encr_key) {
  const IMB_MGR* mgr = manager();
  if (mgr == nullptr) return nullptr;
  return std::make_unique<GcmCipher>(suite, encr_key, *mgr);
}

}  // namespace caponier::crypto::ipsecmb
