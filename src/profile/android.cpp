// The profile that the strongSwan app imports (application/vnd.strongswan.profile).

#include <nlohmann/json.hpp>

#include "base/base64.h"
#include "profile/escape.h"
#include "profile/kinds.h"
#include "profile/uuid.h"

namespace caponier::profile {

base::SecretBytes android_profile(const Client& client, base::Rng& rng) {
  using Json = nlohmann::ordered_json;
  const std::string server = printable_text(client.server);
  Json local;
  std::string_view type;
  if (const auto* certificate = std::get_if<CertificateLogin>(&client.login)) {
    type = "ikev2-cert";
    local = {{"id", printable_text(certificate->identity)},
             {"p12", base::to_base64(certificate->pkcs12.reveal())}};
  } else {
    type = "ikev2-eap";
    local = {{"eap_id", printable_text(client.user)}};
  }
  Json profile{
      {"uuid", make_uuid(rng)},
      {"name", server},
      {"type", type},
      {"remote",
       {{"addr", server}, {"id", server}, {"cert", base::to_base64(client.authority_der)}}},
      {"local", std::move(local)}};
  if (!client.networks.empty()) {
    Json subnets = Json::array();
    for (const base::Prefix& network : client.networks) subnets.push_back(network.to_string());
    profile["split-tunneling"] = {{"subnets", std::move(subnets)}};
  }
  return seal(profile.dump(2) + "\n");
}

}  // namespace caponier::profile
