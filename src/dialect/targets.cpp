#include "dialect/targets.h"

#include <algorithm>
#include <array>

#include "policy/algorithm_names.h"

namespace caponier::dialect {
namespace {

using crypto::EncrId;
using crypto::IntegId;
using crypto::KeGroup;
using crypto::PrfId;

constexpr auto cbc = EncrId::aes_cbc;
constexpr auto gcm = EncrId::aes_gcm_16;
constexpr auto sha1 = IntegId::hmac_sha1_96;
constexpr auto sha256 = IntegId::hmac_sha2_256_128;
constexpr auto sha384 = IntegId::hmac_sha2_384_192;
constexpr auto sha512 = IntegId::hmac_sha2_512_256;

constexpr std::array numbered_groups = {
    GroupWord{KeGroup::modp_1024, "2"},  GroupWord{KeGroup::modp_1536, "5"},
    GroupWord{KeGroup::modp_2048, "14"}, GroupWord{KeGroup::modp_3072, "15"},
    GroupWord{KeGroup::modp_4096, "16"}, GroupWord{KeGroup::ecp_256, "19"},
    GroupWord{KeGroup::ecp_384, "20"},   GroupWord{KeGroup::ecp_521, "21"}};

constexpr std::array libreswan_encryption = {
    EncryptionWord{gcm, 256, "aes_gcm256", "aes_gcm256"},
    EncryptionWord{gcm, 128, "aes_gcm128", "aes_gcm128"},
    EncryptionWord{EncrId::chacha20_poly1305, 0, "chacha20_poly1305", "chacha20_poly1305"},
    EncryptionWord{cbc, 256, "aes256", "aes256"},
    EncryptionWord{cbc, 192, "aes192", "aes192"},
    EncryptionWord{cbc, 128, "aes128", "aes128"}};
constexpr std::array libreswan_integrity = {
    IntegrityWord{sha1, "sha1", "sha1"}, IntegrityWord{sha256, "sha2_256", "sha2_256"},
    IntegrityWord{sha384, "sha2_384", "sha2_384"}, IntegrityWord{sha512, "sha2_512", "sha2_512"}};
constexpr std::array libreswan_prf = {
    PrfWord{PrfId::hmac_sha1, "sha1"}, PrfWord{PrfId::hmac_sha2_256, "sha2_256"},
    PrfWord{PrfId::hmac_sha2_384, "sha2_384"}, PrfWord{PrfId::hmac_sha2_512, "sha2_512"}};
constexpr std::array libreswan_groups = {
    GroupWord{KeGroup::modp_1536, "dh5"},  GroupWord{KeGroup::modp_2048, "dh14"},
    GroupWord{KeGroup::modp_3072, "dh15"}, GroupWord{KeGroup::modp_4096, "dh16"},
    GroupWord{KeGroup::modp_6144, "dh17"}, GroupWord{KeGroup::modp_8192, "dh18"},
    GroupWord{KeGroup::ecp_256, "dh19"},   GroupWord{KeGroup::ecp_384, "dh20"},
    GroupWord{KeGroup::ecp_521, "dh21"},   GroupWord{KeGroup::curve25519, "dh31"}};

constexpr std::array iosxe_encryption = {EncryptionWord{gcm, 256, "aes-gcm-256", "esp-gcm 256"},
                                         EncryptionWord{gcm, 192, "", "esp-gcm 192"},
                                         EncryptionWord{gcm, 128, "aes-gcm-128", "esp-gcm 128"},
                                         EncryptionWord{cbc, 256, "aes-cbc-256", "esp-aes 256"},
                                         EncryptionWord{cbc, 192, "aes-cbc-192", "esp-aes 192"},
                                         EncryptionWord{cbc, 128, "aes-cbc-128", "esp-aes"},
                                         EncryptionWord{EncrId::triple_des, 0, "3des", "esp-3des"}};
constexpr std::array iosxe_integrity = {IntegrityWord{sha1, "sha1", "esp-sha-hmac"},
                                        IntegrityWord{sha256, "sha256", "esp-sha256-hmac"},
                                        IntegrityWord{sha384, "sha384", "esp-sha384-hmac"},
                                        IntegrityWord{sha512, "sha512", "esp-sha512-hmac"}};
constexpr std::array plain_prf = {
    PrfWord{PrfId::hmac_sha1, "sha1"}, PrfWord{PrfId::hmac_sha2_256, "sha256"},
    PrfWord{PrfId::hmac_sha2_384, "sha384"}, PrfWord{PrfId::hmac_sha2_512, "sha512"}};

constexpr std::array asa_encryption = {EncryptionWord{gcm, 256, "aes-gcm-256", "aes-gcm-256"},
                                       EncryptionWord{gcm, 192, "aes-gcm-192", "aes-gcm-192"},
                                       EncryptionWord{gcm, 128, "aes-gcm", "aes-gcm"},
                                       EncryptionWord{cbc, 256, "aes-256", "aes-256"},
                                       EncryptionWord{cbc, 192, "aes-192", "aes-192"},
                                       EncryptionWord{cbc, 128, "aes", "aes"}};
constexpr std::array asa_integrity = {
    IntegrityWord{sha1, "sha", "sha-1"}, IntegrityWord{sha256, "sha256", "sha-256"},
    IntegrityWord{sha384, "sha384", "sha-384"}, IntegrityWord{sha512, "sha512", "sha-512"}};
constexpr std::array asa_prf = {
    PrfWord{PrfId::hmac_sha1, "sha"}, PrfWord{PrfId::hmac_sha2_256, "sha256"},
    PrfWord{PrfId::hmac_sha2_384, "sha384"}, PrfWord{PrfId::hmac_sha2_512, "sha512"}};

constexpr std::array junos_encryption = {
    EncryptionWord{gcm, 256, "aes-256-gcm", "aes-256-gcm"},
    EncryptionWord{gcm, 192, "", "aes-192-gcm"},
    EncryptionWord{gcm, 128, "aes-128-gcm", "aes-128-gcm"},
    EncryptionWord{cbc, 256, "aes-256-cbc", "aes-256-cbc"},
    EncryptionWord{cbc, 192, "aes-192-cbc", "aes-192-cbc"},
    EncryptionWord{cbc, 128, "aes-128-cbc", "aes-128-cbc"},
    EncryptionWord{EncrId::triple_des, 0, "3des-cbc", "3des-cbc"}};
constexpr std::array junos_integrity = {IntegrityWord{sha1, "sha1", "hmac-sha1-96"},
                                        IntegrityWord{sha256, "sha-256", "hmac-sha-256-128"},
                                        IntegrityWord{sha384, "sha-384", "hmac-sha-384"},
                                        IntegrityWord{sha512, "sha-512", "hmac-sha-512"}};
constexpr std::array named_groups = {
    GroupWord{KeGroup::modp_1024, "group2"},  GroupWord{KeGroup::modp_1536, "group5"},
    GroupWord{KeGroup::modp_2048, "group14"}, GroupWord{KeGroup::modp_3072, "group15"},
    GroupWord{KeGroup::modp_4096, "group16"}, GroupWord{KeGroup::ecp_256, "group19"},
    GroupWord{KeGroup::ecp_384, "group20"}};
constexpr std::array junos_groups = {
    GroupWord{KeGroup::modp_1024, "group2"},  GroupWord{KeGroup::modp_1536, "group5"},
    GroupWord{KeGroup::modp_2048, "group14"}, GroupWord{KeGroup::modp_3072, "group15"},
    GroupWord{KeGroup::modp_4096, "group16"}, GroupWord{KeGroup::ecp_256, "group19"},
    GroupWord{KeGroup::ecp_384, "group20"},   GroupWord{KeGroup::ecp_521, "group21"}};

constexpr std::array fortios_encryption = {
    EncryptionWord{gcm, 256, "aes256gcm", "aes256gcm"},
    EncryptionWord{gcm, 128, "aes128gcm", "aes128gcm"},
    EncryptionWord{EncrId::chacha20_poly1305, 0, "chacha20poly1305", "chacha20poly1305"},
    EncryptionWord{cbc, 256, "aes256", "aes256"},
    EncryptionWord{cbc, 192, "aes192", "aes192"},
    EncryptionWord{cbc, 128, "aes128", "aes128"},
    EncryptionWord{EncrId::triple_des, 0, "3des", "3des"}};
constexpr std::array plain_integrity = {
    IntegrityWord{sha1, "sha1", "sha1"}, IntegrityWord{sha256, "sha256", "sha256"},
    IntegrityWord{sha384, "sha384", "sha384"}, IntegrityWord{sha512, "sha512", "sha512"}};
constexpr std::array fortios_groups = {
    GroupWord{KeGroup::modp_1024, "2"},      GroupWord{KeGroup::modp_1536, "5"},
    GroupWord{KeGroup::modp_2048, "14"},     GroupWord{KeGroup::modp_3072, "15"},
    GroupWord{KeGroup::modp_4096, "16"},     GroupWord{KeGroup::modp_6144, "17"},
    GroupWord{KeGroup::modp_8192, "18"},     GroupWord{KeGroup::ecp_256, "19"},
    GroupWord{KeGroup::ecp_384, "20"},       GroupWord{KeGroup::ecp_521, "21"},
    GroupWord{KeGroup::brainpool_224, "27"}, GroupWord{KeGroup::brainpool_256, "28"},
    GroupWord{KeGroup::brainpool_384, "29"}, GroupWord{KeGroup::brainpool_512, "30"},
    GroupWord{KeGroup::curve25519, "31"},    GroupWord{KeGroup::curve448, "32"}};

constexpr std::array panos_encryption = {EncryptionWord{gcm, 256, "aes-256-gcm", "aes-256-gcm"},
                                         EncryptionWord{gcm, 128, "aes-128-gcm", "aes-128-gcm"},
                                         EncryptionWord{cbc, 256, "aes-256-cbc", "aes-256-cbc"},
                                         EncryptionWord{cbc, 192, "aes-192-cbc", "aes-192-cbc"},
                                         EncryptionWord{cbc, 128, "aes-128-cbc", "aes-128-cbc"},
                                         EncryptionWord{EncrId::triple_des, 0, "3des", "3des"}};

constexpr std::array routeros_encryption = {EncryptionWord{gcm, 256, "", "aes-256-gcm"},
                                            EncryptionWord{gcm, 192, "", "aes-192-gcm"},
                                            EncryptionWord{gcm, 128, "", "aes-128-gcm"},
                                            EncryptionWord{cbc, 256, "aes-256", "aes-256-cbc"},
                                            EncryptionWord{cbc, 192, "aes-192", "aes-192-cbc"},
                                            EncryptionWord{cbc, 128, "aes-128", "aes-128-cbc"},
                                            EncryptionWord{EncrId::triple_des, 0, "3des", "3des"}};
constexpr std::array routeros_integrity = {
    IntegrityWord{sha1, "sha1", "sha1"}, IntegrityWord{sha256, "sha256", "sha256"},
    IntegrityWord{sha384, "sha384", ""}, IntegrityWord{sha512, "sha512", "sha512"}};
constexpr std::array routeros_groups = {
    GroupWord{KeGroup::modp_1024, "modp1024"}, GroupWord{KeGroup::modp_1536, "modp1536"},
    GroupWord{KeGroup::modp_2048, "modp2048"}, GroupWord{KeGroup::modp_3072, "modp3072"},
    GroupWord{KeGroup::modp_4096, "modp4096"}, GroupWord{KeGroup::modp_6144, "modp6144"},
    GroupWord{KeGroup::modp_8192, "modp8192"}, GroupWord{KeGroup::ecp_256, "ecp256"},
    GroupWord{KeGroup::ecp_384, "ecp384"},     GroupWord{KeGroup::ecp_521, "ecp521"}};

constexpr std::array aws_encryption = {EncryptionWord{gcm, 256, "AES256-GCM-16", "AES256-GCM-16"},
                                       EncryptionWord{gcm, 128, "AES128-GCM-16", "AES128-GCM-16"},
                                       EncryptionWord{cbc, 256, "AES256", "AES256"},
                                       EncryptionWord{cbc, 128, "AES128", "AES128"}};
constexpr std::array aws_integrity = {
    IntegrityWord{sha1, "SHA1", "SHA1"}, IntegrityWord{sha256, "SHA2-256", "SHA2-256"},
    IntegrityWord{sha384, "SHA2-384", "SHA2-384"}, IntegrityWord{sha512, "SHA2-512", "SHA2-512"}};
constexpr std::array aws_prf = {
    PrfWord{PrfId::hmac_sha1, "SHA1"}, PrfWord{PrfId::hmac_sha2_256, "SHA2-256"},
    PrfWord{PrfId::hmac_sha2_384, "SHA2-384"}, PrfWord{PrfId::hmac_sha2_512, "SHA2-512"}};
constexpr std::array aws_groups = {
    GroupWord{KeGroup::modp_1024, "2"},  GroupWord{KeGroup::modp_2048, "14"},
    GroupWord{KeGroup::modp_3072, "15"}, GroupWord{KeGroup::modp_4096, "16"},
    GroupWord{KeGroup::modp_6144, "17"}, GroupWord{KeGroup::modp_8192, "18"},
    GroupWord{KeGroup::ecp_256, "19"},   GroupWord{KeGroup::ecp_384, "20"},
    GroupWord{KeGroup::ecp_521, "21"}};

constexpr std::array azure_encryption = {EncryptionWord{gcm, 256, "GCMAES256", "GCMAES256"},
                                         EncryptionWord{gcm, 192, "", "GCMAES192"},
                                         EncryptionWord{gcm, 128, "GCMAES128", "GCMAES128"},
                                         EncryptionWord{cbc, 256, "AES256", "AES256"},
                                         EncryptionWord{cbc, 192, "AES192", "AES192"},
                                         EncryptionWord{cbc, 128, "AES128", "AES128"}};
constexpr std::array azure_integrity = {IntegrityWord{sha1, "SHA1", "SHA1"},
                                        IntegrityWord{sha256, "SHA256", "SHA256"},
                                        IntegrityWord{sha384, "SHA384", ""}};
constexpr std::array azure_prf = {PrfWord{PrfId::hmac_sha1, "SHA1"},
                                  PrfWord{PrfId::hmac_sha2_256, "SHA256"},
                                  PrfWord{PrfId::hmac_sha2_384, "SHA384"}};
// Of IKE; those of PFS are made of them in azure().
constexpr std::array azure_groups = {
    GroupWord{KeGroup::modp_1024, "DHGroup2"}, GroupWord{KeGroup::modp_2048, "DHGroup14"},
    GroupWord{KeGroup::ecp_256, "ECP256"}, GroupWord{KeGroup::ecp_384, "ECP384"}};

constexpr std::array gcp_encryption = {EncryptionWord{gcm, 256, "AES-GCM-16-256", "AES-GCM-16-256"},
                                       EncryptionWord{gcm, 192, "AES-GCM-16-192", "AES-GCM-16-192"},
                                       EncryptionWord{gcm, 128, "AES-GCM-16-128", "AES-GCM-16-128"},
                                       EncryptionWord{cbc, 256, "AES-CBC-256", "AES-CBC-256"},
                                       EncryptionWord{cbc, 192, "AES-CBC-192", "AES-CBC-192"},
                                       EncryptionWord{cbc, 128, "AES-CBC-128", "AES-CBC-128"}};
constexpr std::array gcp_groups = {
    GroupWord{KeGroup::modp_1024, "2"},  GroupWord{KeGroup::modp_1536, "5"},
    GroupWord{KeGroup::modp_2048, "14"}, GroupWord{KeGroup::modp_3072, "15"},
    GroupWord{KeGroup::modp_4096, "16"}, GroupWord{KeGroup::modp_8192, "18"},
    GroupWord{KeGroup::ecp_256, "19"},   GroupWord{KeGroup::ecp_384, "20"},
    GroupWord{KeGroup::ecp_521, "21"},   GroupWord{KeGroup::curve25519, "31"}};

constexpr std::string_view good_ike = "aes256gcm16-prfsha384-ecp384";
constexpr std::string_view good_esp = "aes256gcm16-ecp384";

// What has no words takes all of ours, in our spelling.
constexpr std::array rows = {
    TargetRow{.name = {Target::swanctl, "swanctl", "strongSwan (swanctl.conf)", "5.9.8"},
              .certificates = true,
              .ah = true,
              .modes = true,
              .ipv6 = true,
              .many_pairs = true,
              .narrow = true,
              .ports = true,
              .esn = true},
    TargetRow{.name = {Target::libreswan, "libreswan", "libreswan (ipsec.conf)", "4.10"},
              .certificates = true,
              .ipv6 = true,
              .ports = true,
              .esn = true,
              .encryption = libreswan_encryption,
              .integrity = libreswan_integrity,
              .prf = libreswan_prf,
              .groups = libreswan_groups,
              .example_ike = good_ike,
              .example_esp = good_esp},
    TargetRow{.name = {Target::iosxe, "iosxe", "Cisco IOS XE", ""},
              .comment = "! ",
              .encryption = iosxe_encryption,
              .integrity = iosxe_integrity,
              .prf = plain_prf,
              .groups = numbered_groups,
              .example_ike = good_ike,
              .example_esp = good_esp},
    TargetRow{.name = {Target::asa, "asa", "Cisco ASA", ""},
              .names = false,
              .comment = "! ",
              .encryption = asa_encryption,
              .integrity = asa_integrity,
              .prf = asa_prf,
              .groups = numbered_groups,
              .example_ike = good_ike,
              .example_esp = good_esp},
    TargetRow{.name = {Target::junos, "junos", "Juniper SRX (Junos)", ""},
              .aead_prf = AeadPrf::unsaid,
              .encryption = junos_encryption,
              .integrity = junos_integrity,
              .prf = plain_prf,
              .groups = junos_groups,
              .example_ike = good_ike,
              .example_esp = good_esp},
    TargetRow{.name = {Target::fortios, "fortios", "FortiGate (FortiOS)", ""},
              .encryption = fortios_encryption,
              .integrity = plain_integrity,
              .prf = plain_prf,
              .groups = fortios_groups,
              .example_ike = good_ike,
              .example_esp = good_esp},
    TargetRow{.name = {Target::panos, "panos", "Palo Alto Networks (PAN-OS)", ""},
              .aead_prf = AeadPrf::by_group,
              .encryption = panos_encryption,
              .integrity = plain_integrity,
              .prf = plain_prf,
              .groups = named_groups,
              .example_ike = good_ike,
              .example_esp = good_esp},
    TargetRow{.name = {Target::routeros, "routeros", "MikroTik (RouterOS 7)", ""},
              .encryption = routeros_encryption,
              .integrity = routeros_integrity,
              .prf = plain_prf,
              .groups = routeros_groups,
              .example_ike = "aes256-sha384-prfsha384-ecp384",
              .example_esp = good_esp},
    TargetRow{.name = {Target::aws, "aws", "AWS Site-to-Site VPN", ""},
              .many_children = false,
              .names = false,
              .encryption = aws_encryption,
              .integrity = aws_integrity,
              .prf = aws_prf,
              .groups = aws_groups,
              .example_ike = good_ike,
              .example_esp = good_esp},
    TargetRow{.name = {Target::azure, "azure", "Azure VPN gateway", ""},
              .names = false,
              .encryption = azure_encryption,
              .integrity = azure_integrity,
              .prf = azure_prf,
              .groups = azure_groups,
              .example_ike = good_ike,
              .example_esp = good_esp},
    TargetRow{.name = {Target::gcp, "gcp", "Google Cloud VPN", ""},
              .many_pairs = true,
              .many_children = false,
              .names = false,
              .encryption = gcp_encryption,
              .integrity = plain_integrity,
              .prf = plain_prf,
              .groups = gcp_groups,
              .example_ike = good_ike,
              .example_esp = good_esp},
};

constexpr auto names = [] {
  std::array<TargetName, rows.size()> out{};
  for (std::size_t i = 0; i < rows.size(); ++i) out[i] = rows[i].name;
  return out;
}();

bool has_words(const TargetRow& row) { return !row.encryption.empty(); }

bool fits(const TargetRow& row, const policy::IkeSuite& suite) {
  if (!has_words(row)) return true;
  const EncryptionWord* encryption = find(row, suite.cipher);
  if (encryption == nullptr || encryption->ike.empty()) return false;
  if (group_word(row, suite.ke).empty() || prf_word(row, suite.prf).empty()) return false;
  if (suite.cipher.integ != IntegId::none) {
    return !ike_integrity(row, suite.cipher.integ).empty() &&
           hash_bits(suite.cipher.integ) == hash_bits(suite.prf);
  }
  if (row.aead_prf != AeadPrf::by_group) return true;
  const bool is_384 = suite.ke == KeGroup::ecp_384;
  return suite.prf == (is_384 ? PrfId::hmac_sha2_384 : PrfId::hmac_sha2_256);
}

bool fits(const TargetRow& row, const policy::ChildSuite& suite) {
  if (suite.esn && !row.esn) return false;
  if (!has_words(row)) return true;
  const EncryptionWord* encryption = find(row, suite.cipher);
  if (encryption == nullptr || encryption->esp.empty()) return false;
  if (suite.cipher.integ != IntegId::none && esp_integrity(row, suite.cipher.integ).empty()) {
    return false;
  }
  return suite.ke == KeGroup::none || !group_word(row, suite.ke).empty();
}

std::vector<IntegId> integrity_of(const policy::Offer& offer) {
  return offer.integrity.empty() ? std::vector{IntegId::none} : offer.integrity;
}

/// AH has none.
std::vector<policy::Encryption> encryption_of(const policy::Offer& offer) {
  return offer.encryption.empty() ? std::vector{policy::Encryption{EncrId::null, 0}}
                                  : offer.encryption;
}

/// Whoever has extended sequence numbers does without them as well; not the other way round.
std::vector<bool> esn_of(const policy::Offer& offer) {
  const bool does_without =
      offer.esn.empty() || std::ranges::find(offer.esn, false) != offer.esn.end();
  return {!does_without};
}

std::vector<KeGroup> child_groups(const policy::Offer& offer, KeGroup ike_group) {
  if (offer.ke.empty()) return {KeGroup::none};
  std::vector<KeGroup> groups = offer.ke;
  const auto same = std::ranges::find(groups, ike_group);
  if (same != groups.end()) std::rotate(groups.begin(), same, same + 1);
  return groups;
}

std::string word(wire::TransformType type, std::uint16_t id, std::uint16_t key_bits) {
  return policy::algorithm_text(type, id, key_bits);
}
template <class Id>
std::string word(wire::TransformType type, Id id) {
  return word(type, static_cast<std::uint16_t>(id), 0);
}

std::string cipher_text(const crypto::CipherSuite& cipher, bool is_ah) {
  std::string text = is_ah ? std::string{}
                           : word(wire::TransformType::encr,
                                  static_cast<std::uint16_t>(cipher.encr), cipher.key_bits);
  if (cipher.integ == IntegId::none) return text;
  return text + (text.empty() ? "" : "-") + word(wire::TransformType::integ, cipher.integ);
}

}  // namespace

std::span<const TargetName> all_targets() { return names; }
const TargetRow& row_of(Target target) { return rows.at(static_cast<std::size_t>(target)); }
const TargetName& name_of(Target target) { return row_of(target).name; }

std::optional<Target> target_by_word(std::string_view text) {
  const auto found = std::ranges::find(names, text, &TargetName::word);
  return found == names.end() ? std::nullopt : std::optional{found->target};
}

const EncryptionWord* find(const TargetRow& row, const crypto::CipherSuite& cipher) {
  const auto found = std::ranges::find_if(row.encryption, [&](const EncryptionWord& one) {
    return one.id == cipher.encr && one.key_bits == cipher.key_bits;
  });
  return found == row.encryption.end() ? nullptr : &*found;
}

std::string_view ike_integrity(const TargetRow& row, IntegId id) {
  const auto found = std::ranges::find(row.integrity, id, &IntegrityWord::id);
  return found == row.integrity.end() ? "" : found->ike;
}

std::string_view esp_integrity(const TargetRow& row, IntegId id) {
  const auto found = std::ranges::find(row.integrity, id, &IntegrityWord::id);
  return found == row.integrity.end() ? "" : found->esp;
}

std::string_view prf_word(const TargetRow& row, PrfId id) {
  const auto found = std::ranges::find(row.prf, id, &PrfWord::id);
  return found == row.prf.end() ? "" : found->word;
}

std::string_view group_word(const TargetRow& row, KeGroup group) {
  const auto found = std::ranges::find(row.groups, group, &GroupWord::id);
  return found == row.groups.end() ? "" : found->word;
}

unsigned hash_bits(PrfId id) {
  switch (id) {
    case PrfId::hmac_sha1: return 160;
    case PrfId::hmac_sha2_256: return 256;
    case PrfId::hmac_sha2_384: return 384;
    case PrfId::hmac_sha2_512: return 512;
    case PrfId::aes128_xcbc:
    case PrfId::aes128_cmac: break;
  }
  return 0;
}

unsigned hash_bits(IntegId id) {
  if (id == sha1) return 160;
  if (id == sha256) return 256;
  if (id == sha384) return 384;
  return id == sha512 ? 512 : 0;
}

std::optional<policy::IkeSuite> choose_ike(const TargetRow& row, const policy::Offers& offers) {
  for (const policy::Offer& offer : offers) {
    for (const policy::Encryption& encryption : offer.encryption) {
      for (const IntegId integ : integrity_of(offer)) {
        for (const PrfId prf : offer.prf) {
          for (const KeGroup ke : offer.ke) {
            const policy::IkeSuite suite{{encryption.id, encryption.key_bits, integ}, prf, ke};
            if (fits(row, suite)) return suite;
          }
        }
      }
    }
  }
  return std::nullopt;
}

std::optional<policy::ChildSuite> choose_child(const TargetRow& row, const policy::Offers& offers,
                                               KeGroup ike_group) {
  for (const policy::Offer& offer : offers) {
    const std::vector<bool> esn = esn_of(offer);
    for (const policy::Encryption& encryption : encryption_of(offer)) {
      for (const IntegId integ : integrity_of(offer)) {
        for (const KeGroup ke : child_groups(offer, ike_group)) {
          for (const bool extended : esn) {
            const policy::ChildSuite suite{
                {encryption.id, encryption.key_bits, integ}, ke, extended};
            if (fits(row, suite)) return suite;
          }
        }
      }
    }
  }
  return std::nullopt;
}

std::string text_of(const policy::IkeSuite& suite) {
  return cipher_text(suite.cipher, false) + "-" + word(wire::TransformType::prf, suite.prf) + "-" +
         word(wire::TransformType::ke, suite.ke);
}

std::string text_of(const policy::ChildSuite& suite, bool is_ah) {
  std::string text = cipher_text(suite.cipher, is_ah);
  if (suite.ke != KeGroup::none) text += "-" + word(wire::TransformType::ke, suite.ke);
  return text;
}

}  // namespace caponier::dialect
