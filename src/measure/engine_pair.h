#pragma once
// Two engines with the same SAs and a burst of packets from one to the other, in memory: tunnel
// mode, ESN, in UDP.

#include <cstdint>
#include <span>
#include <vector>

#include "crypto/crypto.h"
#include "ipsec/engine.h"

namespace caponier::measure {

/// One of many SAs, each between two addresses of its own. A mirror is the other end's.
[[nodiscard]] policy::InstallSa make_sa(std::uint32_t number, const crypto::CipherSuite& suite,
                                        bool is_mirror);
/// Those addresses.
[[nodiscard]] base::IpAddress local_address(std::uint32_t number);
[[nodiscard]] base::IpAddress remote_address(std::uint32_t number);

class EnginePair {
 public:
  static constexpr std::size_t burst = 64;

  /// `provider` must outlive this object. Inner packets of `packet_size` bytes.
  EnginePair(const crypto::CryptoProvider& provider, const crypto::CipherSuite& suite,
             std::size_t packet_size, std::uint32_t sa_count);

  /// A new burst, of SAs at random.
  void write_packets();
  void protect() { sender_.protect(items_, now_); }
  /// What protect() made arrives.
  void deliver();
  void open() { receiver_.open(arrived_, now_); }

  /// Which SA each packet of a burst belongs to; chosen anew.
  [[nodiscard]] std::span<const std::uint32_t> choose_sas();
  /// Everything that was sent has arrived.
  [[nodiscard]] bool is_sound() const;

 private:
  base::SeededRng rng_{1};
  base::Instant now_{std::chrono::seconds{1}};
  bool is_ready_ = true;
  ipsec::Engine sender_;
  ipsec::Engine receiver_;
  std::vector<base::ByteVec> packets_;
  std::vector<ipsec::PacketBuffer> buffers_;
  std::vector<ipsec::ProtectItem> items_;
  std::vector<ipsec::OpenItem> arrived_;
  std::vector<std::uint32_t> sas_;
};

}  // namespace caponier::measure
