#pragma once
// RADIUS packets and attributes (RFC 2865, 2866, 2869, 3162, 3579, 5176).

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/secret.h"
#include "crypto/legacy.h"

namespace caponier::radius {

using base::Bytes;
using base::ByteVec;

inline constexpr std::size_t packet_size_max = 4096;  ///< RFC 2865 s3
inline constexpr std::size_t header_size = 20;
inline constexpr std::size_t attribute_value_max = 253;
/// Of one packet; 4076 octets could hold two thousand of them.
inline constexpr std::size_t attributes_max = 512;

enum class Code : std::uint8_t {
  access_request = 1,
  access_accept = 2,
  access_reject = 3,
  accounting_request = 4,
  accounting_response = 5,
  access_challenge = 11,
  status_server = 12,
  disconnect_request = 40,
  disconnect_ack = 41,
  disconnect_nak = 42,
  coa_request = 43,
  coa_ack = 44,
  coa_nak = 45,
};
[[nodiscard]] std::string_view name_of(Code code);

enum class AttributeType : std::uint8_t {
  user_name = 1,
  nas_ip_address = 4,
  nas_port = 5,
  service_type = 6,
  framed_ip_address = 8,
  framed_ip_netmask = 9,
  filter_id = 11,
  framed_mtu = 12,
  reply_message = 18,
  framed_route = 22,
  state = 24,
  class_ = 25,
  vendor_specific = 26,
  session_timeout = 27,
  idle_timeout = 28,
  called_station_id = 30,
  calling_station_id = 31,
  nas_identifier = 32,
  proxy_state = 33,
  acct_status_type = 40,
  acct_delay_time = 41,
  acct_input_octets = 42,
  acct_output_octets = 43,
  acct_session_id = 44,
  acct_authentic = 45,
  acct_session_time = 46,
  acct_input_packets = 47,
  acct_output_packets = 48,
  acct_terminate_cause = 49,
  acct_input_gigawords = 52,
  acct_output_gigawords = 53,
  event_timestamp = 55,
  nas_port_type = 61,
  eap_message = 79,
  message_authenticator = 80,
  acct_interim_interval = 85,
  nas_port_id = 87,
  nas_ipv6_address = 95,
  framed_ipv6_prefix = 97,
  framed_ipv6_route = 99,
  error_cause = 101,
  delegated_ipv6_prefix = 123,
  framed_ipv6_address = 168,
  dns_server_ipv6_address = 169,
};

inline constexpr std::uint32_t vendor_microsoft = 311;
/// Of Microsoft's attributes (RFC 2548).
enum class MicrosoftType : std::uint8_t {
  mppe_send_key = 16,
  mppe_recv_key = 17,
  primary_dns_server = 28,
  secondary_dns_server = 29,
};

/// One attribute, borrowed.
struct Attribute {
  AttributeType type{};
  Bytes value;
};
/// One vendor attribute within Vendor-Specific, borrowed.
struct VendorAttribute {
  std::uint32_t vendor = 0;
  std::uint8_t type = 0;
  Bytes value;
};

using Authenticator = std::array<std::byte, 16>;

/// A packet that decodes: lengths are right, nothing is authentic yet. Borrows.
struct PacketView {
  Code code{};
  std::uint8_t identifier = 0;
  Authenticator authenticator{};
  Bytes whole;  ///< cut to the length field
  std::vector<Attribute> attributes;

  /// Octets behind the length are padding (RFC 2865 s3); everything else must fit exactly.
  [[nodiscard]] static base::Wire<PacketView> decode(Bytes datagram);

  [[nodiscard]] std::optional<Bytes> find(AttributeType type) const;
  [[nodiscard]] std::optional<std::uint32_t> find_u32(AttributeType type) const;
  /// Vendor-Specific whose insides are no list of attributes are left out.
  [[nodiscard]] std::vector<VendorAttribute> vendor_attributes() const;
  /// The EAP packet in all EAP-Message attributes (RFC 3579 s3.1); empty without.
  [[nodiscard]] ByteVec eap_message() const;
};

/// Builds one packet. Values that are too long set the Writer's sticky flag.
class PacketBuilder {
 public:
  /// With room for Message-Authenticator as the first attribute; see seal_*.
  PacketBuilder(Code code, std::uint8_t identifier);
  void add(AttributeType type, Bytes value);
  void add_text(AttributeType type, std::string_view text);
  void add_u32(AttributeType type, std::uint32_t value);
  /// In as many attributes as it takes.
  void add_eap_message(Bytes packet);

  /// An Access-Request: `authenticator` is fresh random (RFC 2865 s3).
  [[nodiscard]] std::optional<ByteVec> seal_access_request(const crypto::LegacyCrypto& crypto,
                                                           Bytes secret,
                                                           const Authenticator& authenticator);
  /// Accounting-Request, CoA-Request, Disconnect-Request: the authenticator is a hash.
  [[nodiscard]] std::optional<ByteVec> seal_hashed_request(const crypto::LegacyCrypto& crypto,
                                                           Bytes secret);
  /// Every kind of answer to a request with that authenticator.
  [[nodiscard]] std::optional<ByteVec> seal_answer(const crypto::LegacyCrypto& crypto, Bytes secret,
                                                   const Authenticator& of_request);

 private:
  [[nodiscard]] std::optional<ByteVec> seal(const crypto::LegacyCrypto& crypto, Bytes secret,
                                            const Authenticator& authenticator, bool is_hashed);
  base::Writer out_;
};

/// What an answer or a hashed request must pass before anything in it is believed.
enum class Authenticity : std::uint8_t {
  authentic,
  wrong_authenticator,
  wrong_message_authenticator,
  no_message_authenticator,  ///< BlastRADIUS (CVE-2024-3596) works on such answers
};
/// Of an answer to the request with the authenticator `of_request`. Accounting answers need no
/// Message-Authenticator, all others do.
[[nodiscard]] Authenticity check_answer(const crypto::LegacyCrypto& crypto, Bytes secret,
                                        const PacketView& answer, const Authenticator& of_request);
/// Of a CoA-Request or Disconnect-Request. Its Message-Authenticator may be absent (RFC 5176 s3.4).
[[nodiscard]] Authenticity check_hashed_request(const crypto::LegacyCrypto& crypto, Bytes secret,
                                                const PacketView& request);
/// Of an Access-Request: its Message-Authenticator.
[[nodiscard]] Authenticity check_access_request(const crypto::LegacyCrypto& crypto, Bytes secret,
                                                const PacketView& request);

/// MS-MPPE-Send-Key and MS-MPPE-Recv-Key (RFC 2548 s2.4.2): the key, or empty when it makes no
/// sense.
[[nodiscard]] base::SecretBytes open_mppe_key(const crypto::LegacyCrypto& crypto, Bytes secret,
                                              const Authenticator& of_request, Bytes value);
/// The inverse; `salt` has its top bit set.
[[nodiscard]] base::SecretBytes seal_mppe_key(const crypto::LegacyCrypto& crypto, Bytes secret,
                                              const Authenticator& of_request, std::uint16_t salt,
                                              Bytes key);

}  // namespace caponier::radius
