#include "vici/names.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

namespace caponier::vici {
namespace {

template <class Id>
struct Row {
  Id id;
  std::string_view name;
};

constexpr std::array encr_names{
    Row{crypto::EncrId::triple_des, std::string_view{"3DES_CBC"}},
    Row{crypto::EncrId::null, std::string_view{"NULL"}},
    Row{crypto::EncrId::aes_cbc, std::string_view{"AES_CBC"}},
    Row{crypto::EncrId::aes_ctr, std::string_view{"AES_CTR"}},
    Row{crypto::EncrId::aes_ccm_8, std::string_view{"AES_CCM_8"}},
    Row{crypto::EncrId::aes_ccm_12, std::string_view{"AES_CCM_12"}},
    Row{crypto::EncrId::aes_ccm_16, std::string_view{"AES_CCM_16"}},
    Row{crypto::EncrId::aes_gcm_8, std::string_view{"AES_GCM_8"}},
    Row{crypto::EncrId::aes_gcm_12, std::string_view{"AES_GCM_12"}},
    Row{crypto::EncrId::aes_gcm_16, std::string_view{"AES_GCM_16"}},
    Row{crypto::EncrId::null_auth_aes_gmac, std::string_view{"NULL_AES_GMAC"}},
    Row{crypto::EncrId::chacha20_poly1305, std::string_view{"CHACHA20_POLY1305"}},
    Row{crypto::EncrId::aes_ccm_8_iiv, std::string_view{"AES_CCM_8_IIV"}},
    Row{crypto::EncrId::aes_gcm_16_iiv, std::string_view{"AES_GCM_16_IIV"}},
    Row{crypto::EncrId::chacha20_poly1305_iiv, std::string_view{"CHACHA20_POLY1305_IIV"}},
};

constexpr std::array integ_names{
    Row{crypto::IntegId::hmac_sha1_96, std::string_view{"HMAC_SHA1_96"}},
    Row{crypto::IntegId::aes_xcbc_96, std::string_view{"AES_XCBC_96"}},
    Row{crypto::IntegId::aes_cmac_96, std::string_view{"AES_CMAC_96"}},
    Row{crypto::IntegId::aes_128_gmac, std::string_view{"AES_128_GMAC"}},
    Row{crypto::IntegId::aes_192_gmac, std::string_view{"AES_192_GMAC"}},
    Row{crypto::IntegId::aes_256_gmac, std::string_view{"AES_256_GMAC"}},
    Row{crypto::IntegId::hmac_sha2_256_128, std::string_view{"HMAC_SHA2_256_128"}},
    Row{crypto::IntegId::hmac_sha2_384_192, std::string_view{"HMAC_SHA2_384_192"}},
    Row{crypto::IntegId::hmac_sha2_512_256, std::string_view{"HMAC_SHA2_512_256"}},
};

constexpr std::array prf_names{
    Row{crypto::PrfId::hmac_sha1, std::string_view{"PRF_HMAC_SHA1"}},
    Row{crypto::PrfId::aes128_xcbc, std::string_view{"PRF_AES128_XCBC"}},
    Row{crypto::PrfId::hmac_sha2_256, std::string_view{"PRF_HMAC_SHA2_256"}},
    Row{crypto::PrfId::hmac_sha2_384, std::string_view{"PRF_HMAC_SHA2_384"}},
    Row{crypto::PrfId::hmac_sha2_512, std::string_view{"PRF_HMAC_SHA2_512"}},
    Row{crypto::PrfId::aes128_cmac, std::string_view{"PRF_AES128_CMAC"}},
};

constexpr std::array ke_names{
    Row{crypto::KeGroup::none, std::string_view{"MODP_NONE"}},
    Row{crypto::KeGroup::modp_1024, std::string_view{"MODP_1024"}},
    Row{crypto::KeGroup::modp_1536, std::string_view{"MODP_1536"}},
    Row{crypto::KeGroup::modp_2048, std::string_view{"MODP_2048"}},
    Row{crypto::KeGroup::modp_3072, std::string_view{"MODP_3072"}},
    Row{crypto::KeGroup::modp_4096, std::string_view{"MODP_4096"}},
    Row{crypto::KeGroup::modp_6144, std::string_view{"MODP_6144"}},
    Row{crypto::KeGroup::modp_8192, std::string_view{"MODP_8192"}},
    Row{crypto::KeGroup::ecp_256, std::string_view{"ECP_256"}},
    Row{crypto::KeGroup::ecp_384, std::string_view{"ECP_384"}},
    Row{crypto::KeGroup::ecp_521, std::string_view{"ECP_521"}},
    Row{crypto::KeGroup::brainpool_224, std::string_view{"ECP_224_BP"}},
    Row{crypto::KeGroup::brainpool_256, std::string_view{"ECP_256_BP"}},
    Row{crypto::KeGroup::brainpool_384, std::string_view{"ECP_384_BP"}},
    Row{crypto::KeGroup::brainpool_512, std::string_view{"ECP_512_BP"}},
    Row{crypto::KeGroup::curve25519, std::string_view{"CURVE_25519"}},
    Row{crypto::KeGroup::curve448, std::string_view{"CURVE_448"}},
};

template <class Rows, class Id>
std::string find_name(const Rows& rows, Id id) {
  const auto found = std::ranges::find_if(rows, [id](const auto& row) { return row.id == id; });
  if (found != rows.end()) return std::string{found->name};
  return fmt::format("({})", static_cast<unsigned>(id));
}

constexpr std::uint8_t icmp = 1;
constexpr std::uint8_t tcp = 6;
constexpr std::uint8_t udp = 17;
constexpr std::uint8_t icmpv6 = 58;

struct Protocol {
  std::uint8_t number;
  std::string_view name;
};
constexpr std::array protocols{
    Protocol{icmp, "icmp"}, Protocol{2, "igmp"},   Protocol{4, "ipencap"},
    Protocol{tcp, "tcp"},   Protocol{udp, "udp"},  Protocol{41, "ipv6"},
    Protocol{47, "gre"},    Protocol{50, "esp"},   Protocol{icmpv6, "ipv6-icmp"},
    Protocol{89, "ospf"},   Protocol{103, "pim"},  Protocol{112, "vrrp"},
    Protocol{115, "l2tp"},  Protocol{132, "sctp"},
};

/// The names that the services file of a Debian has for ports people select by.
struct Service {
  std::uint16_t port;
  std::string_view name;
  bool on_tcp = true;
  bool on_udp = false;
};
constexpr std::array services{
    Service{20, "ftp-data"},
    Service{21, "ftp"},
    Service{22, "ssh"},
    Service{23, "telnet"},
    Service{25, "smtp"},
    Service{53, "domain", true, true},
    Service{67, "bootps", false, true},
    Service{68, "bootpc", false, true},
    Service{69, "tftp", false, true},
    Service{80, "http"},
    Service{88, "kerberos", true, true},
    Service{110, "pop3"},
    Service{123, "ntp", false, true},
    Service{143, "imap2"},
    Service{161, "snmp", true, true},
    Service{162, "snmp-trap", true, true},
    Service{179, "bgp"},
    Service{389, "ldap", true, true},
    Service{443, "https", true, true},
    Service{445, "microsoft-ds", true, true},
    Service{500, "isakmp", false, true},
    Service{514, "syslog", false, true},
    Service{587, "submission"},
    Service{636, "ldaps", true, true},
    Service{853, "domain-s", true, true},
    Service{993, "imaps"},
    Service{995, "pop3s"},
    Service{1701, "l2f", false, true},
    Service{1812, "radius", true, true},
    Service{1813, "radius-acct", true, true},
    Service{2049, "nfs", true, true},
    Service{3306, "mysql"},
    Service{3389, "ms-wbt-server"},
    Service{4500, "ipsec-nat-t", false, true},
    Service{5060, "sip", true, true},
    Service{5432, "postgresql"},
    Service{8080, "http-alt"},
};

std::string protocol_text(std::uint8_t number) {
  const auto found = std::ranges::find(protocols, number, &Protocol::number);
  return found == protocols.end() ? std::to_string(number) : std::string{found->name};
}

std::string port_text(std::uint8_t protocol, std::uint16_t port) {
  for (const Service& service : services) {
    const bool is_there =
        (protocol == tcp && service.on_tcp) || (protocol == udp && service.on_udp);
    if (service.port == port && is_there) return std::string{service.name};
  }
  return std::to_string(port);
}

/// ICMP has type and code in the place of ports.
std::string icmp_text(std::uint16_t first, std::uint16_t last) {
  const auto one = [](std::uint16_t value) {
    const unsigned code = value & 0xffU;
    return code == 0 || code == 0xff ? std::to_string(value >> 8U)
                                     : fmt::format("{}({})", value >> 8U, code);
  };
  const bool is_one = first >> 8U == last >> 8U;
  return is_one ? one(first) : fmt::format("{}-{}", one(first), one(last));
}

std::string ports_text(const policy::TrafficSelector& selector) {
  const std::uint16_t first = selector.first_port;
  const std::uint16_t last = selector.last_port;
  if (first > last) return "OPAQUE";
  if (selector.protocol == icmp || selector.protocol == icmpv6) return icmp_text(first, last);
  if (first == last) return port_text(selector.protocol, first);
  return fmt::format("{}-{}", first, last);
}

/// The length of the prefix that these addresses are, if they are one.
std::optional<unsigned> prefix_length(const base::IpAddress& first, const base::IpAddress& last) {
  if (first.family() != last.family()) return std::nullopt;
  for (unsigned length = 0; length <= first.bit_count(); ++length) {
    if (first.with_low_bits(length, false) == first && first.with_low_bits(length, true) == last) {
      return length;
    }
  }
  return std::nullopt;
}

bool is_printable(base::Bytes bytes) {
  return !bytes.empty() && std::ranges::all_of(bytes, [](std::byte octet) {
    return octet >= std::byte{0x20} && octet < std::byte{0x7f};
  });
}

std::string octets_text(base::Bytes bytes) {
  std::string text;
  for (const std::byte octet : bytes) {
    text += fmt::format("{}{:02x}", text.empty() ? "" : ":", static_cast<unsigned>(octet));
  }
  return text;
}

}  // namespace

std::string name_of(crypto::EncrId id) { return find_name(encr_names, id); }
std::string name_of(crypto::IntegId id) { return find_name(integ_names, id); }
std::string name_of(crypto::PrfId id) { return find_name(prf_names, id); }
std::string name_of(crypto::KeGroup id) { return find_name(ke_names, id); }

std::string_view state_name(const ike::IkeSaInfo& sa) {
  switch (sa.state) {
    case ike::IkeState::init_sent:
    case ike::IkeState::init_answered:
    case ike::IkeState::auth_pending:
    case ike::IkeState::auth_sent:
    case ike::IkeState::auth_answered: return "CONNECTING";
    case ike::IkeState::established: {
      const bool is_rekeying =
          std::ranges::find(sa.active, ike::Task::ike_rekey) != sa.active.end();
      return is_rekeying ? "REKEYING" : sa.is_replaced ? "REKEYED" : "ESTABLISHED";
    }
    case ike::IkeState::deleting:
    case ike::IkeState::dead: return "DELETING";
  }
  return "UNKNOWN";
}

std::string_view state_name(ike::ChildState state) {
  switch (state) {
    case ike::ChildState::installed: return "INSTALLED";
    case ike::ChildState::rekeying: return "REKEYING";
    case ike::ChildState::replaced: return "REKEYED";
    case ike::ChildState::deleting: return "DELETING";
  }
  return "UNKNOWN";
}

std::string_view task_name(ike::Task task) {
  switch (task) {
    case ike::Task::ike_init: return "IKE_INIT";
    case ike::Task::ike_auth: return "IKE_AUTH";
    case ike::Task::ike_rekey: return "IKE_REKEY";
    case ike::Task::ike_delete: return "IKE_DELETE";
    case ike::Task::ike_liveness: return "IKE_DPD";
    case ike::Task::ike_addresses: return "IKE_MOBIKE";
    case ike::Task::ike_notice: return "INFORMATIONAL";
    case ike::Task::ike_sync: return "IKE_MESSAGE_ID_SYNC";
    case ike::Task::child_create: return "CHILD_CREATE";
    case ike::Task::child_rekey: return "CHILD_REKEY";
    case ike::Task::child_delete: return "CHILD_DELETE";
  }
  return "UNKNOWN";
}

std::string_view mode_name(policy::SaMode mode) {
  switch (mode) {
    case policy::SaMode::tunnel: return "TUNNEL";
    case policy::SaMode::transport: return "TRANSPORT";
    case policy::SaMode::beet: return "BEET";
  }
  return "UNKNOWN";
}

std::string_view unique_name(config::Unique unique) {
  switch (unique) {
    case config::Unique::no: return "UNIQUE_NO";
    case config::Unique::replace: return "UNIQUE_REPLACE";
    case config::Unique::keep: return "UNIQUE_KEEP";
    case config::Unique::never: return "UNIQUE_NEVER";
  }
  return "UNKNOWN";
}

std::string selector_text(const policy::TrafficSelector& selector) {
  const auto length = prefix_length(selector.first, selector.last);
  std::string text =
      length ? fmt::format("{}/{}", selector.first.to_string(), *length)
             : fmt::format("{}..{}", selector.first.to_string(), selector.last.to_string());
  if (selector.protocol == 0 && selector.is_any_port()) return text;
  text += '[';
  if (selector.protocol != 0) text += protocol_text(selector.protocol);
  if (!selector.is_any_port()) text += '/' + ports_text(selector);
  return text + ']';
}

std::vector<std::string> selector_texts(const policy::TrafficSelectors& selectors) {
  std::vector<std::string> texts;
  for (const policy::TrafficSelector& selector : selectors) {
    texts.push_back(selector_text(selector));
  }
  return texts;
}

std::string identity_text(const std::optional<policy::Identity>& identity,
                          const pki::PkiProvider* pki) {
  if (!identity) return "%any";
  switch (identity->type) {
    case wire::IdType::ipv4_addr:
    case wire::IdType::ipv6_addr: return identity->to_string();
    case wire::IdType::der_asn1_dn:
      if (pki != nullptr) return pki->name_text(identity->data);
      break;
    case wire::IdType::null: return "ID_NULL";
    case wire::IdType::fqdn:
    case wire::IdType::rfc822_addr:
    case wire::IdType::key_id:
    case wire::IdType::der_asn1_gn: break;
  }
  return is_printable(identity->data) ? std::string{base::as_text(identity->data)}
                                      : octets_text(identity->data);
}

std::string spi_text(base::Spi spi) { return fmt::format("{:08x}", spi.value); }
std::string spi_text(base::IkeSpi spi) { return fmt::format("{:016x}", spi.value); }

}  // namespace caponier::vici
