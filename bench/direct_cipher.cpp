#include "bench/direct_cipher.h"

#ifdef CAPONIER_HAS_IPSECMB

#include <algorithm>
#include <array>
#include <vector>

#define NO_COMPAT_IMB_API_053
#include <intel-ipsec-mb.h>

namespace caponier::bench {
namespace {

using crypto::CipherSuite;
using crypto::EncrId;
using crypto::PacketJob;

constexpr std::size_t tag_size = 16;

struct Freed {
  void operator()(IMB_MGR* manager) const { free_mb_mgr(manager); }
};
using Manager = std::unique_ptr<IMB_MGR, Freed>;

Manager make_manager() {
  Manager manager{alloc_mb_mgr(0)};
  IMB_ARCH arch = IMB_ARCH_NONE;
  if (manager != nullptr) init_mb_mgr_auto(manager.get(), &arch);
  return arch == IMB_ARCH_NONE ? Manager{} : std::move(manager);
}

const std::uint8_t* raw(base::Bytes bytes) {
  const void* at = bytes.data();
  return static_cast<const std::uint8_t*>(at);
}
std::uint8_t* raw(base::MutBytes bytes) {
  void* at = bytes.data();
  return static_cast<std::uint8_t*>(at);
}

/// Different keys; their values do not matter.
std::array<std::uint8_t, 32> key_of(std::size_t number) {
  std::array<std::uint8_t, 32> key{};
  for (std::size_t i = 0; i < 4; ++i) key[i] = static_cast<std::uint8_t>(number >> (8 * i));
  return key;
}

class DirectGcm final : public DirectCipher {
 public:
  DirectGcm(Manager manager, bool is_128, std::size_t key_count)
      : manager_(std::move(manager)),
        encrypt_(is_128 ? manager_->gcm128_enc : manager_->gcm256_enc),
        decrypt_(is_128 ? manager_->gcm128_dec : manager_->gcm256_dec),
        keys_(key_count) {
    const auto expand = is_128 ? manager_->gcm128_pre : manager_->gcm256_pre;
    for (std::size_t i = 0; i < key_count; ++i) expand(key_of(i).data(), &keys_[i]);
  }
  void seal(std::span<PacketJob> jobs, std::span<const std::uint32_t> keys) override {
    run(encrypt_, jobs, keys);
  }
  void open(std::span<PacketJob> jobs, std::span<const std::uint32_t> keys) override {
    run(decrypt_, jobs, keys);
  }

 private:
  void run(aes_gcm_enc_dec_t call, std::span<PacketJob> jobs, std::span<const std::uint32_t> keys) {
    std::array<std::uint8_t, tag_size> tag;
    for (std::size_t i = 0; i < jobs.size(); ++i) {
      const PacketJob& job = jobs[i];
      call(&keys_[keys[i]], &context_, raw(job.text), raw(job.text), job.text.size(), nonce_.data(),
           aad_.data(), aad_.size(), tag.data(), tag.size());
    }
  }

  Manager manager_;
  aes_gcm_enc_dec_t encrypt_;
  aes_gcm_enc_dec_t decrypt_;
  gcm_context_data context_{};
  std::array<std::uint8_t, 12> nonce_{};
  std::array<std::uint8_t, 12> aad_{};
  std::vector<gcm_key_data> keys_;
};

/// The job API in bursts.
class DirectJobs final : public DirectCipher {
 public:
  DirectJobs(Manager manager, bool is_chacha, std::size_t key_count)
      : manager_(std::move(manager)), is_chacha_(is_chacha), keys_(key_count) {
    for (std::size_t i = 0; i < key_count; ++i) {
      std::ranges::copy(key_of(i), keys_[i].chacha.begin());
      manager_->keyexp_128(key_of(i).data(), keys_[i].encrypt.data(), keys_[i].decrypt.data());
    }
  }
  void seal(std::span<PacketJob> jobs, std::span<const std::uint32_t> keys) override {
    run(IMB_DIR_ENCRYPT, jobs, keys);
  }
  void open(std::span<PacketJob> jobs, std::span<const std::uint32_t> keys) override {
    run(IMB_DIR_DECRYPT, jobs, keys);
  }

 private:
  struct Key {
    alignas(64) std::array<std::uint8_t, 48> chacha{};
    alignas(64) std::array<std::uint8_t, 16 * 15> encrypt{};
    alignas(64) std::array<std::uint8_t, 16 * 15> decrypt{};
    alignas(64) std::array<std::uint8_t, 64> inner{};
    alignas(64) std::array<std::uint8_t, 64> outer{};
  };

  void run(IMB_CIPHER_DIRECTION direction, std::span<PacketJob> jobs,
           std::span<const std::uint32_t> keys) {
    IMB_MGR* const mgr = manager_.get();
    for (std::size_t i = 0; i < jobs.size(); ++i) {
      IMB_JOB& out = *IMB_GET_NEXT_JOB(mgr);
      out.cipher_direction = direction;
      out.chain_order =
          direction == IMB_DIR_ENCRYPT ? IMB_ORDER_CIPHER_HASH : IMB_ORDER_HASH_CIPHER;
      out.auth_tag_output = tags_[i % tags_.size()].data();
      out.auth_tag_output_len_in_bytes = tag_size;
      const Key& key = keys_[keys[i]];
      is_chacha_ ? fill_chacha(out, jobs[i], key) : fill_cbc(out, jobs[i], key);
      const IMB_JOB* done = IMB_SUBMIT_JOB_NOCHECK(mgr);
      while (done != nullptr) done = IMB_GET_COMPLETED_JOB(mgr);
    }
    while (IMB_FLUSH_JOB(mgr) != nullptr) {
    }
  }

  void fill_chacha(IMB_JOB& out, const PacketJob& job, const Key& key) {
    out.cipher_mode = IMB_CIPHER_CHACHA20_POLY1305;
    out.hash_alg = IMB_AUTH_CHACHA20_POLY1305;
    out.enc_keys = out.dec_keys = key.chacha.data();
    out.key_len_in_bytes = 32;
    out.iv = nonce_.data();
    out.iv_len_in_bytes = nonce_.size();
    out.src = out.dst = raw(job.text);
    out.cipher_start_src_offset_in_bytes = out.hash_start_src_offset_in_bytes = 0;
    out.msg_len_to_cipher_in_bytes = out.msg_len_to_hash_in_bytes = job.text.size();
    out.u.CHACHA20_POLY1305.aad = aad_.data();
    out.u.CHACHA20_POLY1305.aad_len_in_bytes = aad_.size();
  }

  static void fill_cbc(IMB_JOB& out, const PacketJob& job, const Key& key) {
    const std::size_t clear = job.header.size() + job.iv.size();
    out.cipher_mode = IMB_CIPHER_CBC;
    out.hash_alg = IMB_AUTH_HMAC_SHA_256;
    out.enc_keys = key.encrypt.data();
    out.dec_keys = key.decrypt.data();
    out.key_len_in_bytes = 16;
    out.iv = raw(base::Bytes{job.iv});
    out.iv_len_in_bytes = 16;
    out.src = raw(job.header);
    out.dst = raw(job.text);
    out.cipher_start_src_offset_in_bytes = clear;
    out.msg_len_to_cipher_in_bytes = job.text.size();
    out.hash_start_src_offset_in_bytes = 0;
    out.msg_len_to_hash_in_bytes = clear + job.text.size() + 4;
    out.u.HMAC._hashed_auth_key_xor_ipad = key.inner.data();
    out.u.HMAC._hashed_auth_key_xor_opad = key.outer.data();
  }

  Manager manager_;
  bool is_chacha_;
  std::array<std::uint8_t, 12> nonce_{};
  std::array<std::uint8_t, 12> aad_{};
  std::array<std::array<std::uint8_t, 64>, 256> tags_{};
  std::vector<Key> keys_;
};

}  // namespace

std::unique_ptr<DirectCipher> DirectCipher::make(const CipherSuite& suite, std::size_t key_count) {
  Manager manager = make_manager();
  if (manager == nullptr) return nullptr;
  if (suite.encr == EncrId::aes_gcm_16) {
    return std::make_unique<DirectGcm>(std::move(manager), suite.key_bits == 128, key_count);
  }
  return std::make_unique<DirectJobs>(std::move(manager), suite.encr == EncrId::chacha20_poly1305,
                                      key_count);
}

}  // namespace caponier::bench

#else

namespace caponier::bench {
std::unique_ptr<DirectCipher> DirectCipher::make(const crypto::CipherSuite&, std::size_t) {
  return nullptr;
}
}  // namespace caponier::bench

#endif
