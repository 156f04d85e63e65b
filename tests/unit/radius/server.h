#pragma once
// A RADIUS server in memory for the tests: it answers what a RadiusClient transmits.

#include <functional>
#include <optional>
#include <vector>

#include "crypto/openssl/legacy.h"
#include "eap/conversation.h"
#include "radius/client.h"

namespace caponier::radius::test {

inline constexpr std::string_view shared_secret = "a shared secret";
inline constexpr base::Instant start_time{std::chrono::seconds{1000}};

[[nodiscard]] base::Endpoint endpoint(std::string_view address, std::uint16_t port);
/// 192.0.2.<number>, ports 1812 and 1813.
[[nodiscard]] Server make_server(unsigned number);
[[nodiscard]] Request access_request(std::string_view user);

/// A client with so many servers, and what it wants done, sorted.
struct Nas {
  crypto::OpensslLegacy legacy;
  base::SeededRng rng{7};
  RadiusClient client;
  base::Instant now = start_time;

  std::vector<Transmit> sent;
  std::vector<Answer> answers;
  std::vector<NoAnswer> silent;
  std::vector<ServerChanged> changes;

  explicit Nas(unsigned servers = 1, ClientSettings settings = {});
  /// Sorts all actions that wait.
  void collect();
  /// Lets the next deadline come; false when there is none.
  bool pass_deadline();
  RequestId submit(Request request);
  /// An answer to the datagram sent last, altered before it is sealed.
  [[nodiscard]] ByteVec answer_to(const Transmit& request, Code code,
                                  const std::function<void(PacketBuilder&)>& fill = {});
  void deliver(const Transmit& answered, Bytes datagram);
};

/// Runs an EAP authenticator behind the wire: Access-Requests in, answers out.
class EapBackEnd {
 public:
  EapBackEnd(std::unique_ptr<eap::Authenticator> server, Nas& nas)
      : server_(std::move(server)), nas_(nas) {}
  /// `user_name`: told in the Access-Accept; empty: not at all.
  [[nodiscard]] ByteVec answer(const Transmit& request, std::string_view user_name);
  [[nodiscard]] const std::optional<eap::Success>& success() const { return success_; }
  /// The State that the request had to have; counts those that did not.
  [[nodiscard]] std::size_t wrong_states() const { return wrong_states_; }

 private:
  std::unique_ptr<eap::Authenticator> server_;
  Nas& nas_;
  std::optional<eap::Success> success_;
  std::string state_;
  std::size_t rounds_ = 0;
  std::size_t wrong_states_ = 0;
};

}  // namespace caponier::radius::test
