#pragma once
// What the EAP tests share: a client and a server in one process, and a server's users.

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "crypto/openssl/legacy.h"
#include "eap/client.h"
#include "eap/server.h"

namespace caponier::eap::test {

inline constexpr base::Instant no_time{};

/// Users in memory; the password is "clear:..." as text or an NT hash.
class UserList final : public Passwords {
 public:
  void add(const std::string& user, std::string_view password) {
    cleartexts_[user] = std::string{password};
  }
  void add_hash(const std::string& user, Bytes hash) { hashes_[user] = base::to_vec(hash); }
  [[nodiscard]] std::optional<Password> find(std::string_view user) const override;

 private:
  std::map<std::string, std::string, std::less<>> cleartexts_;
  std::map<std::string, ByteVec, std::less<>> hashes_;
};

[[nodiscard]] Password cleartext(std::string_view password);

/// Both sides of one conversation, with "alice" whose password is "correct horse".
struct Pair {
  ServerSettings server_settings;
  ClientSettings client_settings;
  UserList users;
  Password password = cleartext("correct horse");
  crypto::OpensslLegacy legacy;
  base::SeededRng rng{1};
  const TlsContext* server_tls = nullptr;
  const TlsContext* client_tls = nullptr;

  explicit Pair(std::vector<Type> methods);
  [[nodiscard]] std::unique_ptr<EapServer> make_server();
  [[nodiscard]] std::unique_ptr<EapClient> make_client();
};

/// How a conversation ended for both, and what was said.
struct Talk {
  std::optional<Success> server_success;
  std::optional<Success> client_success;
  std::optional<Failure> server_failure;
  std::optional<Failure> client_failure;
  std::vector<ByteVec> to_client;
  std::vector<ByteVec> to_server;
  [[nodiscard]] bool both_succeeded() const {
    return server_success.has_value() && client_success.has_value();
  }
};
/// Until both sides are done, or nobody has anything to say. `alter` may change any packet on its
/// way.
using Alter = std::function<void(std::size_t round, bool to_client, ByteVec& packet)>;
[[nodiscard]] Talk talk(Authenticator& server, EapClient& client, const Alter& alter = {});
[[nodiscard]] Talk talk(Pair& pair, const Alter& alter = {});

/// A packet from its parts.
[[nodiscard]] ByteVec packet(Code code, std::uint8_t identifier, Type type = Type::none,
                             Bytes data = {});
/// The packet of a Send, or of whatever else has one.
[[nodiscard]] ByteVec packet_of(const Step& step);
[[nodiscard]] std::uint8_t identifier_of(Bytes packet);
[[nodiscard]] Type type_of(Bytes packet);
/// Fails the test when the step is none.
[[nodiscard]] FailureReason reason_of(const Step& step);

}  // namespace caponier::eap::test
