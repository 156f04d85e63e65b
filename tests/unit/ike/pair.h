#pragma once
// Two endpoints, the wire between them, and a keyholder each: all in memory, all by hand.

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/rng.h"
#include "crypto/null/provider.h"
#include "ike/auth_methods.h"
#include "ike/endpoint.h"
#include "ike/keys.h"
#include "ike/protection.h"

namespace caponier::ike::test {

using base::Bytes;
using base::ByteVec;
using namespace std::chrono_literals;

inline base::IpAddress ip(std::string_view text) { return *base::IpAddress::parse(text); }

inline policy::TrafficSelectors net(std::string_view prefix) {
  return {policy::TrafficSelector::from_prefix(*base::Prefix::parse(prefix))};
}

/// One end as the tests configure it: address, identity, network behind it.
struct End {
  std::string address;
  std::string identity;
  std::string network;
};
inline const End end_a{"192.0.2.1", "a.example", "10.1.0.0/16"};
inline const End end_b{"192.0.2.2", "b.example", "10.2.0.0/16"};

ConnectionConfig make_connection(const End& local, const End& remote);

/// What a side's actions were, by kind.
struct Record {
  std::vector<policy::InstallSa> installs;
  std::vector<policy::ChildSaId> removals;
  std::vector<policy::MoveSa> moves;
  std::vector<policy::SkipSa> skips;
  std::vector<policy::SwitchSa> switches;
  std::vector<base::Path> closed_streams;
  std::vector<IkeAnswered> answered;
  std::vector<AuthRequest> auth_requests;
  std::vector<EapRequest> eap_requests;
  std::size_t eap_ended = 0;
  std::vector<LeaseRequest> lease_requests;
  std::vector<IkeSaId> leases_ended;
  std::vector<Configured> configured;
  std::vector<IkeUp> ike_ups;
  std::vector<IkeDown> ike_downs;
  std::vector<Redirected> redirects;
  std::vector<ChildUp> child_ups;
  std::vector<ChildDown> child_downs;
  std::vector<KeysExported> keys;
  std::vector<PathProbed> probes;
  std::vector<base::Event> events;
  std::vector<Transmit> transmits;

  [[nodiscard]] std::size_t count(base::EventKind kind) const;
  /// The text of the last event of this kind; empty without one.
  [[nodiscard]] std::string text(base::EventKind kind) const;
};

class Side {
 public:
  Side(std::uint64_t seed, EndpointConfig config, base::Instant now);
  void set(ConnectionConfig connection);
  void set(std::vector<ConnectionConfig> connections);
  /// Child SAs installed and not removed.
  [[nodiscard]] std::vector<const policy::InstallSa*> live() const;
  [[nodiscard]] std::optional<IkeState> state() const;  ///< of the first IKE SA
  [[nodiscard]] std::size_t ike_count(IkeState state) const;

  base::SeededRng rng;
  crypto::NullProvider crypto{nullptr};
  IkeEndpoint endpoint;
  std::map<std::string, std::string> secrets;  ///< per connection
  bool keyholder_answers = true;
  /// Instead of the secrets.
  std::function<AuthReply(const AuthRequest&)> keyholder;
  std::function<EapReply(const EapRequest&)> eap;
  std::function<LeaseReply(const LeaseRequest&)> leases;
  Record record;
};

struct Datagram {
  bool to_b = false;
  base::Path path;  ///< as the receiver sees it
  ByteVec message;  ///< without marker
  [[nodiscard]] wire::IkeHeader header() const;
};

class Pair {
 public:
  /// Both sides configured for each other; see make_connection.
  Pair();
  explicit Pair(EndpointConfig config, std::uint64_t seed = 1);

  /// Address translation between A and the wire: B sees A at this address, ports shifted. `inside`:
  /// what A calls itself.
  void put_a_behind_nat(std::string_view address, std::uint16_t port_shift,
                        std::string_view inside = end_a.address);

  void initiate_a();
  void initiate_b();
  void command_a(const Command& command);
  void command_b(const Command& command);
  /// Delivers until nothing is on the wire.
  void run();
  /// Lets time pass in deadline order, delivering all the while.
  void advance(base::Duration duration);
  /// Hands a datagram to A or B as if the other had sent it.
  void inject(bool to_b, Bytes message);
  void deliver(const Datagram& datagram);
  void collect();

  [[nodiscard]] base::Path path_of(bool a, std::uint16_t port) const;
  [[nodiscard]] bool is_up() const;  ///< one tunnel each, keys and SPIs crossed

  base::Instant now{1h};
  Side a;
  Side b;
  /// Called for every datagram; false loses it. May rewrite the message.
  std::function<bool(Datagram&)> filter;
  std::deque<Datagram> wire;
  std::vector<Datagram> sent;  ///< everything that went on the wire, before the filter

 private:
  void collect_from(Side& side, bool from_a);
  void put(const Transmit& transmit, bool from_a);

  std::optional<base::IpAddress> nat_address_;
  std::uint16_t nat_shift_ = 0;
  base::IpAddress nat_inside_;
};

/// One payload with its generic header, as it lies in a chain.
[[nodiscard]] ByteVec raw_payload(wire::PayloadType next, Bytes body);

/// The keys of an IKE SA in the test's hands: opens and makes its messages.
class Forger {
 public:
  explicit Forger(const KeysExported& keys);
  /// The inner payloads of a genuine message of either side.
  [[nodiscard]] std::vector<wire::Payload> open(Bytes message);
  /// Of all its fragments in their order.
  [[nodiscard]] std::vector<wire::Payload> open(const std::vector<ByteVec>& fragments);
  /// Protected as the header's Initiator flag says.
  [[nodiscard]] ByteVec seal(const wire::IkeHeader& header,
                             const std::vector<wire::Payload>& payloads);
  /// A fresh request of the original initiator.
  [[nodiscard]] ByteVec request(wire::ExchangeType exchange, std::uint32_t id,
                                const std::vector<wire::Payload>& payloads);
  /// The same around any bytes, well-formed or not.
  [[nodiscard]] ByteVec raw_request(wire::ExchangeType exchange, std::uint32_t id,
                                    wire::PayloadType first, Bytes chain);
  /// In an SK payload, or in the SKF payload with these numbers.
  [[nodiscard]] ByteVec seal_raw(wire::IkeHeader header, wire::PayloadType first, Bytes chain,
                                 std::optional<FragmentNumbers> numbers = std::nullopt);
  /// A message cut into `total` fragments (RFC 7383).
  [[nodiscard]] std::vector<ByteVec> fragments(const wire::IkeHeader& header,
                                               const std::vector<wire::Payload>& payloads,
                                               std::uint16_t total);
  [[nodiscard]] wire::IkeHeader header(wire::ExchangeType exchange, std::uint32_t id) const;

 private:
  static IkeKeys copy(const KeysExported& keys);
  crypto::NullProvider crypto_{nullptr};
  base::SeededRng rng_{99};
  base::IkeSpi spi_i_, spi_r_;
  std::optional<MessageProtection> initiator_;
  std::optional<MessageProtection> responder_;
  std::unique_ptr<crypto::PacketCipher> raw_i_, raw_r_;
};

[[nodiscard]] EndpointConfig test_config();
[[nodiscard]] policy::Offer ike_offer(std::string_view text);
[[nodiscard]] policy::Offer esp_offer(std::string_view text);

}  // namespace caponier::ike::test
