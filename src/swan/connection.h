#pragma once
// strongSwan's connections, pools, authorities and secrets as values: what swanctl.conf(5) and VICI
// say, with strongSwan's defaults, before anything is made of them.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/secret.h"
#include "swan/report.h"
#include "swan/section.h"
#include "swan/values.h"

namespace caponier::swan {

/// Soft limit, hard limit, and how much is subtracted by chance; zero is none.
template <class T>
struct Limits {
  T rekey{};
  T life{};
  T rand{};
  friend bool operator==(const Limits&, const Limits&) = default;
};
using Times = Limits<base::Duration>;
using Volumes = Limits<std::uint64_t>;

enum class Fragmentation : std::uint8_t { no, yes, accept, force };
enum class Childless : std::uint8_t { allow, prefer, force, never };
enum class SendCert : std::uint8_t { if_asked, always, never };
enum class Ocsp : std::uint8_t { reply, never, request, both };
enum class Unique : std::uint8_t { no, never, keep, replace };
enum class Revocation : std::uint8_t { relaxed, if_uri, strict };
enum class Mode : std::uint8_t { tunnel, transport, transport_proxy, beet, iptfs, pass, drop };
enum class CopyDscp : std::uint8_t { out, in, yes, no };
enum class PerCpu : std::uint8_t { no, yes, encap };

/// What is done at a start, a loss or an end.
struct Actions {
  bool trap = false;
  bool start = false;
  friend bool operator==(const Actions&, const Actions&) = default;
};

/// A certificate or key that is named by itself: a file, or an object of a token.
struct Object {
  std::string file;
  std::string handle;  ///< CKA_ID, hexadecimal
  std::string slot;
  std::string module;
  config::Place where;
};

/// One local or remote round of authentication.
struct Round {
  std::string name;  ///< "local", "local-2"
  config::Place where;
  bool is_local = true;
  std::uint64_t order = 0;  ///< `round`
  AuthMethod auth;
  Who id;
  std::string eap_id;
  std::string aaa_id;
  std::string xauth_id;
  /// Names of files in the product's folder; in messages the files themselves.
  std::vector<std::string> certs;
  std::vector<std::string> cacerts;
  std::vector<std::string> pubkeys;
  std::vector<Object> cert_objects;
  std::vector<Object> cacert_objects;
  Who ca_id;
  std::vector<std::string> groups;
  std::vector<std::string> cert_policy;
  Revocation revocation = Revocation::relaxed;
};

struct Child {
  std::string name;
  config::Place where;
  Proposals esp;
  Proposals ah;  ///< without any: ESP
  bool sha256_96 = false;
  std::vector<Selector> local_ts{{true, {}}};
  std::vector<Selector> remote_ts{{true, {}}};
  Times times{std::chrono::hours{1}, {}, {}};
  Volumes bytes;
  Volumes packets;
  std::string updown;
  bool hostaccess = false;
  Mode mode = Mode::tunnel;
  bool policies = true;
  bool policies_fwd_out = false;
  Actions dpd_action, start_action, close_action;
  bool ipcomp = false;
  base::Duration inactivity{};
  std::uint32_t reqid = 0;
  std::uint32_t priority = 0;
  std::string interface;
  Mark mark_in, mark_out, set_mark_in, set_mark_out;
  bool mark_in_sa = false;
  Mark if_id_in, if_id_out;
  std::string hw_offload = "no";
  std::string label;
  std::string label_mode = "system";
  std::uint32_t tfc_padding = 0;  ///< 0xffffffff: to the path MTU
  std::uint32_t replay_window = 32;
  PerCpu per_cpu_sas = PerCpu::no;
  bool copy_df = true;
  bool copy_ecn = true;
  CopyDscp copy_dscp = CopyDscp::out;
  bool icmp = false;
};
inline constexpr std::uint32_t tfc_to_mtu = 0xffffffff;

struct Connection {
  std::string name;
  config::Place where;
  unsigned version = 0;
  std::vector<Host> local_addrs{{}};
  std::vector<Host> remote_addrs{{}};
  std::uint16_t local_port = 500;
  std::uint16_t remote_port = 500;
  Proposals proposals;
  std::vector<std::string> vips;
  bool aggressive = false;
  bool pull = true;
  std::uint8_t dscp = 0;
  bool encap = false;
  bool mobike = true;
  base::Duration dpd_delay{};
  base::Duration dpd_timeout{};
  Fragmentation fragmentation = Fragmentation::yes;
  Childless childless = Childless::allow;
  bool send_certreq = true;
  SendCert send_cert = SendCert::if_asked;
  Ocsp ocsp = Ocsp::reply;
  std::string ppk_id;
  bool ppk_required = false;
  std::uint64_t keyingtries = 1;  ///< 0: for ever
  Unique unique = Unique::no;
  base::Duration reauth_time{};
  base::Duration rekey_time{std::chrono::hours{4}};
  base::Duration over_time{};
  base::Duration rand_time{};
  std::vector<std::string> pools;
  Mark if_id_in, if_id_out;
  std::vector<Round> local, remote;  ///< in the order in which they take place
  std::vector<Child> children;
};

struct Pool {
  std::string name;
  config::Place where;
  base::IpAddress first, last;  ///< of addrs
  struct Attribute {
    std::string type;  ///< "dns", "split_include", "25"
    std::vector<std::string> values;
  };
  std::vector<Attribute> attributes;
};

struct Authority {
  std::string name;
  config::Place where;
  std::string cacert;  ///< as Round::cacerts
  Object object;
  std::vector<std::string> crl_uris, ocsp_uris;
  std::string cert_uri_base;
};

struct Secret {
  enum class Kind : std::uint8_t {
    ike,
    eap,
    xauth,
    ntlm,
    ppk,
    private_key,  ///< the passphrase of a file in the folder `type` names
    token,        ///< an object of a token, and its PIN
  };
  std::string name;
  config::Place where;
  Kind kind = Kind::ike;
  std::string type;  ///< "ike", "private", "pkcs12", ...
  std::shared_ptr<const base::SecretBytes> value;
  /// Another process has the value, which is about so hard to guess.
  std::optional<unsigned> held_bits = std::nullopt;
  std::vector<Who> owners;  ///< none: whoever
  std::string file;
  Object object;
};

/// Null, and told, when there is a mistake in it. `path` names the section in what is told.
[[nodiscard]] std::optional<Connection> read_connection(const Section& section,
                                                        const std::string& path, Report& report);
[[nodiscard]] std::optional<Pool> read_pool(const Section& section, const std::string& path,
                                            Report& report);
[[nodiscard]] std::optional<Authority> read_authority(const Section& section,
                                                      const std::string& path, Report& report);
[[nodiscard]] std::optional<Secret> read_secret(const Section& section, const std::string& path,
                                                Report& report);

/// Everything that a swanctl.conf holds. What is refused is not in it.
struct Everything {
  std::vector<Connection> connections;
  std::vector<Pool> pools;
  std::vector<Authority> authorities;
  std::vector<Secret> secrets;
};
[[nodiscard]] Everything read_swanctl(const Section& root, Report& report);

/// As charon logs what it has loaded, line by line; without secrets.
[[nodiscard]] std::string to_text(const Connection& connection);

}  // namespace caponier::swan
