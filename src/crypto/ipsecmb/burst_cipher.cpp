#include "crypto/ipsecmb/burst_cipher.h"

#include "base/error.h"

namespace caponier::crypto::ipsecmb {

void BurstCipher::start(std::span<PacketJob> jobs, IMB_CIPHER_DIRECTION direction) {
  for (PacketJob& job : jobs) job.ok = false;
  IMB_MGR* mgr = manager();
  if (mgr == nullptr) return;
  Flight& in_flight = flight();
  for (PacketJob& job : jobs) {
    if (!is_well_formed(job)) continue;
    if (in_flight.count == Flight::jobs_max) complete(in_flight, *IMB_FLUSH_JOB(mgr));
    Slot& slot = in_flight.next();
    slot.job = &job;
    slot.cipher = this;
    if (direction == IMB_DIR_ENCRYPT) write_iv(job);
    IMB_JOB& out = *IMB_GET_NEXT_JOB(mgr);
    out.user_data = &slot;
    out.cipher_direction = direction;
    out.chain_order = direction == IMB_DIR_ENCRYPT ? IMB_ORDER_CIPHER_HASH : IMB_ORDER_HASH_CIPHER;
    out.auth_tag_output = mutable_octets(slot.tag);
    out.auth_tag_output_len_in_bytes = icv_size();
    prepare(slot, out);
    ++in_flight.count;
    for (const IMB_JOB* done = IMB_SUBMIT_JOB(mgr); done != nullptr;
         done = IMB_GET_COMPLETED_JOB(mgr)) {
      complete(in_flight, *done);
    }
  }
}

void BurstCipher::finish() {
  Flight& in_flight = flight();
  if (in_flight.count == 0) return;
  while (const IMB_JOB* done = IMB_FLUSH_JOB(manager())) complete(in_flight, *done);
}

void BurstCipher::complete(Flight& in_flight, const IMB_JOB& done) {
  Slot& slot = *static_cast<Slot*>(done.user_data);
  CAPONIER_ASSERT(&slot == &in_flight.slots[in_flight.oldest]);
  in_flight.oldest = (in_flight.oldest + 1) % Flight::jobs_max;
  --in_flight.count;
  slot.cipher->restore(slot);
  PacketJob& job = *slot.job;
  const Bytes tag = Bytes{slot.tag}.first(slot.cipher->icv_size());
  if (done.status == IMB_STATUS_COMPLETED) {
    if (done.cipher_direction == IMB_DIR_ENCRYPT) {
      base::copy_into(job.icv, tag);
      job.ok = true;
    } else {
      job.ok = base::equal_constant_time(tag, job.icv);
    }
  }
  base::wipe(slot.tag);  // of a forgery, this is the ICV that would have passed
}

}  // namespace caponier::crypto::ipsecmb
