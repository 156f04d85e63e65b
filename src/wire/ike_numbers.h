#pragma once
// IANA's IKEv2 numbers (RFC 7296 s3 and the registry). Enums hold any value of their type: a number
// without a name here survives decoding and encoding.

#include <cstdint>
#include <string>

namespace caponier::wire {

enum class PayloadType : std::uint8_t {
  none = 0,
  sa = 33,
  ke = 34,
  id_i = 35,
  id_r = 36,
  cert = 37,
  cert_req = 38,
  auth = 39,
  nonce = 40,
  notify = 41,
  delete_ = 42,
  vendor_id = 43,
  ts_i = 44,
  ts_r = 45,
  sk = 46,
  cp = 47,
  eap = 48,
  gspm = 49,
  skf = 53,
  puzzle_solution = 54,
};

enum class ExchangeType : std::uint8_t {
  ike_sa_init = 34,
  ike_auth = 35,
  create_child_sa = 36,
  informational = 37,
  ike_session_resume = 38,
  ike_intermediate = 43,
};

enum class ProtocolId : std::uint8_t { none = 0, ike = 1, ah = 2, esp = 3 };

enum class TransformType : std::uint8_t { encr = 1, prf = 2, integ = 3, ke = 4, esn = 5 };

inline constexpr std::uint16_t attribute_key_length = 14;

enum class IdType : std::uint8_t {
  ipv4_addr = 1,
  fqdn = 2,
  rfc822_addr = 3,
  ipv6_addr = 5,
  der_asn1_dn = 9,
  der_asn1_gn = 10,
  key_id = 11,
  null = 13,
};

enum class AuthMethod : std::uint8_t {
  rsa_signature = 1,
  shared_key_mic = 2,
  dss_signature = 3,
  ecdsa_p256 = 9,
  ecdsa_p384 = 10,
  ecdsa_p521 = 11,
  null = 13,
  digital_signature = 14,
};

/// RFC 7296 s3.15.
enum class ConfigType : std::uint8_t { request = 1, reply = 2, set = 3, ack = 4 };

/// RFC 7296 s3.15.1, RFC 8598, RFC 9464, and what Microsoft's clients know.
enum class ConfigAttributeType : std::uint16_t {
  internal_ip4_address = 1,
  internal_ip4_netmask = 2,
  internal_ip4_dns = 3,
  internal_ip4_nbns = 4,
  internal_ip4_dhcp = 6,
  application_version = 7,
  internal_ip6_address = 8,
  internal_ip6_dns = 10,
  internal_ip6_dhcp = 12,
  internal_ip4_subnet = 13,
  supported_attributes = 14,
  internal_ip6_subnet = 15,
  internal_dns_domain = 25,
  internal_dnssec_ta = 26,
  encdns_ip4 = 27,
  encdns_ip6 = 28,
  encdns_digest_info = 29,
  ms_internal_ip4_server = 23456,
  ms_internal_ip6_server = 23457,
};

enum class TsType : std::uint8_t { ipv4_addr_range = 7, ipv6_addr_range = 8 };

enum class NotifyType : std::uint16_t {
  // Errors: below 16384
  unsupported_critical_payload = 1,
  invalid_ike_spi = 4,
  invalid_major_version = 5,
  invalid_syntax = 7,
  invalid_message_id = 9,
  invalid_spi = 11,
  no_proposal_chosen = 14,
  invalid_ke_payload = 17,
  authentication_failed = 24,
  single_pair_required = 34,
  no_additional_sas = 35,
  internal_address_failure = 36,
  failed_cp_required = 37,
  ts_unacceptable = 38,
  invalid_selectors = 39,
  unacceptable_addresses = 40,
  unexpected_nat_detected = 41,
  temporary_failure = 43,
  child_sa_not_found = 44,
  ts_max_queue = 48,  ///< RFC 9611
  // Status
  initial_contact = 16384,
  set_window_size = 16385,
  additional_ts_possible = 16386,
  ipcomp_supported = 16387,
  nat_detection_source_ip = 16388,
  nat_detection_destination_ip = 16389,
  cookie = 16390,
  use_transport_mode = 16391,
  http_cert_lookup_supported = 16392,
  rekey_sa = 16393,
  esp_tfc_padding_not_supported = 16394,
  non_first_fragments_also = 16395,
  mobike_supported = 16396,
  additional_ip4_address = 16397,
  additional_ip6_address = 16398,
  no_additional_addresses = 16399,
  update_sa_addresses = 16400,
  cookie2 = 16401,
  no_nats_allowed = 16402,
  auth_lifetime = 16403,
  multiple_auth_supported = 16404,
  another_auth_follows = 16405,
  redirect_supported = 16406,
  redirect = 16407,
  redirected_from = 16408,
  ticket_lt_opaque = 16409,
  ticket_request = 16410,
  ticket_ack = 16411,
  ticket_nack = 16412,
  ticket_opaque = 16413,
  link_id = 16414,
  use_wesp_mode = 16415,
  rohc_supported = 16416,
  eap_only_authentication = 16417,
  childless_ikev2_supported = 16418,
  quick_crash_detection = 16419,
  ikev2_message_id_sync_supported = 16420,
  ipsec_replay_counter_sync_supported = 16421,
  ikev2_message_id_sync = 16422,
  ipsec_replay_counter_sync = 16423,
  ikev2_fragmentation_supported = 16430,
  signature_hash_algorithms = 16431,
  puzzle = 16434,
  use_ppk = 16435,
  ppk_identity = 16436,
  no_ppk_auth = 16437,
  intermediate_exchange_supported = 16438,
  ip4_allowed = 16439,
  ip6_allowed = 16440,
  additional_key_exchange = 16441,
  use_aggfrag = 16442,
  supported_auth_methods = 16443,
  sa_resource_info = 16444,
  use_beet_mode = 40961,  ///< private use, strongSwan's and Linux's choice
};

[[nodiscard]] constexpr bool is_error(NotifyType type) {
  return static_cast<std::uint16_t>(type) < 16384;
}

/// The registry's spelling ("NO_PROPOSAL_CHOSEN", "IKE_AUTH"), or the bare number.
[[nodiscard]] std::string name_of(NotifyType type);
[[nodiscard]] std::string name_of(ExchangeType type);
[[nodiscard]] std::string name_of(PayloadType type);

}  // namespace caponier::wire
