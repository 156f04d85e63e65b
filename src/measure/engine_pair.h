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

/// As many packets as go through an engine together, each of one of these SAs.
class PacketBurst {
 public:
  static constexpr std::size_t size = 64;

  /// Inner packets of `packet_size` bytes.
  PacketBurst(std::size_t packet_size, std::uint32_t sa_count);

  /// New packets, of SAs at random.
  void write();
  /// What protect() made of them arrives.
  void deliver();
  [[nodiscard]] std::span<ipsec::ProtectItem> leaving() { return leaving_; }
  [[nodiscard]] std::span<ipsec::OpenItem> arrived() { return arrived_; }

  /// Which SA each packet belongs to; chosen anew.
  [[nodiscard]] std::span<const std::uint32_t> choose_sas();
  /// All have been opened.
  [[nodiscard]] bool is_open() const;

 private:
  base::SeededRng rng_{1};
  std::vector<base::ByteVec> packets_;
  std::vector<ipsec::PacketBuffer> buffers_;
  std::vector<ipsec::ProtectItem> leaving_;
  std::vector<ipsec::OpenItem> arrived_;
  std::vector<std::uint32_t> sas_;
};

/// The sender's policies, one for each of these SAs, or the receiver's.
[[nodiscard]] std::vector<ipsec::Policy> make_policies(std::uint32_t sa_count, bool is_mirror);

class EnginePair {
 public:
  static constexpr std::size_t burst = PacketBurst::size;

  /// `provider` must outlive this object. Inner packets of `packet_size` bytes.
  EnginePair(const crypto::CryptoProvider& provider, const crypto::CipherSuite& suite,
             std::size_t packet_size, std::uint32_t sa_count);

  void write_packets() { burst_.write(); }
  void protect() { sender_.protect(burst_.leaving(), now_); }
  void deliver() { burst_.deliver(); }
  void open() { receiver_.open(burst_.arrived(), now_); }

  [[nodiscard]] std::span<const std::uint32_t> choose_sas() { return burst_.choose_sas(); }
  /// Everything that was sent has arrived.
  [[nodiscard]] bool is_sound() const;

 private:
  base::SeededRng rng_{1};
  base::Instant now_{std::chrono::seconds{1}};
  bool is_ready_ = true;
  ipsec::Engine sender_;
  ipsec::Engine receiver_;
  PacketBurst burst_;
};

}  // namespace caponier::measure
