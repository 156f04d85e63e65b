// Pools, authorities and secrets.

#include <algorithm>

#include <fmt/format.h>

#include "swan/connection.h"
#include "swan/keys.h"

namespace caponier::swan {

namespace {

constexpr std::array<std::string_view, 9> attribute_names{
    "dns",    "nbns",   "dhcp",          "netmask",      "server",
    "subnet", "p_cscf", "split_include", "split_exclude"};

bool is_attribute(std::string_view name) {
  return std::ranges::find(attribute_names, name) != attribute_names.end() ||
         parse_number(name, 0x7fff).has_value();
}

struct SecretType {
  std::string_view prefix;
  Secret::Kind kind;
};
/// The longer of two that begin alike first.
constexpr std::array secret_types = {
    SecretType{"eap", Secret::Kind::eap},
    SecretType{"xauth", Secret::Kind::xauth},
    SecretType{"ntlm", Secret::Kind::ntlm},
    SecretType{"ike", Secret::Kind::ike},
    SecretType{"ppk", Secret::Kind::ppk},
    SecretType{"private", Secret::Kind::private_key},
    SecretType{"rsa", Secret::Kind::private_key},
    SecretType{"ecdsa", Secret::Kind::private_key},
    SecretType{"pkcs8", Secret::Kind::private_key},
    SecretType{"pkcs12", Secret::Kind::private_key},
    SecretType{"token", Secret::Kind::token},
};

const SecretType* type_of(std::string_view name) {
  const auto* const row = std::ranges::find_if(
      secret_types, [&](const SecretType& type) { return name.starts_with(type.prefix); });
  return row == secret_types.end() ? nullptr : row;
}

void read_value(Reader& in, std::string_view key, bool is_encoded, Secret& secret) {
  const Value* const value = in.section().find(key);
  if (value == nullptr) return;
  auto octets = is_encoded ? parse_blob(value->text)
                           : Parsed<base::ByteVec>{base::to_vec(base::as_bytes(value->text))};
  if (!octets) return in.fault(key, octets.error());
  secret.value = std::make_shared<const base::SecretBytes>(base::Bytes{*octets});
  base::wipe(*octets);
}

void read_owners(Reader& in, Secret& secret) {
  for (const Value& value : in.section().values) {
    if (!value.key.starts_with("id")) continue;
    for (const std::string& text : value.is_list ? value.items : std::vector{value.text}) {
      auto who = parse_who(text);
      if (who) {
        secret.owners.push_back(*std::move(who));
      } else {
        in.fault(value.key, who.error());
      }
    }
  }
}

void check_secret(Reader& in, const Secret& secret) {
  const auto miss = [&](std::string_view key) {
    in.refuse({fmt::format("{} is missing", key), fmt::format("add {} = ...", key)});
  };
  const auto refuse_beside = [&](std::initializer_list<std::string_view> keys) {
    for (const std::string_view key : keys) {
      if (in.has(key)) {
        in.fault(key,
                 {fmt::format("{} has no place in secrets.{}", key, secret.type), "remove it"});
      }
    }
  };
  switch (secret.kind) {
    case Secret::Kind::private_key:
      if (secret.file.empty()) miss("file");
      return refuse_beside({"handle", "slot", "module", "pin"});
    case Secret::Kind::token:
      if (secret.object.handle.empty()) miss("handle");
      return refuse_beside({"file", "secret"});
    case Secret::Kind::ike:
    case Secret::Kind::eap:
    case Secret::Kind::xauth:
    case Secret::Kind::ntlm:
    case Secret::Kind::ppk:
      if (!in.has("secret")) miss("secret");
      return refuse_beside({"file", "handle", "slot", "module", "pin"});
  }
}

/// Each section of `section`, if there is one of that name.
template <class T, class Read>
void read_all(const Section& root, std::string_view name, std::vector<T>& to, Report& report,
              Read read) {
  const Section* const section = root.find_section(name);
  if (section == nullptr) return;
  for (const Value& value : section->values) {
    report.error(value.where, fmt::format("{}.{}", name, value.key),
                 {fmt::format("{} holds sections, no values", name),
                  fmt::format("write {} {{ ... }}", value.key)});
  }
  for (const Section& inner : section->sections) {
    auto one = read(inner, fmt::format("{}.{}", name, inner.name), report);
    if (one) to.push_back(*std::move(one));
  }
}

}  // namespace

std::optional<Pool> read_pool(const Section& section, const std::string& path, Report& report) {
  const std::size_t errors = report.error_count();
  Reader in{section, Scope::pool, path, report};
  Pool pool;
  pool.name = section.name;
  pool.where = section.where;
  in.parse("addrs", pool, [&](std::string_view text) -> Parsed<Pool> {
    auto range = parse_selector(text);
    if (!range) return std::unexpected{range.error()};
    if (range->is_dynamic || range->ts.protocol != 0 || !range->ts.is_any_port()) {
      return std::unexpected{Fault{fmt::format("{} is no range of addresses", config::quoted(text)),
                                   "write 10.9.0.0/24 or 10.9.0.10-10.9.0.99"}};
    }
    Pool filled = pool;
    filled.first = range->ts.first;
    filled.last = range->ts.last;
    return filled;
  });
  if (!in.has("addrs")) {
    in.refuse({"addrs is missing", "add addrs = 10.9.0.0/24, or the pool's own range"});
  }
  for (const Value& value : section.values) {
    if (value.key == "addrs") continue;
    if (!is_attribute(value.key)) {
      in.fault(value.key,
               {fmt::format("{} is no attribute", config::quoted(value.key)),
                config::suggest(value.key, attribute_names,
                                "write dns, nbns, dhcp, netmask, server, subnet, p_cscf, "
                                "split_include, split_exclude or its number")});
      continue;
    }
    pool.attributes.push_back({value.key, value.list()});
  }
  for (const Section& inner : section.sections) in.refuse_section(inner, {});
  if (report.error_count() != errors) return std::nullopt;
  return pool;
}

std::optional<Authority> read_authority(const Section& section, const std::string& path,
                                        Report& report) {
  const std::size_t errors = report.error_count();
  Reader in{section, Scope::authority, path, report};
  Authority authority;
  authority.name = section.name;
  authority.where = section.where;
  in.text("cacert", authority.cacert);
  authority.object.where = section.where;
  in.text("file", authority.object.file);
  in.text("handle", authority.object.handle);
  in.text("slot", authority.object.slot);
  in.text("module", authority.object.module);
  in.list("crl_uris", authority.crl_uris);
  in.list("ocsp_uris", authority.ocsp_uris);
  in.text("cert_uri_base", authority.cert_uri_base);
  const int named = (authority.cacert.empty() ? 0 : 1) + (authority.object.file.empty() ? 0 : 1) +
                    (authority.object.handle.empty() ? 0 : 1);
  if (named != 1) {
    in.refuse({named == 0 ? "it names no certificate" : "it names more than one certificate",
               "write one of cacert, file and handle"});
  }
  for (const Section& inner : section.sections) in.refuse_section(inner, {});
  if (report.error_count() != errors) return std::nullopt;
  return authority;
}

std::optional<Secret> read_secret(const Section& section, const std::string& path, Report& report) {
  const std::size_t errors = report.error_count();
  const SecretType* const type = type_of(section.name);
  if (type == nullptr) {
    std::array<std::string_view, secret_types.size()> prefixes;
    std::ranges::transform(secret_types, prefixes.begin(), &SecretType::prefix);
    report.error(section.where, path,
                 {fmt::format("{} is no kind of secret", config::quoted(section.name)),
                  fmt::format("let its name begin with {}", config::join(prefixes, "or"))});
    return std::nullopt;
  }
  Reader in{section, Scope::secret, path, report};
  Secret secret;
  secret.name = section.name;
  secret.where = section.where;
  secret.kind = type->kind;
  secret.type = type->prefix;
  in.text("file", secret.file);
  in.text("handle", secret.object.handle);
  in.text("slot", secret.object.slot);
  in.text("module", secret.object.module);
  secret.object.where = section.where;
  const bool is_passphrase = secret.kind == Secret::Kind::private_key;
  if (secret.kind == Secret::Kind::token) {
    read_value(in, "pin", false, secret);
  } else {
    read_value(in, "secret", !is_passphrase, secret);
  }
  read_owners(in, secret);
  check_secret(in, secret);
  for (const Section& inner : section.sections) in.refuse_section(inner, {});
  if (report.error_count() != errors) return std::nullopt;
  return secret;
}

Everything read_swanctl(const Section& root, Report& report) {
  Everything all;
  read_all(root, "connections", all.connections, report, read_connection);
  read_all(root, "pools", all.pools, report, read_pool);
  read_all(root, "authorities", all.authorities, report, read_authority);
  read_all(root, "secrets", all.secrets, report, read_secret);
  constexpr std::array<std::string_view, 4> known{"connections", "pools", "authorities", "secrets"};
  const auto tell = [&](const std::string& name, const config::Place& where) {
    // Templates stand there too, under any name.
    if (const std::string_view near = config::nearest(name, known); !near.empty()) {
      report.warn(where, name, "nothing reads this section",
                  fmt::format("did you mean '{}'?", near));
    }
  };
  for (const Section& section : root.sections) {
    if (std::ranges::find(known, section.name) == known.end()) tell(section.name, section.where);
  }
  for (const Value& value : root.values) tell(value.key, value.where);
  return all;
}

}  // namespace caponier::swan
