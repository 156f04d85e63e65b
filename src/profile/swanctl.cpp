// swanctl.conf(5) with the files it names, as they lie below /etc/swanctl.

#include <fmt/format.h>

#include "profile/escape.h"
#include "profile/kinds.h"

namespace caponier::profile {
namespace {

std::string quoted(std::string_view text) { return swanctl_string(printable_text(text)); }

std::string local_section(const Client& client) {
  if (const auto* certificate = std::get_if<CertificateLogin>(&client.login)) {
    return fmt::format("      auth = pubkey\n      certs = caponier.pem\n      id = {}\n",
                       quoted(certificate->identity));
  }
  return fmt::format("      auth = eap-mschapv2\n      id = {0}\n      eap_id = {0}\n",
                     quoted(client.user));
}

std::string secrets_section(const Client& client) {
  const auto* login = std::get_if<PasswordLogin>(&client.login);
  if (login == nullptr) return {};
  return fmt::format("secrets {{\n  eap-caponier {{\n    id = {}\n    secret = {}\n  }}\n}}\n",
                     quoted(client.user), quoted(base::as_text(login->password.reveal())));
}

std::string remote_selectors(const Client& client) {
  if (client.networks.empty()) return "0.0.0.0/0, ::/0";
  std::string out;
  for (const base::Prefix& network : client.networks) {
    out += (out.empty() ? "" : ", ") + network.to_string();
  }
  return out;
}

std::string configuration(const Client& client) {
  return fmt::format(R"(connections {{
  caponier {{
    version = 2
    remote_addrs = {0}
    vips = 0.0.0.0, ::
    proposals = aes256gcm16-prfsha384-x25519, aes256gcm16-prfsha384-ecp384
    local {{
{1}    }}
    remote {{
      auth = pubkey
      id = {0}
      cacerts = caponier.pem
    }}
    children {{
      caponier {{
        remote_ts = {2}
        esp_proposals = aes256gcm16-x25519, aes256gcm16-ecp384
      }}
    }}
  }}
}}
{3})",
                     quoted(client.server), local_section(client), remote_selectors(client),
                     secrets_section(client));
}

}  // namespace

std::vector<File> swanctl_files(const Client& client) {
  std::vector<File> files;
  files.push_back({"conf.d/caponier.conf", seal(configuration(client))});
  files.push_back({"x509ca/caponier.pem", seal(std::string{client.authority_pem})});
  if (const auto* certificate = std::get_if<CertificateLogin>(&client.login)) {
    files.push_back({"x509/caponier.pem", seal(std::string{certificate->certificate_pem})});
    files.push_back({"private/caponier.pem", certificate->key_pem.duplicate()});
  }
  return files;
}

}  // namespace caponier::profile
