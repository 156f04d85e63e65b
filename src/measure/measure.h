#pragma once
// What the data plane and the algorithms do on this machine, on one core and without I/O.

#include <expected>
#include <span>
#include <string>
#include <vector>

#include "crypto/choice/choice.h"

namespace caponier::measure {

/// Packets of one size through the engine.
struct EngineCase {
  crypto::CipherSuite suite;
  std::size_t packet_size = 0;  ///< inner bytes
};
[[nodiscard]] std::span<const EngineCase> engine_cases();
/// Every way to protect packets: each cipher with each key length, those that need a MAC with
/// HMAC-SHA-256, and each MAC without a cipher.
[[nodiscard]] std::vector<crypto::CipherSuite> all_suites();
[[nodiscard]] std::vector<crypto::PrfId> all_prfs();
[[nodiscard]] std::vector<crypto::KeGroup> all_groups();

struct EngineFigures {
  std::string suite;
  std::string back_end;
  std::size_t packet_size = 0;
  double protected_per_second = 0;  ///< packets
  double opened_per_second = 0;
  bool is_sound = false;  ///< else packets were lost, and the figures mean nothing
};
struct CipherFigures {
  std::string suite;
  std::string back_end;
  double seal_ns_per_byte = 0;
  double open_ns_per_byte = 0;
  bool is_sound = false;
};
struct PrfFigures {
  std::string name;
  std::string back_end;
  double nanoseconds = 0;  ///< for 64 bytes; 0: not supported
};
struct KeyExchangeFigures {
  std::string name;
  std::string back_end;
  double per_second = 0;  ///< 0: not supported
};

/// The provider the daemon would choose. Each measurement takes about the `seconds` it is given, or
/// as long as doing it once takes.
class Bench {
 public:
  /// The error is that of the self-test.
  [[nodiscard]] static std::expected<Bench, std::string> make();

  [[nodiscard]] EngineFigures engine(const EngineCase& of, double seconds) const;
  /// The cipher alone, packets of about 1,400 bytes in bursts.
  [[nodiscard]] CipherFigures cipher(const crypto::CipherSuite& suite, double seconds) const;
  [[nodiscard]] PrfFigures prf(crypto::PrfId id, double seconds) const;
  /// A key pair and a shared secret: what one side of a handshake computes.
  [[nodiscard]] KeyExchangeFigures key_exchange(crypto::KeGroup group, double seconds) const;
  /// That of nearly every IKE SA today.
  [[nodiscard]] KeyExchangeFigures usual_key_exchange(double seconds) const {
    return key_exchange(crypto::KeGroup::curve25519, seconds);
  }

 private:
  explicit Bench(crypto::Choice crypto) : crypto_(std::move(crypto)) {}
  crypto::Choice crypto_;
};

}  // namespace caponier::measure
