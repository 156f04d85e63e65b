// IKE_AUTH: who the two sides are, and how they prove it.

#include <algorithm>
#include <array>
#include <cctype>

#include <fmt/format.h>

#include "config/errors.h"
#include "explain/diagnose_parts.h"
#include "explain/fixes.h"
#include "ike/key_slips.h"

namespace caponier::explain {

using policy::Evidence;
using policy::Symptom;

namespace {

std::string text_of(const std::optional<policy::Identity>& identity) {
  return identity ? identity->to_string() : std::string{};
}

std::string lower(std::string_view text) {
  std::string out{text};
  std::ranges::transform(out, out.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

/// What the configuration would be written as; identities of other types may look alike.
std::string type_of(const policy::Identity& identity) {
  switch (identity.type) {
    case wire::IdType::fqdn: return "a host name";
    case wire::IdType::rfc822_addr: return "a mail address";
    case wire::IdType::ipv4_addr:
    case wire::IdType::ipv6_addr: return "an address";
    case wire::IdType::der_asn1_dn: return "a distinguished name";
    case wire::IdType::key_id: return "a key ID";
    default: return "another kind of name";
  }
}

/// The one of `known` that is most like `text`, and what differs; empty: none is near.
std::string nearest(const std::string& text, const std::vector<std::string>& known) {
  std::vector<std::string_view> candidates;
  for (const std::string& one : known) {
    if (lower(one) == lower(text)) return one;
    if (!one.empty()) candidates.push_back(one);
  }
  const std::string_view near = config::nearest(text, candidates);
  if (!near.empty()) return std::string{near};
  return candidates.size() == 1 ? std::string{candidates.front()} : std::string{};
}

std::string join(const std::vector<std::string>& items) {
  std::string text;
  for (const std::string& item : items) {
    if (!item.empty()) text += (text.empty() ? "" : ", ") + item;
  }
  return text;
}

std::string describe(const std::vector<std::string_view>& methods) {
  std::string text;
  for (const std::string_view method : methods) {
    const std::string_view name = method == "psk"      ? "a pre-shared key"
                                  : method == "pubkey" ? "a certificate or raw key"
                                  : method == "eap"    ? "EAP"
                                                       : "nothing (NULL)";
    text += (text.empty() ? "" : " or ") + std::string{name};
  }
  return text;
}

/// `expected` may be a pattern, which is nobody's name.
Fix fix_own_name(const Evidence& seen, const std::string& expected) {
  if (expected.find_first_of("* ") != std::string::npos) {
    return fix_theirs(seen, "or let the peer call itself by a name that fits " + expected);
  }
  return fix_theirs(seen, "or let the peer call itself as we expect",
                    {{{}, "local_id", toml(expected)}});
}

Diagnosis unknown_identity(const Evidence& seen, const Context& context) {
  const std::string peer = text_of(seen.theirs.identity);
  const std::string own = text_of(seen.ours.identity);
  if (seen.fault == "wanted") {
    Diagnosis diagnosis{Code::wanted_other, Certainty::proven, {}, {}, {}, {}};
    diagnosis.cause = fmt::format("the peer looks for {}, and we are {}", seen.theirs.expects, own);
    diagnosis.values = {{"who we are", own, seen.theirs.expects + " (wanted)"}};
    diagnosis.fixes = {
        fix_ours(context, "be who the peer looks for",
                 {{{}, "local_id", toml(seen.theirs.expects)}}),
        fix_theirs(seen, "or let the peer look for us", {{{}, "remote_id", toml(own)}})};
    return diagnosis;
  }
  Diagnosis diagnosis{Code::identity_unknown, Certainty::proven, {}, {}, {}, {}};
  diagnosis.cause =
      fmt::format("the peer calls itself {}, which no tunnel with its address expects", peer);
  diagnosis.values = {{"the peer's identity", join(seen.known) + " (expected)", peer}};
  const std::string near = nearest(peer, seen.known);
  if (!near.empty() && lower(near) == lower(peer)) {
    diagnosis.cause += seen.theirs.identity
                           ? fmt::format("; it is {} there", type_of(*seen.theirs.identity))
                           : std::string{};
  }
  diagnosis.fixes = {fix_ours(context, "expect that name", {{{}, "remote_id", toml(peer)}})};
  if (!near.empty()) {
    diagnosis.fixes.push_back(fix_own_name(seen, near));
  }
  return diagnosis;
}

Diagnosis other_identity(const Evidence& seen, const Context& context) {
  const std::string peer = text_of(seen.theirs.identity);
  Diagnosis diagnosis{Code::identity_unexpected, Certainty::proven, {}, {}, {}, {}};
  diagnosis.cause =
      fmt::format("the peer says that it is {}, we expect {}", peer, seen.ours.expects);
  diagnosis.values = {{"the peer's identity", seen.ours.expects + " (expected)", peer}};
  diagnosis.fixes = {
      fix_ours(context, "if that is your peer, expect this name", {{{}, "remote_id", toml(peer)}}),
      fix_own_name(seen, seen.ours.expects)};
  return diagnosis;
}

Diagnosis wrong_key(const Evidence& seen, const Context& context) {
  const ike::KeySlip* const slip = ike::find_key_slip(seen.fault);
  Diagnosis diagnosis{
      slip != nullptr ? Code::psk_slip : Code::psk_differs, Certainty::proven, {}, {}, {}, {}};
  const std::string peer = text_of(seen.theirs.identity);
  if (slip != nullptr) {
    diagnosis.cause = fmt::format("the pre-shared key of {} is ours, but {}", peer, slip->sentence);
    diagnosis.fixes = {fix_theirs(seen, std::string{slip->cure}),
                       fix_ours(context, "or write ours as the peer has it")};
    return diagnosis;
  }
  diagnosis.cause = fmt::format("the pre-shared key of {} is not the one we have for it", peer);
  diagnosis.values = {{"identities", text_of(seen.ours.identity), peer}};
  diagnosis.fixes = {
      fix_ours(context, "write the same key on both sides; `openssl rand -base64 32` makes one"),
      fix_theirs(seen, "the peer may also have taken the key of another connection")};
  return diagnosis;
}

/// The keys it takes here; a line alone would not do.
std::string expecting(std::string_view method) {
  if (method == "psk") return "psk = \"@NAME\", the same secret as there";
  if (method == "pubkey") return "remote_auth = \"pubkey\", with ca or peer_key";
  if (method == "eap") return "a [server], which is what users come to";
  return "remote_auth = \"null\", which proves nothing";
}

Diagnosis method(const Evidence& seen, const Context& context) {
  Diagnosis diagnosis{Code::method_differs, Certainty::proven, {}, {}, {}, {}};
  const std::string ours = describe(seen.ours.methods);
  const std::string theirs =
      seen.theirs.methods.empty() ? "a method we do not know" : describe(seen.theirs.methods);
  diagnosis.cause = fmt::format("the peer proves itself by {}, we expect {}", theirs, ours);
  diagnosis.values = {{"authentication", ours, theirs}};
  if (!seen.theirs.methods.empty()) {
    diagnosis.fixes.push_back(
        fix_ours(context, "expect that: " + expecting(seen.theirs.methods.front())));
  }
  if (!seen.ours.methods.empty()) {
    diagnosis.fixes.push_back(fix_theirs(seen, "or let the peer prove itself by " + ours));
  }
  return diagnosis;
}

/// Microsoft's codes, as its documentation of them says.
struct Status {
  std::uint32_t code = 0;
  std::string_view meaning;
  std::string_view cure;
};
constexpr std::array statuses = {
    Status{13801, "it does not accept our credentials (13801)",
           "our certificate needs serverAuth, and its name must be the one the client dials"},
    Status{13806, "it finds no machine certificate of its own (13806)",
           "install one with clientAuth in the computer's store"},
    Status{13816, "a parameter of ours is not what it expects (13816)",
           "leave out the key exchange of Child SAs: esp without a group"},
    Status{13863, "it cannot do that in its present state (13863)",
           "a Windows client behind a NAT rekeys itself: peer = \"windows\""},
    Status{13868, "no policy of it matches our proposals (13868)",
           "run Set-VpnConnectionIPsecConfiguration there, as `caponier export` writes it"},
};

Diagnosis refused(const Evidence& seen, const Context& context) {
  Diagnosis diagnosis{Code::proof_refused, Certainty::possible, {}, {}, {}, {}};
  const std::string own = text_of(seen.ours.identity);
  const auto notify = seen.notify.value_or(wire::NotifyType::authentication_failed);
  diagnosis.cause = fmt::format("the peer refuses us as {} ({}); it does not say why", own,
                                wire::name_of(notify));
  const auto status = std::ranges::find(statuses, seen.peer_status, &Status::code);
  if (status != statuses.end()) {
    diagnosis.certainty = Certainty::proven;
    diagnosis.cause = fmt::format("the peer refuses us: {}", status->meaning);
    diagnosis.fixes = {fix_theirs(seen, std::string{status->cure})};
    return diagnosis;
  }
  if (notify != wire::NotifyType::authentication_failed) {
    diagnosis.certainty = Certainty::proven;
    diagnosis.cause = fmt::format("the peer refuses IKE_AUTH with {}", wire::name_of(notify));
    diagnosis.fixes = {fix_theirs(seen, "the peer's log has its reason")};
    return diagnosis;
  }
  diagnosis.values = {{"who we are", own, {}}};
  if (!seen.ours.expects.empty()) {
    diagnosis.values.push_back({"whom we look for", seen.ours.expects, {}});
  }
  const auto is_same = [&](std::string_view word) { return word == seen.ours.methods.front(); };
  const bool is_method = !seen.ours.methods.empty() && !seen.theirs.methods.empty() &&
                         std::ranges::none_of(seen.theirs.methods, is_same);
  if (is_method && seen.ours.methods.front() != "eap") {
    diagnosis.code = Code::method_differs;
    diagnosis.certainty = Certainty::strong;
    diagnosis.cause = fmt::format("the peer announces that it accepts {}; we come with {}",
                                  describe(seen.theirs.methods), describe(seen.ours.methods));
    diagnosis.values = {
        {"authentication", describe(seen.ours.methods), describe(seen.theirs.methods)}};
    diagnosis.fixes = {fix_ours(context, "prove ourselves as the peer accepts: by " +
                                             describe(seen.theirs.methods)),
                       fix_theirs(seen, "or let it accept " + describe(seen.ours.methods))};
    return diagnosis;
  }
  const bool is_psk = !seen.ours.methods.empty() && seen.ours.methods.front() == "psk";
  const bool is_eap = !seen.ours.methods.empty() && seen.ours.methods.front() == "eap";
  if (is_psk) diagnosis.others.push_back({Code::psk_differs, "the pre-shared keys differ"});
  if (is_eap) diagnosis.others.push_back({Code::eap_refused, "user name or password is wrong"});
  if (!is_psk && !is_eap) {
    diagnosis.others.push_back({Code::cert_untrusted, "it does not trust our certificate or key"});
  }
  diagnosis.others.push_back({Code::identity_unknown, "it does not know us as " + own});
  if (!seen.ours.expects.empty()) {
    diagnosis.others.push_back({Code::wanted_other, "it is not " + seen.ours.expects});
  }
  diagnosis.fixes = {
      fix_theirs(seen, fmt::format("its log knows; look there for our SPIs {:016x} {:016x}",
                                   seen.spi_i.value, seen.spi_r.value))};
  if (is_psk) diagnosis.fixes.push_back(fix_ours(context, "compare the keys of both sides"));
  return diagnosis;
}

Diagnosis eap(const Evidence& seen, const Context& context) {
  Diagnosis diagnosis{Code::eap_failed, Certainty::proven, {}, {}, {}, {}};
  diagnosis.cause = seen.text.empty() ? "EAP failed" : seen.text;
  if (seen.fault == "bad_credentials" || seen.fault == "backend_rejected") {
    diagnosis.code = Code::eap_refused;
    diagnosis.fixes = {seen.we_asked
                           ? fix_ours(context, "write user and password as the server has them")
                           : fix_theirs(seen, "let the user type the password again")};
  } else if (seen.fault == "backend_silent" || seen.fault == "backend_invalid") {
    diagnosis.code = Code::eap_backend;
    diagnosis.fixes = {fix_ours(context,
                                "see whether the RADIUS servers are up, and our secret is "
                                "theirs")};
  } else if (seen.fault == "paused") {
    diagnosis.code = Code::eap_paused;
    diagnosis.fixes = {fix_theirs(seen, "wait, and type the right password")};
  } else {
    diagnosis.certainty = Certainty::strong;
    diagnosis.fixes = {seen.we_asked
                           ? fix_ours(context, "see that both sides know the same method")
                           : fix_theirs(seen, "see that both sides know the same method")};
  }
  return diagnosis;
}

}  // namespace

Diagnosis diagnose_auth(const Evidence& seen, const Context& context) {
  switch (seen.symptom) {
    case Symptom::auth_refused: return refused(seen, context);
    case Symptom::auth_method_unwanted: return method(seen, context);
    case Symptom::auth_identity_unknown: return unknown_identity(seen, context);
    case Symptom::auth_identity_other: return other_identity(seen, context);
    case Symptom::auth_eap_failed: return eap(seen, context);
    case Symptom::auth_proof_wrong: {
      const bool is_psk =
          !seen.theirs.methods.empty() && seen.theirs.methods.front() == std::string_view{"psk"};
      return is_psk ? wrong_key(seen, context) : diagnose_certificate(seen, context);
    }
    case Symptom::auth_proof_lacking: {
      // It may be that no signature of ours can be made for a peer that wants none.
      if (Diagnosis other = refused(seen, context); other.code == Code::method_differs)
        return other;
      Diagnosis diagnosis{Code::proof_lacking, Certainty::proven, {}, {}, {}, {}};
      diagnosis.cause =
          fmt::format("we cannot prove that we are {}: {}", text_of(seen.ours.identity), seen.text);
      diagnosis.fixes = {fix_ours(context, "give the tunnel its key: psk, or cert and key")};
      return diagnosis;
    }
    case Symptom::auth_unwelcome: {
      Diagnosis diagnosis{Code::already_here, Certainty::proven, seen.text, {}, {}, {}};
      diagnosis.fixes = {fix_ours(context, "let a newer connection take the place of the old one",
                                  {{{}, "unique", toml("replace")}})};
      return diagnosis;
    }
    case Symptom::address_refused: {
      Diagnosis diagnosis{Code::no_address, Certainty::proven, {}, {}, {}, {}};
      diagnosis.cause =
          fmt::format("no inner address for {}: {}", text_of(seen.theirs.identity), seen.text);
      diagnosis.fixes = {seen.notify == wire::NotifyType::failed_cp_required
                             ? fix_theirs(seen, "let the peer ask for an address (CFG_REQUEST)")
                             : fix_ours(context, "give the server a larger pool")};
      return diagnosis;
    }
    default: {
      Diagnosis diagnosis{Code::extension_lacking, Certainty::proven, seen.text, {}, {}, {}};
      diagnosis.fixes = {fix_theirs(seen, "let the peer do that, or configure without it")};
      return diagnosis;
    }
  }
}

}  // namespace caponier::explain
