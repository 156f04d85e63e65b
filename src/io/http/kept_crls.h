#pragma once
// CRLs that were fetched, on disk, so that a restart need not fetch them all again. What is read
// back is believed by nobody before its signature has been checked.

#include <string>
#include <vector>

#include "gateway/proof_desk.h"
#include "io/os/io_error.h"

namespace caponier::io {

class KeptCrls {
 public:
  /// The folder is made with the first CRL; only its owner may read it.
  explicit KeptCrls(std::string folder) : folder_(std::move(folder)) {}

  /// In the place of an older one of the same URL. The oldest go when there are more than the
  /// store would keep (pki::cached_crls_max, pki::cached_crl_octets_max).
  [[nodiscard]] Io<void> keep(const gateway::KeepCrl& crl) const;
  /// Newest first. Files that are none of ours are left out.
  [[nodiscard]] std::vector<gateway::KeepCrl> load() const;

 private:
  void remove_oldest() const;
  std::string folder_;
};

}  // namespace caponier::io
