#pragma once
// Reading one [site.NAME] or [host.NAME], the secrets they name, and what they must not do to
// each other.

#include <map>
#include <span>

#include "config/section.h"
#include "config/values.h"

namespace caponier::config {

/// Two processes have read two configurations.
[[nodiscard]] Fault changed_meanwhile();

/// The secret of a file: line ends behind it are not of it.
[[nodiscard]] base::Bytes without_newlines(base::Bytes secret);

/// Reads and judges each secret once, however many peers use it.
class Secrets {
 public:
  explicit Secrets(Source& source) : source_(source) {}
  using Psk = std::shared_ptr<const base::SecretBytes>;
  [[nodiscard]] const Parsed<Psk>& get(const std::string& reference);
  /// A person's password, however weak: only a final newline is not of it.
  [[nodiscard]] Parsed<Psk> password(const std::string& reference);
  [[nodiscard]] const HeldKeys* held() const { return source_.held_keys(); }

 private:
  [[nodiscard]] Parsed<Psk> read(const std::string& reference);
  Source& source_;
  std::map<std::string, Parsed<Psk>> known_;
};

/// Reads each file of the pki folder once. What only the store needs is collected for it.
class PkiFiles {
 public:
  explicit PkiFiles(Source& source) : source_(source) {}
  [[nodiscard]] const pki::PkiProvider* provider() const { return source_.pki(); }
  [[nodiscard]] bool has(const std::string& name) const { return source_.has_pki(name); }
  [[nodiscard]] const HeldKeys* held() const { return source_.held_keys(); }
  [[nodiscard]] Parsed<SharedSecret> read(const std::string& name, bool is_private);
  enum class Use : std::uint8_t { anchor, crl };
  [[nodiscard]] Parsed<std::string> add(const std::string& name, Use use);
  /// The store of everything added; mistakes are noted at the file.
  [[nodiscard]] std::shared_ptr<pki::CertificateStore> make_store(Errors& errors) const;

 private:
  Source& source_;
  std::map<std::string, SharedSecret> anchors_, crls_;
};

/// With the places of what is said. Nothing that could not be read takes part in the checks
/// between peers.
struct ChildDraft {
  std::optional<Place> mode;
  std::vector<Located<base::Prefix>> local_nets;
  std::vector<Located<base::Prefix>> remote_nets;
};

struct PeerDraft {
  PeerConfig peer;
  std::vector<ChildDraft> children = std::vector<ChildDraft>(1);  ///< those of the peer
  std::optional<Place> remote;
  std::optional<Place> local;
  bool ids_known = true;
  std::optional<RadiusConfig> radius;
};

[[nodiscard]] PeerDraft read_peer(PeerKind kind, const Entry& entry, Secrets& secrets,
                                  PkiFiles& files, Errors& errors);

/// How both sides prove who they are: as written, or as the other keys imply.
struct AuthPair {
  Auth own = Auth::psk;
  Auth peers = Auth::psk;
};
[[nodiscard]] AuthPair auth_of(PeerKind kind, const Node& table);
void read_exchange(Section& section, const Node& table, PeerConfig& peer);
/// Certificates, keys and passwords, after the identities.
void read_proof(Section& section, const Node& table, PeerDraft& draft, Secrets& secrets,
                PkiFiles& files);
/// Our private key, and the certificate beside it. Null when the section has none, or when it
/// cannot be read; the latter has been noted. `held`: its name where another process has it.
[[nodiscard]] std::shared_ptr<const pki::Credential> read_own_key(Section& section,
                                                                  const std::string& peer,
                                                                  const std::string& held,
                                                                  Secrets& secrets, PkiFiles& files,
                                                                  const std::string& basename = {});
[[nodiscard]] Parsed<std::string> parse_file_name(std::string_view text);
[[nodiscard]] Parsed<std::string> parse_user(std::string_view text);
/// As parse_identity() and parse_identity_pattern(), and distinguished names as text.
[[nodiscard]] Parsed<policy::Identity> parse_own_identity(std::string_view text,
                                                          const PkiFiles& files);
[[nodiscard]] Parsed<policy::IdentityPattern> parse_peer_identity(std::string_view text,
                                                                  const PkiFiles& files);
[[nodiscard]] Parsed<pki::PublicKey> parse_peer_key(std::string_view text, const PkiFiles& files);

/// [[site.NAME.local_rounds]] and remote_rounds (RFC 4739), after read_proof().
void read_rounds(Section& section, const Node& table, PeerConfig& peer, Secrets& secrets,
                 PkiFiles& files);
[[nodiscard]] bool has_local_rounds(const Node& table);
[[nodiscard]] bool has_remote_rounds(const Node& table);
[[nodiscard]] std::optional<Auth> first_auth(const Node& table, bool is_local);

void read_server(Section& section, const Node& table, PeerDraft& draft, Secrets& secrets,
                 PkiFiles& files);

/// [group.NAME], with the places of what the checks look at.
struct GroupDraft {
  GroupConfig group;
  std::vector<Located<base::Prefix>> networks, pools;
};
[[nodiscard]] GroupDraft read_group(const Entry& entry, Errors& errors);
/// Groups need a server, reach what it has, and have pools of their own, which become the server's.
void join_groups(std::vector<GroupDraft>& groups, std::vector<PeerDraft>& peers, Errors& errors);

/// What becomes of packets and their headers.
void read_treatment(Section& section, const Node& table, policy::SaTreatment& treatment);

/// Everything that one Child SA has for itself; what is not written stays. `peer` as far as it is
/// known by now.
void read_child(Section& section, const Node& table, const PeerConfig& peer, policy::Compat compat,
                ChildConfig& child, ChildDraft& draft);
/// [site.NAME.children.CHILD]: several Child SAs, each as the site says but for what it says
/// itself.
void read_children(Section& section, const Node& table, policy::Compat compat, PeerDraft& draft,
                   Errors& errors);

/// The keys of such a table.
[[nodiscard]] std::vector<KeySpec> child_schema();

[[nodiscard]] policy::Offers read_offers(Section& section, std::string_view key,
                                         wire::ProtocolId protocol, policy::Compat compat,
                                         policy::Offers otherwise);

struct DaemonDraft {
  DaemonConfig daemon;
  std::vector<Located<base::IpAddress>> listen;
  std::optional<Place> mtu;
};

void read_daemon(const Node& table, DaemonDraft& draft, Errors& errors);
void read_debug(const Node& table, DaemonDraft& draft, Errors& errors);

/// Everything that needs more than one value to be seen. `peers` in the order of the files.
void check_relations(std::span<const PeerDraft> peers, const DaemonDraft& daemon, Errors& errors);

}  // namespace caponier::config
