#include "vici/assembly_store.h"

#include <algorithm>
#include <functional>

#include <fmt/format.h>

#include "vici/names.h"

namespace caponier::vici {

namespace {

std::string seconds(base::Duration time) {
  return fmt::format("{}", std::chrono::duration_cast<std::chrono::seconds>(time).count());
}

Store::Answer answer(const swan::Assembly::Answer& done) {
  if (done) return Message{};
  return std::unexpected{done.error()};
}

Store::Answer with_id(const swan::Assembly::Loaded& done) {
  if (!done) return std::unexpected{done.error()};
  Message message;
  message.add("id", *done);
  return message;
}

/// Each section of the request, until one is refused.
template <class Load>
Store::Answer each_section(const Message& request, Load load) {
  for (const Element& element : request.elements) {
    if (element.kind != Element::Kind::section) continue;
    const auto done = load(section_of(element.name, element.section));
    if (!done) return std::unexpected{done.error()};
  }
  return Message{};
}

std::string_view mode_text(swan::Mode mode) {
  switch (mode) {
    case swan::Mode::tunnel: return "TUNNEL";
    case swan::Mode::transport: return "TRANSPORT";
    case swan::Mode::transport_proxy: return "TRANSPORT_PROXY";
    case swan::Mode::beet: return "BEET";
    case swan::Mode::iptfs: return "IPTFS";
    case swan::Mode::pass: return "PASS";
    case swan::Mode::drop: return "DROP";
  }
  return {};
}

std::string_view unique_text(swan::Unique unique) {
  switch (unique) {
    case swan::Unique::no: return "UNIQUE_NO";
    case swan::Unique::never: return "UNIQUE_NEVER";
    case swan::Unique::keep: return "UNIQUE_KEEP";
    case swan::Unique::replace: return "UNIQUE_REPLACE";
  }
  return {};
}

std::string_view class_text(const swan::AuthMethod& auth) {
  using enum swan::AuthMethod::Kind;
  switch (auth.kind) {
    case any: return "any";
    case pubkey: return "public key";
    case psk: return "pre-shared key";
    case eap: return "EAP";
    case null: return "null";
    case xauth: return "XAuth";
  }
  return {};
}

std::string_view action_text(const swan::Actions& actions) {
  if (actions.trap && actions.start) return "trap | start";
  return actions.trap ? "trap" : actions.start ? "start" : "none";
}

std::vector<std::string> texts(const std::vector<swan::Host>& hosts) {
  std::vector<std::string> all;
  for (const swan::Host& host : hosts) {
    all.push_back(host.kind == swan::Host::Kind::any ? "%any" : host.text);
  }
  return all;
}

std::vector<std::string> texts(const std::vector<swan::Selector>& selectors) {
  std::vector<std::string> all;
  for (const swan::Selector& selector : selectors) all.push_back(selector.to_string());
  return all;
}

/// "EAP_MSCHAPV2", as charon calls "mschapv2".
std::string eap_text(std::string_view method) {
  std::string text = "EAP_";
  for (const char c : method) text += c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return text;
}

/// Without what only says of which kind it is.
std::string who_text(const swan::Who& who, const pki::PkiProvider* pki) {
  const policy::Identity* const one = who.pattern ? who.pattern->only() : nullptr;
  return one == nullptr ? who.text : identity_text(*one, pki);
}

Message round_message(const swan::Round& round, const pki::PkiProvider* pki,
                      const std::function<std::string(const std::string&)>& subject) {
  Message message;
  message.add("class", class_text(round.auth));
  if (!round.auth.eap.empty()) message.add("eap-type", eap_text(round.auth.eap));
  if (round.id.kind != swan::Who::Kind::any) message.add("id", who_text(round.id, pki));
  if (!round.xauth_id.empty()) message.add("xauth_id", round.xauth_id);
  if (!round.aaa_id.empty()) message.add("aaa_id", round.aaa_id);
  if (!round.eap_id.empty()) message.add("eap_id", round.eap_id);
  message.add_list("groups", round.groups);
  message.add_list("cert_policy", round.cert_policy);
  if (round.revocation == swan::Revocation::strict) message.add("revocation", "GOOD");
  if (round.revocation == swan::Revocation::if_uri) message.add("revocation", "SKIPPED");
  std::vector<std::string> certs;
  std::vector<std::string> authorities;
  for (const std::string& path : round.certs) certs.push_back(subject(path));
  // A raw key is called after whose it is.
  for (std::size_t i = 0; i < round.pubkeys.size(); ++i) certs.push_back(who_text(round.id, pki));
  for (const std::string& path : round.cacerts) authorities.push_back(subject(path));
  message.add_list("certs", certs);
  message.add_list("cacerts", authorities);
  return message;
}

Message child_message(const swan::Child& child) {
  Message message;
  message.add("mode", mode_text(child.mode));
  if (!child.label.empty()) message.add("label", child.label);
  message.add("rekey_time", seconds(child.times.rekey));
  message.add("rekey_bytes", fmt::format("{}", child.bytes.rekey));
  message.add("rekey_packets", fmt::format("{}", child.packets.rekey));
  message.add("dpd_action", action_text(child.dpd_action));
  message.add("close_action", action_text(child.close_action));
  message.add_list("local-ts", texts(child.local_ts));
  message.add_list("remote-ts", texts(child.remote_ts));
  if (!child.interface.empty()) message.add("interface", child.interface);
  if (child.priority != 0) message.add("priority", fmt::format("{}", child.priority));
  return message;
}

}  // namespace

swan::Section section_of(std::string_view name, const Message& message) {
  swan::Section section{std::string{name}, {}, {}, {}};
  for (const Element& element : message.elements) {
    switch (element.kind) {
      case Element::Kind::value: section.set(element.name, element.value); break;
      case Element::Kind::list: section.set_list(element.name, element.items); break;
      case Element::Kind::section:
        section.open(element.name) = section_of(element.name, element.section);
        break;
    }
  }
  return section;
}

Store::Answer AssemblyStore::load_conn(const Message& request, base::Instant now) {
  note_change(now);
  return each_section(
      request, [this](const swan::Section& section) { return assembly_.load_conn(section); });
}

Store::Answer AssemblyStore::unload_conn(const Message& request, base::Instant now) {
  note_change(now);
  return answer(assembly_.unload_conn(request.text("name")));
}

Store::Answer AssemblyStore::load_cert(const Message& request, base::Instant now) {
  note_change(now);
  const std::string data = request.text("data");
  return answer(assembly_.load_cert(request.text("type"), request.text("flag", "NONE"),
                                    base::as_bytes(data)));
}

Store::Answer AssemblyStore::load_key(const Message& request, base::Instant now) {
  note_change(now);
  const std::string data = request.text("data");
  return with_id(assembly_.load_key(base::as_bytes(data)));
}

Store::Answer AssemblyStore::unload_key(const Message& request, base::Instant now) {
  note_change(now);
  return answer(assembly_.unload_key(request.text("id")));
}

Store::Answer AssemblyStore::load_token(const Message& request, base::Instant now) {
  note_change(now);
  return with_id(assembly_.load_token(section_of("token", request)));
}

Store::Answer AssemblyStore::load_shared(const Message& request, base::Instant now) {
  note_change(now);
  const std::string data = request.text("data");
  return answer(assembly_.load_shared(request.text("id"), request.text("type"),
                                      base::as_bytes(data), request.list("owners")));
}

Store::Answer AssemblyStore::unload_shared(const Message& request, base::Instant now) {
  note_change(now);
  return answer(assembly_.unload_shared(request.text("id")));
}

Store::Answer AssemblyStore::load_authority(const Message& request, base::Instant now) {
  note_change(now);
  return each_section(
      request, [this](const swan::Section& section) { return assembly_.load_authority(section); });
}

Store::Answer AssemblyStore::unload_authority(const Message& request, base::Instant now) {
  note_change(now);
  return answer(assembly_.unload_authority(request.text("name")));
}

Store::Answer AssemblyStore::load_pool(const Message& request, base::Instant now) {
  note_change(now);
  return each_section(
      request, [this](const swan::Section& section) { return assembly_.load_pool(section); });
}

Store::Answer AssemblyStore::unload_pool(const Message& request, base::Instant now) {
  note_change(now);
  return answer(assembly_.unload_pool(request.text("name")));
}

/// What peers have sent is kept nowhere.
Store::Answer AssemblyStore::flush_certs(const Message&, base::Instant) { return Message{}; }

Store::Answer AssemblyStore::clear_creds(base::Instant now) {
  note_change(now);
  assembly_.clear_credentials();
  return Message{};
}

std::vector<std::string> AssemblyStore::conns() const {
  std::vector<std::string> names;
  for (const swan::Connection& one : assembly_.connections()) names.push_back(one.name);
  return names;
}

std::vector<std::string> AssemblyStore::authorities() const {
  std::vector<std::string> names;
  for (const swan::Authority& one : assembly_.authorities()) names.push_back(one.name);
  return names;
}

std::vector<Message> AssemblyStore::authority_events() const {
  std::vector<Message> events;
  for (const swan::Authority& authority : assembly_.authorities()) {
    Message inside;
    const std::string& path = authority.cacert.empty() ? authority.object.file : authority.cacert;
    if (const std::string subject = subject_of(path); !subject.empty()) {
      inside.add("cacert", subject);
    }
    inside.add_list("crl_uris", authority.crl_uris);
    inside.add_list("ocsp_uris", authority.ocsp_uris);
    if (!authority.cert_uri_base.empty()) inside.add("cert_uri_base", authority.cert_uri_base);
    Message event;
    event.add_section(authority.name, std::move(inside));
    events.push_back(std::move(event));
  }
  return events;
}

std::string AssemblyStore::subject_of(const std::string& path) const {
  if (pki_ == nullptr) return {};
  const std::string content = assembly_.content_of(path);
  const auto certs = pki_->load_certificates({path, base::as_bytes(content)});
  return certs && !certs->empty() ? certs->front().subject_text : std::string{};
}

std::vector<Message> AssemblyStore::cert_events() const {
  std::vector<Message> events;
  if (pki_ == nullptr) return events;
  const std::vector<std::string> keys = assembly_.keys();
  for (const std::string& path : assembly_.certificates()) {
    const std::string content = assembly_.content_of(path);
    const auto certs = pki_->load_certificates({path, base::as_bytes(content)});
    if (!certs) continue;
    for (const pki::Certificate& cert : *certs) {
      Message event;
      event.add("type", "X509");
      event.add("flag", cert.is_authority ? "CA" : "NONE");
      if (std::ranges::find(keys, base::to_hex(cert.key_hash)) != keys.end()) {
        event.add("has_privkey", "yes");
      }
      event.add("data", base::as_text(cert.der));
      events.push_back(std::move(event));
    }
  }
  return events;
}

Message AssemblyStore::conn_event(const std::string& name) const {
  const auto& all = assembly_.connections();
  const auto found = std::ranges::find(all, name, &swan::Connection::name);
  if (found == all.end()) return {};
  Message inside;
  inside.add_list("local_addrs", texts(found->local_addrs));
  inside.add_list("remote_addrs", texts(found->remote_addrs));
  inside.add("version", found->version == 0 ? "IKEv1/2" : "IKEv2");
  inside.add("reauth_time", seconds(found->reauth_time));
  inside.add("rekey_time", seconds(found->rekey_time));
  inside.add("unique", unique_text(found->unique));
  if (found->dpd_delay > base::Duration{}) inside.add("dpd_delay", seconds(found->dpd_delay));
  if (found->dpd_timeout > base::Duration{}) inside.add("dpd_timeout", seconds(found->dpd_timeout));
  if (!found->ppk_id.empty()) inside.add("ppk_id", found->ppk_id);
  unsigned number = 0;
  const auto subject = [this](const std::string& path) { return subject_of(path); };
  for (const swan::Round& round : found->local) {
    inside.add_section(fmt::format("local-{}", ++number), round_message(round, pki_, subject));
  }
  number = 0;
  for (const swan::Round& round : found->remote) {
    inside.add_section(fmt::format("remote-{}", ++number), round_message(round, pki_, subject));
  }
  Message children;
  for (const swan::Child& child : found->children) {
    children.add_section(child.name, child_message(child));
  }
  inside.add_section("children", std::move(children));
  Message event;
  event.add_section(name, std::move(inside));
  return event;
}

Message AssemblyStore::pools() const {
  Message all;
  for (const swan::Pool& pool : assembly_.pools()) {
    std::uint64_t size = 0;
    const auto prefixes = swan::prefixes_of(pool.first, pool.last);
    for (const base::Prefix& prefix : prefixes) {
      const unsigned bits = prefix.address.bit_count() - prefix.length;
      constexpr unsigned bits_max = 31;  // what charon counts to
      size += std::uint64_t{1} << std::min(bits, bits_max);
    }
    // The first and the last address of a network are nobody's.
    if (prefixes.size() == 1 && size > 2) size -= 2;
    Message inside;
    inside.add("base", pool.first.to_string());
    inside.add("size", fmt::format("{}", size));
    all.add_section(pool.name, std::move(inside));
  }
  return all;
}

}  // namespace caponier::vici
