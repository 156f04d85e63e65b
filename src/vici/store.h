#pragma once
// Where what is loaded over VICI goes: connections, credentials, pools and authorities. The server
// reads the messages and answers; what they mean is for who keeps the store.

#include <expected>
#include <string>
#include <vector>

#include "base/time.h"
#include "vici/message.h"

namespace caponier::vici {

class Store {
 public:
  /// What stands in the answer besides success=yes; or why not, which becomes errmsg.
  using Answer = std::expected<Message, std::string>;

  virtual ~Store() = default;

  // Each takes the request as it came: for load-conn, load-authority and load-pool one section,
  // whose name is that of what is loaded.
  [[nodiscard]] virtual Answer load_conn(const Message& request, base::Instant now) = 0;
  [[nodiscard]] virtual Answer unload_conn(const Message& request, base::Instant now) = 0;
  [[nodiscard]] virtual Answer load_cert(const Message& request, base::Instant now) = 0;
  [[nodiscard]] virtual Answer load_key(const Message& request, base::Instant now) = 0;
  [[nodiscard]] virtual Answer unload_key(const Message& request, base::Instant now) = 0;
  [[nodiscard]] virtual Answer load_token(const Message& request, base::Instant now) = 0;
  [[nodiscard]] virtual Answer load_shared(const Message& request, base::Instant now) = 0;
  [[nodiscard]] virtual Answer unload_shared(const Message& request, base::Instant now) = 0;
  [[nodiscard]] virtual Answer load_authority(const Message& request, base::Instant now) = 0;
  [[nodiscard]] virtual Answer unload_authority(const Message& request, base::Instant now) = 0;
  [[nodiscard]] virtual Answer load_pool(const Message& request, base::Instant now) = 0;
  [[nodiscard]] virtual Answer unload_pool(const Message& request, base::Instant now) = 0;
  /// Certificates of the cache: `type` as in load-cert, or all.
  [[nodiscard]] virtual Answer flush_certs(const Message& request, base::Instant now) = 0;
  [[nodiscard]] virtual Answer clear_creds(base::Instant now) = 0;

  /// Names of what has been loaded, in the order in which it was.
  [[nodiscard]] virtual std::vector<std::string> conns() const = 0;
  [[nodiscard]] virtual std::vector<std::string> keys() const = 0;
  [[nodiscard]] virtual std::vector<std::string> shared() const = 0;
  [[nodiscard]] virtual std::vector<std::string> authorities() const = 0;
  /// list-authority events, in that order too: one section each, called like the authority, with
  /// cacert, crl_uris, ocsp_uris and cert_uri_base.
  [[nodiscard]] virtual std::vector<Message> authority_events() const = 0;
  /// list-cert events of what has been loaded: type, flag, has_privkey, data.
  [[nodiscard]] virtual std::vector<Message> cert_events() const = 0;
  /// list-conn of a connection that was loaded here, as one section called like it; empty: it is
  /// described as any other.
  [[nodiscard]] virtual Message conn_event(const std::string& name) const = 0;
  /// What get-pools says of the pools loaded here: a section each with base and size.
  [[nodiscard]] virtual Message pools() const = 0;
};

/// Refuses everything: nothing can be loaded here.
class NoStore final : public Store {
 public:
  explicit NoStore(std::string why) : why_(std::move(why)) {}
  Answer load_conn(const Message&, base::Instant) override { return refuse(); }
  Answer unload_conn(const Message&, base::Instant) override { return refuse(); }
  Answer load_cert(const Message&, base::Instant) override { return refuse(); }
  Answer load_key(const Message&, base::Instant) override { return refuse(); }
  Answer unload_key(const Message&, base::Instant) override { return refuse(); }
  Answer load_token(const Message&, base::Instant) override { return refuse(); }
  Answer load_shared(const Message&, base::Instant) override { return refuse(); }
  Answer unload_shared(const Message&, base::Instant) override { return refuse(); }
  Answer load_authority(const Message&, base::Instant) override { return refuse(); }
  Answer unload_authority(const Message&, base::Instant) override { return refuse(); }
  Answer load_pool(const Message&, base::Instant) override { return refuse(); }
  Answer unload_pool(const Message&, base::Instant) override { return refuse(); }
  Answer flush_certs(const Message&, base::Instant) override { return Message{}; }
  Answer clear_creds(base::Instant) override { return Message{}; }
  std::vector<std::string> conns() const override { return {}; }
  std::vector<std::string> keys() const override { return {}; }
  std::vector<std::string> shared() const override { return {}; }
  std::vector<std::string> authorities() const override { return {}; }
  std::vector<Message> authority_events() const override { return {}; }
  std::vector<Message> cert_events() const override { return {}; }
  Message conn_event(const std::string&) const override { return {}; }
  Message pools() const override { return {}; }

 private:
  [[nodiscard]] Answer refuse() const { return std::unexpected{why_}; }
  std::string why_;
};

}  // namespace caponier::vici
