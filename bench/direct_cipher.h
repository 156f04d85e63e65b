#pragma once
// Intel's multi-buffer library called directly, with expanded keys and nothing around it: what the
// engine is measured against.

#include <cstdint>
#include <memory>
#include <span>

#include "crypto/crypto.h"

namespace caponier::bench {

class DirectCipher {
 public:
  /// Null where this machine has no such library or it lacks the suite.
  [[nodiscard]] static std::unique_ptr<DirectCipher> make(const crypto::CipherSuite& suite,
                                                          std::size_t key_count);
  virtual ~DirectCipher() = default;
  /// jobs[i] with the key of number keys[i]; writes no IV and compares no ICV.
  virtual void seal(std::span<crypto::PacketJob> jobs, std::span<const std::uint32_t> keys) = 0;
  virtual void open(std::span<crypto::PacketJob> jobs, std::span<const std::uint32_t> keys) = 0;
};

}  // namespace caponier::bench
