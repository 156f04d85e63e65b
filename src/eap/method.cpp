#include "eap/method.h"

namespace caponier::eap {
namespace {

/// What a method of that type needs, of ports of either side.
bool is_available(bool has_password, bool has_tls, Type type, bool in_tunnel) {
  switch (type) {
    case Type::md5_challenge:
    case Type::mschapv2: return has_password;
    case Type::gtc: return has_password && in_tunnel;
    case Type::tls: return has_tls && !in_tunnel;
    case Type::ttls:
    case Type::peap: return has_tls && has_password && !in_tunnel;
    case Type::none:
    case Type::identity:
    case Type::notification:
    case Type::nak:
    case Type::tlv:
    case Type::expanded: return false;
  }
  return false;
}

}  // namespace

bool is_available(const ServerPorts& ports, Type type, bool in_tunnel) {
  return is_available(ports.passwords != nullptr, ports.tls != nullptr, type, in_tunnel);
}

bool is_available(const ClientPorts& ports, Type type, bool in_tunnel) {
  return is_available(ports.password != nullptr, ports.tls != nullptr, type, in_tunnel);
}

std::unique_ptr<ServerMethod> make_server_method(Type type, const ServerContext& context) {
  if (type == Type::md5_challenge) return make_md5_server(context);
  if (type == Type::gtc) return make_gtc_server(context);
  if (type == Type::mschapv2) return make_mschapv2_server(context);
  if (type == Type::tls) return make_tls_server(context);
  if (type == Type::ttls) return make_ttls_server(context);
  if (type == Type::peap) return make_peap_server(context);
  return nullptr;
}

std::unique_ptr<ClientMethod> make_client_method(Type type, const ClientContext& context) {
  if (type == Type::md5_challenge) return make_md5_client(context);
  if (type == Type::gtc) return make_gtc_client(context);
  if (type == Type::mschapv2) return make_mschapv2_client(context);
  if (type == Type::tls) return make_tls_client(context);
  if (type == Type::ttls) return make_ttls_client(context);
  if (type == Type::peap) return make_peap_client(context);
  return nullptr;
}

}  // namespace caponier::eap
