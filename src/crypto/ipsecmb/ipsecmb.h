#pragma once
// The per-thread manager and the parts of this back end. Private to crypto/ipsecmb.

#include <array>
#include <memory>

#define NO_COMPAT_IMB_API_053  // its macros are called GCM, NULL_HASH, MAX_JOBS ...
#include <intel-ipsec-mb.h>

#include "crypto/crypto.h"
#include "crypto/suite_cipher.h"

namespace caponier::crypto::ipsecmb {

[[nodiscard]] inline const std::uint8_t* octets(Bytes bytes) {
  const void* at = bytes.data();
  return static_cast<const std::uint8_t*>(at);
}
[[nodiscard]] inline std::uint8_t* mutable_octets(MutBytes bytes) {
  void* at = bytes.data();
  return static_cast<std::uint8_t*>(at);
}

class BurstCipher;

/// What one packet of a burst needs besides the job until the library is done with it.
struct Slot {
  PacketJob* job = nullptr;
  BurstCipher* cipher = nullptr;
  std::array<std::byte, 12> nonce{};
  EsnAad aad{};
  std::array<std::byte, 64> tag{};
  std::array<std::byte, 4> icv_head{};  ///< the ICV's bytes below a temporary esn_high
};

/// This thread's manager, or null when the library or the memory for it is missing. Its function
/// pointers are those of the best instruction set this processor has.
[[nodiscard]] IMB_MGR* manager();

/// What this thread's manager has been given and not yet handed back, oldest first. The library
/// returns jobs in the order of submission, whatever their keys and algorithms.
struct Flight {
  static constexpr std::size_t jobs_max = IMB_MAX_BURST_SIZE;  ///< half of the library's queue

  [[nodiscard]] Slot& next() { return slots[(oldest + count) % jobs_max]; }

  std::array<Slot, jobs_max> slots;
  std::size_t oldest = 0;
  std::size_t count = 0;
};
[[nodiscard]] Flight& flight();

/// Completes every job in flight, and wipes what AES-GCM left behind.
void finish();

/// Where AES-GCM keeps the state of the packet under way; one for all keys of a thread.
struct GcmScratch {
  gcm_context_data context;
  std::array<std::uint64_t, 2> tag;  ///< of a packet to open
};
[[nodiscard]] GcmScratch& gcm_scratch();

// Null when the library refuses; suites and keys have been checked.
[[nodiscard]] std::unique_ptr<PacketCipher> make_gcm(const CipherSuite& suite, Bytes encr_key);
[[nodiscard]] std::unique_ptr<PacketCipher> make_chacha20_poly1305(const CipherSuite& suite,
                                                                   Bytes encr_key);
/// `fallback` of the same suite and key serves packets with unusually long headers.
[[nodiscard]] std::unique_ptr<PacketCipher> make_ccm(const CipherSuite& suite, Bytes encr_key,
                                                     std::unique_ptr<PacketCipher> fallback);
/// In AH `key` is the integrity key.
[[nodiscard]] std::unique_ptr<PacketCipher> make_gmac(const CipherSuite& suite, Bytes key);
[[nodiscard]] std::unique_ptr<PacketCipher> make_encrypt_then_mac(const CipherSuite& suite,
                                                                  Bytes encr_key, Bytes integ_key,
                                                                  base::Rng& rng);

}  // namespace caponier::crypto::ipsecmb
