#pragma once
// Which payloads each exchange must, may and must not carry, per direction (RFC 7296 s1.2-1.5 and
// appendix C). Notify, Vendor ID and unknown payloads may stand anywhere.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "wire/ike.h"

namespace caponier::ike {

/// CREATE_CHILD_SA has two shapes: for a Child SA, and for rekeying the IKE SA.
enum class Shape : std::uint8_t {
  init_request,
  init_response,
  resume_request,
  resume_response,
  auth_request,
  auth_response,
  auth_again_request,
  auth_round_request,
  auth_round_response,
  child_request,
  child_response,
  rekey_ike_request,
  rekey_ike_response,
  informational,
};
[[nodiscard]] std::string_view name_of(Shape shape);

enum class Presence : std::uint8_t { required, optional, forbidden };
[[nodiscard]] std::string_view name_of(Presence presence);

struct ExchangeRow {
  Shape shape;
  std::string_view section;
  // One column a payload type; all others are tolerated and ignored.
  Presence sa, ke, nonce, id_i, id_r, auth, eap, ts_i, ts_r, delete_;
};

inline constexpr auto must = Presence::required;
inline constexpr auto may = Presence::optional;
inline constexpr auto no = Presence::forbidden;

// AUTH may be missing in IKE_AUTH, which asks for EAP (s2.16). SA, TSi and TSr may be missing
// together (RFC 6023).
struct ExchangeTable {
  using S = Shape;
  // clang-format off
  static constexpr ExchangeRow rows[] = {
    //                                    sa    ke    nonce id_i  id_r  auth  eap   ts_i  ts_r  del
    {S::init_request,        "s1.2",     must, must, must, no,   no,   no,   no,   no,   no,   no},
    {S::init_response,       "s1.2",     must, must, must, no,   no,   no,   no,   no,   no,   no},
    {S::resume_request,      "5723 4.3", no,   no,   must, no,   no,   no,   no,   no,   no,   no},
    {S::resume_response,     "5723 4.3", no,   no,   must, no,   no,   no,   no,   no,   no,   no},
    {S::auth_request,        "s1.2",     may,  no,   no,   must, may,  may,  no,   may,  may,  no},
    {S::auth_response,       "s1.2",     may,  no,   no,   no,   must, may,  may,  may,  may,  no},
    {S::auth_again_request,  "4739 2.1", no,   no,   no,   may,  may,  may,  no,   no,   no,   no},
    {S::auth_round_request,  "s2.16",    no,   no,   no,   no,   no,   may,  may,  no,   no,   no},
    {S::auth_round_response, "s2.16",    may,  no,   no,   no,   may,  may,  may,  may,  may,  no},
    {S::child_request,       "s1.3.1",   must, may,  must, no,   no,   no,   no,   must, must, no},
    {S::child_response,      "s1.3.1",   must, may,  must, no,   no,   no,   no,   must, must, no},
    {S::rekey_ike_request,   "s1.3.2",   must, must, must, no,   no,   no,   no,   no,   no,   no},
    {S::rekey_ike_response,  "s1.3.2",   must, must, must, no,   no,   no,   no,   no,   no,   no},
    {S::informational,       "s1.4",     no,   no,   no,   no,   no,   no,   no,   no,   no,   may},
  };
  // clang-format on
};
inline constexpr auto& exchange_table = ExchangeTable::rows;

/// What is wrong with a message of this shape, as a phrase ("TSi is missing"); empty when nothing
/// is. An error notify in a response takes the place of the required payloads (s2.21). A payload
/// that may come once and comes twice is wrong too; only DELETE repeats.
[[nodiscard]] std::optional<std::string> fault_in(Shape shape,
                                                  const std::vector<wire::Payload>& payloads);

/// The first critical payload nobody here understands (s2.5).
[[nodiscard]] std::optional<wire::PayloadType> unknown_critical(
    const std::vector<wire::Payload>& payloads);

/// The first error notify, or null.
[[nodiscard]] const wire::NotifyPayload* find_error(const std::vector<wire::Payload>& payloads);

/// The table as text, one shape a line.
[[nodiscard]] std::string print_exchanges();

}  // namespace caponier::ike
