#include "daemon/held_store.h"

#include <algorithm>

#include "base/error.h"
#include "base/secret.h"
#include "config/strength.h"

namespace caponier::daemon {

namespace {

/// All of it but the value of this name.
vici::Message without(const vici::Message& request, std::string_view name) {
  vici::Message rest;
  for (const vici::Element& element : request.elements) {
    if (element.name != name) rest.elements.push_back(element);
  }
  return rest;
}

base::Bytes octets_in(const vici::Message& request, std::string_view name) {
  return base::as_bytes(request.value(name).value_or(std::string_view{}));
}

constexpr std::string_view load_shared_command = "load-shared";
constexpr std::string_view load_cert_command = "load-cert";

}  // namespace

HeldStore::Answer HeldStore::tell(std::string_view command, const vici::Message& message,
                                  base::Bytes secret) {
  if (is_behind()) catch_up();
  const auto answer =
      keys_.order(command, base::as_bytes(message.encode()), base::SecretBytes{secret});
  if (!answer) return std::unexpected{answer.error()};
  auto read = vici::Message::decode(*answer);
  if (!read) return std::unexpected{std::string{"the process with the keys answers nonsense"}};
  return *std::move(read);
}

void HeldStore::catch_up() {
  generation_ = keys_.generation();
  assembly_.forget_held();
  for (const auto& [key, told] : told_) {
    static_cast<void>(tell(key.first, told.message, told.secret.reveal()));
    if (is_behind()) return;
  }
}

void HeldStore::forget(std::string_view command) {
  std::erase_if(told_, [&](const auto& entry) { return entry.first.first == command; });
}

HeldStore::Answer HeldStore::load(std::string_view command, const vici::Message& request,
                                  base::Instant now, Change how) {
  for (const vici::Element& element : request.elements) {
    if (element.kind != vici::Element::Kind::section) continue;
    vici::Message one;
    one.elements.push_back(element);
    TRY_VOID(tell(command, one, {}));
    TRY_VOID((own_.*how)(one, now));
    told_.insert_or_assign(Key{command, element.name}, Told{std::move(one), {}});
  }
  return vici::Message{};
}

HeldStore::Answer HeldStore::unload(std::string_view command, std::string_view loaded,
                                    const vici::Message& request, base::Instant now, Change how) {
  static_cast<void>(tell(command, request, {}));
  const std::string name = request.text(command == "unload-shared" ? "id" : "name");
  told_.erase(Key{loaded, name});
  return (own_.*how)(request, now);
}

HeldStore::Answer HeldStore::load_conn(const vici::Message& request, base::Instant now) {
  return load("load-conn", request, now, &vici::AssemblyStore::load_conn);
}
HeldStore::Answer HeldStore::unload_conn(const vici::Message& request, base::Instant now) {
  return unload("unload-conn", "load-conn", request, now, &vici::AssemblyStore::unload_conn);
}
HeldStore::Answer HeldStore::load_authority(const vici::Message& request, base::Instant now) {
  return load("load-authority", request, now, &vici::AssemblyStore::load_authority);
}
HeldStore::Answer HeldStore::unload_authority(const vici::Message& request, base::Instant now) {
  return unload("unload-authority", "load-authority", request, now,
                &vici::AssemblyStore::unload_authority);
}
HeldStore::Answer HeldStore::load_pool(const vici::Message& request, base::Instant now) {
  return load("load-pool", request, now, &vici::AssemblyStore::load_pool);
}
HeldStore::Answer HeldStore::unload_pool(const vici::Message& request, base::Instant now) {
  return unload("unload-pool", "load-pool", request, now, &vici::AssemblyStore::unload_pool);
}

HeldStore::Answer HeldStore::load_cert(const vici::Message& request, base::Instant now) {
  // Who is revoked is judged here alone.
  if (request.text("type") != "X509_CRL") {
    TRY_VOID(tell(load_cert_command, request, {}));
    told_.insert_or_assign(Key{load_cert_command, request.text("data")}, Told{request, {}});
  }
  return own_.load_cert(request, now);
}

HeldStore::Answer HeldStore::load_key(const vici::Message& request, base::Instant now) {
  const vici::Message answer =
      TRY(tell("load-key", without(request, "data"), octets_in(request, "data")));
  own_.note_change(now);
  TRY_VOID(assembly_.note_key(answer.text("id"), octets_in(answer, "public")));
  return vici::Message{}.add("id", answer.text("id"));
}

HeldStore::Answer HeldStore::unload_key(const vici::Message& request, base::Instant now) {
  static_cast<void>(tell("unload-key", request, {}));
  return own_.unload_key(request, now);
}

HeldStore::Answer HeldStore::load_token(const vici::Message& request, base::Instant now) {
  const vici::Message rest = without(request, "pin");
  TRY_VOID(tell("load-token", rest, octets_in(request, "pin")));
  return own_.load_token(rest, now);
}

HeldStore::Answer HeldStore::load_shared(const vici::Message& request, base::Instant now) {
  const vici::Message rest = without(request, "data");
  const base::Bytes secret = octets_in(request, "data");
  TRY_VOID(tell(load_shared_command, rest, secret));
  if (!swan::Assembly::is_key(request.text("type"))) {
    told_.insert_or_assign(Key{load_shared_command, request.text("id")},
                           Told{rest, base::SecretBytes{secret}});
    return own_.load_shared(request, now);
  }
  own_.note_change(now);
  TRY_VOID(assembly_.note_shared(request.text("id"), request.text("type"),
                                 config::estimate_entropy_bits(secret), request.list("owners")));
  return vici::Message{};
}

HeldStore::Answer HeldStore::unload_shared(const vici::Message& request, base::Instant now) {
  return unload("unload-shared", load_shared_command, request, now,
                &vici::AssemblyStore::unload_shared);
}

HeldStore::Answer HeldStore::flush_certs(const vici::Message& request, base::Instant now) {
  return own_.flush_certs(request, now);
}

HeldStore::Answer HeldStore::clear_creds(base::Instant now) {
  static_cast<void>(tell("clear-creds", {}, {}));
  forget(load_cert_command);
  forget(load_shared_command);
  return own_.clear_creds(now);
}

}  // namespace caponier::daemon
