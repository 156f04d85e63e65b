// Apple's "Configuration Profile Reference": com.apple.vpn.managed, com.apple.security.pkcs12 and
// com.apple.security.root in one profile.

#include <fmt/format.h>

#include "base/base64.h"
#include "profile/escape.h"
#include "profile/kinds.h"
#include "profile/uuid.h"

namespace caponier::profile {
namespace {

/// A property list, member by member.
class Plist {
 public:
  Plist() {
    out_ =
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
        "<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" "
        "\"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n"
        "<plist version=\"1.0\">\n";
  }
  void key(std::string_view name) { line(fmt::format("<key>{}</key>", name)); }
  void open(std::string_view kind) {
    line(fmt::format("<{}>", kind));
    depth_ += 1;
  }
  void close(std::string_view kind) {
    depth_ -= 1;
    line(fmt::format("</{}>", kind));
  }
  void text(std::string_view name, std::string_view value) {
    key(name);
    line(fmt::format("<string>{}</string>", xml_text(printable_text(value))));
  }
  void integer(std::string_view name, int value) {
    key(name);
    line(fmt::format("<integer>{}</integer>", value));
  }
  void data(std::string_view name, base::Bytes value) {
    key(name);
    line(fmt::format("<data>{}</data>", base::to_base64(value)));
  }
  [[nodiscard]] std::string finish() && { return std::move(out_) + "</plist>\n"; }

 private:
  void line(std::string_view words) { out_ += fmt::format("{:{}}{}\n", "", 2 * depth_, words); }
  std::string out_;
  std::size_t depth_ = 0;
};

struct Uuids {
  std::string profile;
  std::string vpn;
  std::string certificate;
  std::string authority;
};

/// The members that every payload has. The identifier says which older profile this one replaces.
void add_payload(Plist& to, const Client& client, std::string_view type, std::string_view part,
                 std::string_view uuid, std::string_view title) {
  to.text("PayloadType", type);
  to.integer("PayloadVersion", 1);
  to.text("PayloadIdentifier", fmt::format("caponier.{}.{}{}", client.server, client.user, part));
  to.text("PayloadUUID", uuid);
  to.text("PayloadDisplayName", title);
}

std::string_view certificate_type(KeyKind kind) {
  switch (kind) {
    case KeyKind::rsa: return "RSA";
    case KeyKind::ecdsa256: return "ECDSA256";
    case KeyKind::ecdsa384: return "ECDSA384";
  }
  return "RSA";
}

void add_login(Plist& to, const Client& client, const Uuids& uuids) {
  if (const auto* certificate = std::get_if<CertificateLogin>(&client.login)) {
    to.text("LocalIdentifier", certificate->identity);
    to.text("AuthenticationMethod", "Certificate");
    to.text("CertificateType", certificate_type(certificate->key_kind));
    to.text("PayloadCertificateUUID", uuids.certificate);
    return;
  }
  to.text("LocalIdentifier", client.user);
  to.text("AuthenticationMethod", "None");
  to.integer("ExtendedAuthEnabled", 1);
  to.text("AuthName", client.user);
}

void add_algorithms(Plist& to, std::string_view name) {
  constexpr int ecp384 = 20;
  to.key(name);
  to.open("dict");
  to.text("EncryptionAlgorithm", "AES-256-GCM");
  to.text("IntegrityAlgorithm", "SHA2-384");
  to.integer("DiffieHellmanGroup", ecp384);
  to.close("dict");
}

void add_vpn(Plist& to, const Client& client, const Uuids& uuids) {
  to.open("dict");
  add_payload(to, client, "com.apple.vpn.managed", ".vpn", uuids.vpn, client.server);
  to.text("UserDefinedName", client.server);
  to.text("VPNType", "IKEv2");
  if (client.networks.empty()) {
    to.key("IPv4");
    to.open("dict");
    to.integer("OverridePrimary", 1);
    to.close("dict");
  }
  to.key("IKEv2");
  to.open("dict");
  to.text("RemoteAddress", client.server);
  to.text("RemoteIdentifier", client.server);
  add_login(to, client, uuids);
  to.text("ServerCertificateIssuerCommonName", client.authority);
  to.text("DeadPeerDetectionRate", "Medium");
  to.integer("EnablePFS", 1);
  add_algorithms(to, "IKESecurityAssociationParameters");
  add_algorithms(to, "ChildSecurityAssociationParameters");
  to.close("dict");
  to.close("dict");
}

void add_certificates(Plist& to, const Client& client, const Uuids& uuids) {
  if (const auto* certificate = std::get_if<CertificateLogin>(&client.login)) {
    to.open("dict");
    add_payload(to, client, "com.apple.security.pkcs12", ".certificate", uuids.certificate,
                client.user);
    to.text("PayloadCertificateFileName", client.user + ".p12");
    to.data("PayloadContent", certificate->pkcs12.reveal());
    to.close("dict");
  }
  to.open("dict");
  add_payload(to, client, "com.apple.security.root", ".authority", uuids.authority,
              client.authority);
  to.text("PayloadCertificateFileName", "authority.cer");
  to.data("PayloadContent", client.authority_der);
  to.close("dict");
}

}  // namespace

base::SecretBytes apple_profile(const Client& client, base::Rng& rng) {
  const Uuids uuids{make_uuid(rng), make_uuid(rng), make_uuid(rng), make_uuid(rng)};
  Plist out;
  out.open("dict");
  add_payload(out, client, "Configuration", "", uuids.profile,
              fmt::format("VPN {}", client.server));
  out.key("PayloadContent");
  out.open("array");
  add_vpn(out, client, uuids);
  add_certificates(out, client, uuids);
  out.close("array");
  out.close("dict");
  return seal(std::move(out).finish());
}

}  // namespace caponier::profile
