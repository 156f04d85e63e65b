#include "base/secret.h"
#include "crypto/ipsecmb/burst_cipher.h"

namespace caponier::crypto::ipsecmb {

namespace {

struct Freed {
  void operator()(IMB_MGR* manager) const { free_mb_mgr(manager); }
};

std::unique_ptr<IMB_MGR, Freed> make_manager() {
  std::unique_ptr<IMB_MGR, Freed> manager{alloc_mb_mgr(0)};
  if (manager == nullptr) return nullptr;
  IMB_ARCH arch = IMB_ARCH_NONE;
  init_mb_mgr_auto(manager.get(), &arch);
  if (arch == IMB_ARCH_NONE || imb_get_errno(manager.get()) != 0) return nullptr;
  return manager;
}

}  // namespace

IMB_MGR* manager() {
  // Per thread and not per key: one manager is 200 KB, and it is idle between two calls.
  thread_local const std::unique_ptr<IMB_MGR, Freed> instance = make_manager();
  return instance.get();
}

Flight& flight() {
  thread_local const std::unique_ptr<Flight> instance = std::make_unique<Flight>();
  return *instance;
}

GcmScratch& gcm_scratch() {
  constinit thread_local GcmScratch instance{};
  return instance;
}

void finish() {
  BurstCipher::finish();
  base::wipe(std::as_writable_bytes(std::span{&gcm_scratch(), 1}));
}

}  // namespace caponier::crypto::ipsecmb
