#pragma once
// An initiator of another make, message by message: it says what its product says, in its order,
// and does what it does. Knows IKE only as far as it must; no packet is ever lost on its way.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ike/keys.h"
#include "ike/protection.h"
#include "ipsec/engine.h"
#include "sim/world.h"

namespace caponier::sim {

using Payloads = std::vector<wire::Payload>;

/// What a product sends when nobody has configured anything else.
struct Habits {
  std::string name;
  std::vector<std::string> ike;  ///< a proposal each, as strongSwan spells them
  std::vector<std::string> esp;
  std::vector<wire::NotifyType> init_notifies;  ///< in their order; NAT detection is filled in
  std::vector<std::string> vendor_ids;          ///< hexadecimal
  wire::IdPayload id;
  std::optional<wire::IdPayload> wants;  ///< IDr
  std::vector<wire::NotifyType> auth_notifies;
  std::vector<wire::ConfigAttributeType> asks;
  bool asks_for_ipv6 = false;       ///< in its traffic selectors
  std::size_t fragment_size = 576;  ///< of its protected messages
  bool is_behind_nat = true;
};

class Visitor {
 public:
  /// At 192.0.3.N; lives as long as the World.
  static std::shared_ptr<Visitor> make(World& world, Node& server, Habits habits);

  /// IKE_SA_INIT, again with the group that the server wants; false: refused.
  bool knock();
  /// IKE_AUTH with EAP-MSCHAPv2 and what the product asks for; false: refused.
  bool come_in(const std::string& user, const std::string& password);
  /// A protected exchange: the inner payloads of the answer, none when there was no answer.
  Payloads ask(wire::ExchangeType exchange, const Payloads& payloads);
  /// CREATE_CHILD_SA for the Child SA with these of its selectors; `esp`: proposals.
  Payloads rekey_child(const std::vector<std::string>& esp, crypto::KeGroup group,
                       const std::string& remote = "0.0.0.0/0");
  Payloads rekey_ike(const std::vector<std::string>& ike);
  /// How it puts off what the server wants of it.
  wire::NotifyType puts_off = wire::NotifyType::temporary_failure;
  [[nodiscard]] static std::optional<wire::NotifyType> refusal(const Payloads& payloads);

  /// The inner address we were given.
  [[nodiscard]] const std::optional<base::IpAddress>& given() const { return given_; }
  [[nodiscard]] const Payloads& last_answer() const { return answer_; }
  /// What the server has asked of us on its own.
  [[nodiscard]] const std::vector<std::pair<wire::ExchangeType, Payloads>>& asked() const {
    return asked_;
  }
  [[nodiscard]] const policy::IkeSuite& suite() const { return suite_; }
  /// An IP packet into the tunnel, through the first Child SA.
  void send_inside(base::Bytes packet);
  /// What has come out of it.
  [[nodiscard]] const std::vector<base::ByteVec>& received() const { return received_; }
  /// Ours and theirs, of the first Child SA.
  [[nodiscard]] policy::TrafficSelectors selectors(bool ours) const;

 private:
  Visitor(World& world, Node& server, Habits habits);
  bool send_init(crypto::KeGroup group);
  bool take_init(crypto::KeyExchange& ke);
  [[nodiscard]] Payloads first_auth() const;
  void hear(const Datagram& datagram);
  void hear_esp(base::Bytes esp);
  void install_child();
  void answer_request(const wire::IkeHeader& header, const Datagram& datagram);
  void send(base::ByteVec message);
  [[nodiscard]] wire::IkeHeader header(wire::ExchangeType exchange, std::uint32_t id) const;
  [[nodiscard]] base::Path path() const;

  World& world_;
  Node& server_;
  Habits habits_;
  HostId host_ = 0;
  base::IpAddress address_;
  bool is_at_4500_ = false;
  base::IkeSpi spi_i_, spi_r_;
  base::ByteVec nonce_i_, nonce_r_, init_request_;
  policy::IkeSuite suite_;
  std::unique_ptr<crypto::Prf> prf_;
  ike::IkeKeys keys_;
  std::optional<ike::MessageProtection> protection_;
  std::uint32_t next_id_ = 1;
  std::optional<base::ByteVec> response_;  ///< the last, as it came
  Payloads answer_;
  base::Spi spi_in_{0x1000};
  std::optional<base::IpAddress> given_;
  std::vector<std::pair<wire::ExchangeType, Payloads>> asked_;
  ipsec::Engine engine_;
  policy::TrafficSelectors local_, remote_;
  std::vector<base::ByteVec> received_;
};

/// Out of the box.
[[nodiscard]] Habits windows_11();
/// After the script that `caponier export --as windows` writes.
[[nodiscard]] Habits windows_with_script();
[[nodiscard]] Habits apple();
[[nodiscard]] Habits android_native();
[[nodiscard]] Habits strongswan_app();

}  // namespace caponier::sim
