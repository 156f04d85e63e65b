// The line that one Caponier prints and the other one takes.

#include <nlohmann/json.hpp>

#include "base/base64.h"
#include "profile/escape.h"
#include "profile/kinds.h"

namespace caponier::profile {
namespace {

using Json = nlohmann::ordered_json;

std::string member(const Json& document, const char* key) {
  const auto found = document.find(key);
  const auto* value = found == document.end() ? nullptr : found->get_ptr<const std::string*>();
  return value == nullptr ? std::string{} : *value;
}

bool read_networks(const Json& document, std::vector<base::Prefix>& to) {
  const auto found = document.find("networks");
  if (found == document.end()) return true;
  for (const Json& item : *found) {
    const auto* text = item.get_ptr<const std::string*>();
    const auto network = text == nullptr ? std::nullopt : base::Prefix::parse(*text);
    if (!network) return false;
    to.push_back(*network);
  }
  return true;
}

}  // namespace

base::SecretBytes join_line(const Client& client) {
  Json document{{"server", printable_text(client.server)},
                {"user", printable_text(client.user)},
                {"authority", client.authority_pem}};
  for (const base::Prefix& network : client.networks) {
    document["networks"].push_back(network.to_string());
  }
  if (const auto* login = std::get_if<CertificateLogin>(&client.login)) {
    document["certificate"] = login->certificate_pem;
    document["key"] = base::as_text(login->key_pem.reveal());
  } else {
    const auto& password = std::get<PasswordLogin>(client.login).password;
    document["password"] = printable_text(base::as_text(password.reveal()));
  }
  const auto packed = seal(document.dump(-1, ' ', true, Json::error_handler_t::replace));
  return seal("caponier join " + std::string{join_prefix} + base::to_base64(packed.reveal()) +
              "\n");
}

std::optional<Join> read_join(std::string_view word) {
  if (word.size() > join_size_max || !word.starts_with(join_prefix)) return std::nullopt;
  word.remove_prefix(join_prefix.size());
  const auto packed = base::from_base64(word);
  if (!packed) return std::nullopt;
  const Json document = Json::parse(base::as_text(*packed), nullptr, false);
  if (!document.is_object()) return std::nullopt;
  Join join{member(document, "server"),      member(document, "user"),
            member(document, "authority"),   {},
            member(document, "certificate"), {}};
  join.secret = seal(member(document, join.certificate_pem.empty() ? "password" : "key"));
  const bool is_whole = !join.server.empty() && !join.user.empty() && !join.authority_pem.empty() &&
                        !join.secret.empty() && read_networks(document, join.networks);
  if (!is_whole) return std::nullopt;
  return join;
}

}  // namespace caponier::profile
