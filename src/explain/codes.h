#pragma once
// What can be wrong with a tunnel, each with a number that stays: CP-1001 is in scripts, tickets
// and docs/codes.md. A number is never given to something else.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace caponier::explain {

/// Whom it is mostly up to; decides the exit code of `caponier why`.
enum class Domain : std::uint8_t {
  local,    ///< our configuration or host
  peer,     ///< the two configurations differ, or the peer refuses
  network,  ///< what is between
};

// clang-format off
#define CAPONIER_CODES(X) \
  X(no_answer, 1001, network, "the peer does not answer IKE") \
  X(natt_silent, 1002, network, "IKE is answered on its first port, not on the NAT-T port") \
  X(large_lost, 1003, network, "large IKE messages are lost on the way") \
  X(auth_silent, 1004, network, "IKE begins, and then the peer is silent") \
  X(auth_never_came, 1005, network, "the peer begins IKE, and its IKE_AUTH never arrives") \
  X(name_unresolved, 1006, local, "the peer's name does not resolve") \
  X(no_route, 1007, local, "no address of ours reaches the peer") \
  X(peer_lost, 1008, network, "the peer fell silent") \
  X(overloaded, 1009, local, "we take no more IKE SAs just now") \
  X(clock_wrong, 1010, local, "this host's clock is wrong") \
  X(ike_proposals, 2001, peer, "no IKE proposal in common") \
  X(ike_group, 2002, peer, "no key-exchange group in common") \
  X(peer_unknown, 2003, local, "no tunnel is configured for the peer's address") \
  X(other_version, 2004, peer, "the peer does not speak IKEv2") \
  X(init_refused, 2005, peer, "the peer refuses to begin") \
  X(answer_foreign, 2006, peer, "the peer chose what was not offered") \
  X(protocol_error, 2007, peer, "the peer breaks RFC 7296") \
  X(psk_differs, 3001, peer, "the pre-shared keys differ") \
  X(psk_slip, 3002, peer, "the pre-shared keys differ by a slip of writing") \
  X(identity_unknown, 3003, peer, "the peer calls itself by a name that is not configured here") \
  X(identity_unexpected, 3004, peer, "the peer is not whom we expect") \
  X(wanted_other, 3005, peer, "the peer looks for somebody else here") \
  X(method_differs, 3006, peer, "the two sides authenticate differently") \
  X(proof_refused, 3007, peer, "the peer does not accept who we are") \
  X(proof_lacking, 3008, local, "we cannot prove who we are") \
  X(already_here, 3009, peer, "the peer is connected already, or may not come in") \
  X(extension_lacking, 3010, peer, "the peer lacks what this configuration needs") \
  X(signature_wrong, 3011, peer, "the peer's signature is not by its key") \
  X(cert_missing, 3101, peer, "the peer sends no certificate that can be used") \
  X(cert_expired, 3102, peer, "a certificate of the peer has expired") \
  X(cert_not_yet_valid, 3103, peer, "a certificate of the peer is not yet valid") \
  X(cert_untrusted, 3104, peer, "the peer's certificate does not lead to an authority of ours") \
  X(cert_name, 3105, peer, "the peer's certificate does not name its identity") \
  X(cert_usage, 3106, peer, "the peer's certificate is not for this use") \
  X(cert_revoked, 3107, peer, "a certificate of the peer is revoked") \
  X(cert_status_unknown, 3108, peer, "whether a certificate of the peer is revoked is not known") \
  X(cert_weak, 3109, peer, "a certificate of the peer is too weak") \
  X(cert_chain, 3110, peer, "the chain of the peer's certificate breaks a rule") \
  X(cert_malformed, 3111, peer, "a certificate of the peer cannot be read") \
  X(cert_policy, 3112, peer, "the peer's certificate lacks a policy") \
  X(eap_refused, 3201, peer, "user name or password is wrong") \
  X(eap_failed, 3202, peer, "EAP failed") \
  X(eap_backend, 3203, network, "what knows the users does not answer") \
  X(eap_paused, 3204, peer, "too many wrong passwords: a pause") \
  X(no_address, 3301, local, "no inner address is to be had") \
  X(child_proposals, 4001, peer, "no ESP or AH proposal in common") \
  X(child_group, 4002, peer, "the two sides differ in PFS") \
  X(selectors, 4003, peer, "the networks of the two sides have nothing in common") \
  X(child_mode, 4004, peer, "one side wants another mode") \
  X(child_refused, 4005, peer, "the peer gives no Child SA") \
  X(child_limit, 4006, peer, "the peer gives no more Child SAs") \
  X(child_other, 4007, peer, "no Child SA can be made") \
  X(esp_lost, 5001, network, "packets leave, none come back") \
  X(replayed, 5002, network, "packets come too late for the replay window") \
  X(path_narrow, 5003, network, "the path carries smaller packets than usual") \
  X(nothing_sent, 5004, local, "no traffic enters the tunnel") \
  X(corrupted, 5005, network, "packets fail their integrity check") \
  X(rekey_refused, 6001, peer, "the peer refuses to renew the IKE SA")
// clang-format on

enum class Code : std::uint8_t {
#define CAPONIER_CODE_ENUM(id, number, domain, title) id,
  CAPONIER_CODES(CAPONIER_CODE_ENUM)
#undef CAPONIER_CODE_ENUM
};

struct CodeInfo {
  Code code{};
  std::string_view word;  ///< "psk_differs"
  unsigned number = 0;
  Domain domain{};
  std::string_view title;
};

inline constexpr std::array code_table = {
#define CAPONIER_CODE_ROW(id, number, domain, title) \
  CodeInfo{Code::id, #id, number, Domain::domain, title},
    CAPONIER_CODES(CAPONIER_CODE_ROW)
#undef CAPONIER_CODE_ROW
};

[[nodiscard]] constexpr const CodeInfo& info_of(Code code) {
  return code_table[static_cast<std::size_t>(code)];
}
/// "CP-1001"
[[nodiscard]] std::string text_of(Code code);

}  // namespace caponier::explain
