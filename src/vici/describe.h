#pragma once
// An IKE SA and a Child SA as list-sas and the events tell of them: the same keys in the same
// order as strongSwan's.

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "base/time.h"
#include "gateway/changes.h"
#include "pki/provider.h"
#include "vici/message.h"

namespace caponier::vici {

/// One number for each child of a connection, whatever SAs it has meanwhile.
class RequestIds {
 public:
  [[nodiscard]] unsigned of(const std::string& connection, const std::string& child);
  void forget(const std::string& connection);

 private:
  std::map<std::pair<std::string, std::string>, unsigned> known_;
  unsigned last_ = 0;
};

class Describer {
 public:
  /// Both must outlive the object; `pki` may be null.
  Describer(RequestIds& ids, const pki::PkiProvider* pki) : ids_(ids), pki_(pki) {}

  /// What stands in the section of an IKE SA, but for its children.
  void write(MessageWriter& out, const ike::IkeSaInfo& sa, base::Instant now) const;
  /// What stands in the section of a Child SA.
  void write(MessageWriter& out, const std::string& connection, const gateway::ChildChange& child,
             std::string_view state, base::Instant now) const;
  /// A whole list-sa: only children of this name or number, where one is given.
  struct Filter {
    std::string child;
    std::optional<std::uint64_t> child_id;
  };
  [[nodiscard]] std::string list_sa(const gateway::SaStatus& status, const Filter& filter,
                                    base::Instant now) const;
  [[nodiscard]] const pki::PkiProvider* pki() const { return pki_; }

 private:
  RequestIds& ids_;
  const pki::PkiProvider* pki_;
};

/// How a section is called that tells of this IKE SA.
[[nodiscard]] std::string section_name(const ike::IkeSaInfo& sa);
/// "net-4".
[[nodiscard]] std::string section_name(const ike::ChildSaInfo& child);

}  // namespace caponier::vici
