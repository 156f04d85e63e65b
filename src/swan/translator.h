#pragma once
// One translation, connection by connection. Not for use outside of this room.

#include <set>

#include "swan/translate.h"

namespace caponier::swan {

class Translator {
 public:
  Translator(const Everything& all, const Credentials& credentials, const DaemonSettings& daemon,
             Report& report)
      : all_(all), credentials_(credentials), daemon_(daemon), report_(report) {}

  [[nodiscard]] Document run();

 private:
  /// What is being written: one table, or several of one connection.
  struct Table {
    const Connection& connection;
    Document document;
    std::string name;  ///< of the table
    Origin at;         ///< of the connection
    std::string secret = name;
    bool is_round = false;  ///< `document` is of one round of authentication
  };
  enum class Kind : std::uint8_t { site, host, client, server };

  void translate_connection(const Connection& connection);
  void check_connection(const Connection& connection, const Origin& at);
  void check_child(const Connection& connection, const Child& child, const Origin& at);
  /// A connection for each peer that has a pre-shared key of its own: one tunnel has one here.
  [[nodiscard]] std::vector<Connection> for_each_key(const Connection& connection);
  void write_tunnel(const Connection& connection, const std::vector<const Child*>& children);
  /// What a child has for itself.
  void write_child(Table& table, const Child& child);
  void write_client(const Connection& connection, const Child& child);
  void write_servers();
  void write_server(const std::vector<const Connection*>& connections);
  void write_shunt(const Connection& connection, const Child& child);
  /// Takes the table over unless errors have come since.
  void finish(Table& table, std::size_t errors_before);

  // Keys of a table.
  void add_ends(Table& table);
  void add_identities(Table& table, bool is_anybody);
  void add_exchange(Table& table);
  void add_ike_lifetimes(Table& table);
  void add_child_lifetimes(Table& table, const Child& child, const Origin& at);
  void add_offers(Table& table, const std::vector<const Child*>& children);
  void add_child_offers(Table& table, const Child& child, const Origin& at);
  void add_start(Table& table, const Child& child, const Origin& at);
  void add_treatment(Table& table, const Child& child, const Origin& at);
  /// The script that is told of it, and how long it may be idle.
  void add_company(Table& table, const Child& child, const Origin& at);
  void add_nets(Table& table, const Child& child, const Origin& at);
  /// What follows when the peer deletes it, or is lost.
  void add_after(Table& table, const Child& child, const Origin& at);

  // Who proves himself by what.
  void add_proof(Table& table, Kind kind);
  /// Several rounds (RFC 4739): a table for each, which stands behind the section's own keys.
  void add_rounds(Table& table, std::string_view section);
  void add_round(Table& table, std::string_view title, const Round& round, std::size_t index);
  [[nodiscard]] Who or_address(const Who& who, const std::vector<Host>& hosts) const;
  [[nodiscard]] SecretChoice psk_of(const Connection& connection, const Round& own,
                                    const Round& peers) const;
  void add_psk(Table& table, const Round& own, const Round& peers);
  void add_own_key(Table& table, const Round& round);
  void add_trust(Table& table, const Round& round);
  void add_revocation(Table& table, const Round& round);
  void add_user(Table& table, const Round& round);
  void add_key_file(Table& table, const Round& round, const std::string& certificate);
  void check_constraints(Table& table, const Round& round);

  // Users.
  void add_pools(Table& table, const Connection& connection);
  /// How the users of one server may prove who they are.
  struct UserMethods {
    std::vector<std::string> eap;
    bool certificates = false;
    bool passwords = false;
    bool radius = false;
    bool has_trust = false;  ///< the authorities have been named
  };
  void add_method(Table& table, const Connection& connection, const Round& peers,
                  UserMethods& methods);
  void add_methods(Table& table, const std::vector<const Connection*>& connections);
  void add_groups(Table& table, const std::vector<const Connection*>& connections);
  void add_passwords(Table& table);

  [[nodiscard]] std::string free_name(std::string_view wanted);
  [[nodiscard]] std::optional<std::string> identity_text(const Who& who, const Origin& at,
                                                         std::string_view key);
  [[nodiscard]] std::optional<base::IpAddress> fixed(const std::vector<Host>& hosts) const;
  /// As networks, parts of them, and "dynamic"; null and told when that is not to be had.
  [[nodiscard]] std::optional<std::vector<std::string>> reach_of(
      const std::vector<Selector>& selectors, const std::optional<base::IpAddress>& dynamic,
      std::string_view key, const Origin& at);
  /// As networks; null and told when there are protocols or ports in them.
  [[nodiscard]] std::optional<std::vector<std::string>> nets_of(
      const std::vector<Selector>& selectors, const std::optional<base::IpAddress>& dynamic,
      std::string_view key, const Origin& at);
  void refuse(const Origin& at, std::string_view key, const Fault& fault);
  /// What is missing may be loaded later.
  void lack(const Origin& at, std::string_view key, const Fault& fault);
  void warn(const Origin& at, std::string_view key, std::string message, std::string fix = {});
  void note(const Origin& at, std::string_view key, std::string message);

  const Everything& all_;
  const Credentials& credentials_;
  const DaemonSettings& daemon_;
  Report& report_;
  Document document_;
  Document policies_;
  std::set<std::string> names_;
  std::vector<const Connection*> servers_;
};

[[nodiscard]] bool is_eap(const Round& round);
[[nodiscard]] Origin origin_of(const Connection& connection);
[[nodiscard]] Origin origin_of(const Connection& connection, const Child& child);
[[nodiscard]] Origin origin_of(const Connection& connection, const Round& round);

}  // namespace caponier::swan
