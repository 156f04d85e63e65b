#pragma once
// What each product can do, and its words for algorithms. Data.

#include <optional>
#include <span>
#include <string_view>

#include "dialect/dialect.h"
#include "policy/proposal.h"

namespace caponier::dialect {

/// Where the PRF of an IKE SA with an AEAD comes from; else it is always the hash of the integrity.
enum class AeadPrf : std::uint8_t {
  chosen,    ///< a word of its own
  by_group,  ///< SHA-384 with group 20, SHA-256 with those below
  unsaid,    ///< the product decides
};

/// Empty words: not there.
struct EncryptionWord {
  crypto::EncrId id{};
  std::uint16_t key_bits = 0;
  std::string_view ike, esp;
};
struct IntegrityWord {
  crypto::IntegId id{};
  std::string_view ike, esp;
};
struct PrfWord {
  crypto::PrfId id{};
  std::string_view word;
};
struct GroupWord {
  crypto::KeGroup id{};
  std::string_view word;
};

struct TargetRow {
  TargetName name;
  bool certificates = false;
  bool ah = false;
  bool modes = false;       ///< transport and BEET
  bool ipv6 = false;        ///< outside and inside
  bool many_pairs = false;  ///< several networks at one end of a Child SA
  bool narrow = false;      ///< ranges, protocols and ports as selectors
  bool many_children = true;
  bool names = true;   ///< identities other than the outer addresses
  bool ports = false;  ///< an IKE port other than 500
  bool esn = false;
  AeadPrf aead_prf = AeadPrf::chosen;
  std::string_view comment = "# ";
  std::span<const EncryptionWord> encryption{};
  std::span<const IntegrityWord> integrity{};
  std::span<const PrfWord> prf{};
  std::span<const GroupWord> groups{};
  std::string_view example_ike{}, example_esp{};  ///< in our spelling, for advice
};

[[nodiscard]] const TargetRow& row_of(Target target);

[[nodiscard]] const EncryptionWord* find(const TargetRow& row, const crypto::CipherSuite& cipher);
[[nodiscard]] std::string_view ike_integrity(const TargetRow& row, crypto::IntegId id);
[[nodiscard]] std::string_view esp_integrity(const TargetRow& row, crypto::IntegId id);
[[nodiscard]] std::string_view prf_word(const TargetRow& row, crypto::PrfId id);
[[nodiscard]] std::string_view group_word(const TargetRow& row, crypto::KeGroup group);

/// The hash that a PRF and an integrity algorithm share; 0: none.
[[nodiscard]] unsigned hash_bits(crypto::PrfId id);
[[nodiscard]] unsigned hash_bits(crypto::IntegId id);

/// The first of our offers that the product knows, with one algorithm a role.
[[nodiscard]] std::optional<policy::IkeSuite> choose_ike(const TargetRow& row,
                                                         const policy::Offers& offers);
/// The same of a Child SA; the group of the IKE SA where it is one of ours.
[[nodiscard]] std::optional<policy::ChildSuite> choose_child(const TargetRow& row,
                                                             const policy::Offers& offers,
                                                             crypto::KeGroup ike_group);

/// In the spelling of our configuration.
[[nodiscard]] std::string text_of(const policy::IkeSuite& suite);
[[nodiscard]] std::string text_of(const policy::ChildSuite& suite, bool is_ah);

}  // namespace caponier::dialect
