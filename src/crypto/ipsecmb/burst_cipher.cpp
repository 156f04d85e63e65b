#include "crypto/ipsecmb/burst_cipher.h"

#include <algorithm>

namespace caponier::crypto::ipsecmb {

void BurstCipher::run(std::span<PacketJob> jobs, IMB_CIPHER_DIRECTION direction) {
  for (PacketJob& job : jobs) job.ok = false;
  IMB_MGR* mgr = manager();
  if (mgr == nullptr) return;
  while (!jobs.empty()) {
    const std::size_t size = std::min(jobs.size(), burst_max);
    run_burst(*mgr, jobs.first(size), direction);
    jobs = jobs.subspan(size);
  }
}

void BurstCipher::run_burst(IMB_MGR& mgr, std::span<PacketJob> jobs,
                            IMB_CIPHER_DIRECTION direction) {
  const std::span<Slot> all_slots = slots();
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    PacketJob& job = jobs[i];
    if (!is_well_formed(job)) continue;
    Slot& slot = all_slots[i];
    slot.job = &job;
    if (direction == IMB_DIR_ENCRYPT) write_iv(job);
    IMB_JOB& out = *IMB_GET_NEXT_JOB(&mgr);
    out.user_data = &slot;
    out.cipher_direction = direction;
    out.chain_order = direction == IMB_DIR_ENCRYPT ? IMB_ORDER_CIPHER_HASH : IMB_ORDER_HASH_CIPHER;
    out.auth_tag_output = mutable_octets(slot.tag);
    out.auth_tag_output_len_in_bytes = icv_size();
    prepare(slot, out);
    for (const IMB_JOB* done = IMB_SUBMIT_JOB(&mgr); done != nullptr;
         done = IMB_GET_COMPLETED_JOB(&mgr)) {
      complete(*done);
    }
  }
  while (const IMB_JOB* done = IMB_FLUSH_JOB(&mgr)) complete(*done);
}

void BurstCipher::complete(const IMB_JOB& done) {
  Slot& slot = *static_cast<Slot*>(done.user_data);
  restore(slot);
  PacketJob& job = *slot.job;
  const Bytes tag = Bytes{slot.tag}.first(icv_size());
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
