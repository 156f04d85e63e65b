#pragma once
// The job API of ipsec-mb as a PacketCipher: a whole burst is submitted before it is flushed, so
// that the library fills its lanes, from many keys if need be. Private to crypto/ipsecmb.

#include "crypto/ipsecmb/ipsecmb.h"

namespace caponier::crypto::ipsecmb {

class BurstCipher : public SuiteCipher {
 public:
  void seal(std::span<PacketJob> jobs) final {
    start(jobs, IMB_DIR_ENCRYPT);
    finish();
  }
  void open(std::span<PacketJob> jobs) final {
    start(jobs, IMB_DIR_DECRYPT);
    finish();
  }
  void start_seal(std::span<PacketJob> jobs) final { start(jobs, IMB_DIR_ENCRYPT); }
  void start_open(std::span<PacketJob> jobs) final { start(jobs, IMB_DIR_DECRYPT); }

  /// Completes what this thread started, with whatever keys.
  static void finish();

 protected:
  using SuiteCipher::SuiteCipher;

  /// Fills `out` for slot.job; IV, direction, tag and slot are set already.
  virtual void prepare(Slot& slot, IMB_JOB& out) = 0;
  /// Before prepare(), on seal only: writes slot.job->iv.
  virtual void write_iv(PacketJob& job) = 0;
  /// After the library is done, whatever came out: undoes what prepare() did to the packet.
  virtual void restore(Slot& slot) = 0;

 private:
  void start(std::span<PacketJob> jobs, IMB_CIPHER_DIRECTION direction);
  static void complete(Flight& flight, const IMB_JOB& done);
};

}  // namespace caponier::crypto::ipsecmb
