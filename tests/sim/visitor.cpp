#include "sim/visitor.h"

#include <algorithm>

#include "base/error.h"
#include "eap/client.h"
#include "ike/messages.h"
#include "ike/nat_detection.h"

namespace caponier::sim {

namespace {

using wire::ExchangeType;
using wire::NotifyType;

constexpr base::Duration patience = 5s;

policy::Offers offers_of(const std::vector<std::string>& texts, wire::ProtocolId protocol) {
  policy::Offers offers;
  for (const std::string& text : texts) {
    offers.push_back(policy::parse_offer(text, protocol, policy::Compat::legacy).value());
    // No product but ours speaks of both sizes of sequence numbers unasked.
    if (protocol == wire::ProtocolId::esp) offers.back().esn = {false};
  }
  return offers;
}

wire::SaPayload proposals(const std::vector<std::string>& texts, wire::ProtocolId protocol,
                          base::Bytes spi, bool with_ke) {
  return policy::to_wire(offers_of(texts, protocol), spi, with_ke);
}

crypto::KeGroup first_group(const std::vector<std::string>& texts) {
  return policy::parse_offer(texts.front(), wire::ProtocolId::ike, policy::Compat::legacy)
      .value()
      .ke.front();
}

}  // namespace

Visitor::Visitor(World& world, Node& server, Habits habits)
    : world_(world),
      server_(server),
      habits_(std::move(habits)),
      engine_({}, world.rng(), world.crypto()) {}

std::shared_ptr<Visitor> Visitor::make(World& world, Node& server, Habits habits) {
  std::shared_ptr<Visitor> visitor{new Visitor{world, server, std::move(habits)}};
  visitor->address_ = base::IpAddress::v4(0xc0000300U + world.rng().public_u32() % 250 + 1);
  visitor->host_ = world.add_stranger(
      visitor->address_, [visitor](const Datagram& datagram) { visitor->hear(datagram); });
  return visitor;
}

base::Path Visitor::path() const {
  const std::uint16_t port = is_at_4500_ ? 4500 : 500;
  return {{address_, port}, {server_.address(), port}, base::Transport::udp};
}

wire::IkeHeader Visitor::header(ExchangeType exchange, std::uint32_t id) const {
  wire::IkeHeader header;
  header.spi_i = spi_i_;
  header.spi_r = spi_r_;
  header.exchange = exchange;
  header.flags = wire::IkeHeader::flag_initiator;
  header.message_id.value = id;
  return header;
}

void Visitor::send(base::ByteVec message) {
  base::ByteVec payload;
  if (is_at_4500_) payload.resize(4);
  base::append(payload, message);
  world_.transmit(host_, {Carrier::udp, path().local, path().remote, std::move(payload)});
}

void Visitor::hear(const Datagram& datagram) {
  const bool is_esp = is_at_4500_ && datagram.payload.size() > 4 &&
                      base::load_be<std::uint32_t>(datagram.payload.data()) != 0;
  if (is_esp) return hear_esp(datagram.payload);
  const base::Bytes message = base::Bytes{datagram.payload}.subspan(is_at_4500_ ? 4 : 0);
  base::Reader in{message};
  const auto header = wire::IkeHeader::decode(in);
  if (!header) return;
  if (header->is_response()) {
    response_ = base::to_vec(message);
  } else {
    answer_request(*header, datagram);
  }
}

/// What only asks whether we live is answered; everything else we put off.
void Visitor::answer_request(const wire::IkeHeader& header, const Datagram& datagram) {
  auto payloads = protection_->open(base::Bytes{datagram.payload}.subspan(is_at_4500_ ? 4 : 0));
  if (!payloads) return;
  asked_.emplace_back(header.exchange, *payloads);
  wire::IkeHeader answer = header;
  answer.flags = wire::IkeHeader::flag_response | wire::IkeHeader::flag_initiator;
  Payloads inside;
  if (header.exchange == ExchangeType::create_child_sa) {
    inside.emplace_back(ike::make_notify(puts_off));
  }
  send(protection_->seal(answer, inside).value());
}

std::optional<NotifyType> Visitor::refusal(const Payloads& payloads) {
  for (const wire::Payload& payload : payloads) {
    const auto* const notify = std::get_if<wire::NotifyPayload>(&payload);
    if (notify != nullptr && static_cast<std::uint16_t>(notify->type) < 16384) return notify->type;
  }
  return std::nullopt;
}

// ---- IKE_SA_INIT

bool Visitor::knock() {
  if (send_init(first_group(habits_.ike))) return true;
  const auto* const other = wire::find_notify(answer_, NotifyType::invalid_ke_payload);
  if (other == nullptr) return false;
  return send_init(crypto::KeGroup{base::load_be<std::uint16_t>(other->data.data())});
}

bool Visitor::send_init(crypto::KeGroup group) {
  auto ke = world_.crypto().make_key_exchange(group, world_.rng()).value();
  spi_i_ = base::IkeSpi{world_.rng().public_u64() | 1U};
  spi_r_ = {};
  nonce_i_.resize(32);
  world_.rng().fill_public(nonce_i_);
  wire::IkeMessage message;
  message.header = header(ExchangeType::ike_sa_init, 0);
  message.payloads.emplace_back(proposals(habits_.ike, wire::ProtocolId::ike, {}, true));
  message.payloads.emplace_back(
      wire::KePayload{static_cast<std::uint16_t>(group), base::to_vec(ke->public_value())});
  message.payloads.emplace_back(wire::NoncePayload{nonce_i_});
  Payloads nat;
  ike::append_nat_notifies(nat, world_.crypto(), spi_i_, {}, path(), habits_.is_behind_nat);
  for (const NotifyType type : habits_.init_notifies) {
    const auto* const hashes = wire::find_notify(nat, type);
    wire::NotifyPayload notify = hashes != nullptr ? *hashes : ike::make_notify(type);
    if (type == NotifyType::signature_hash_algorithms) {
      notify.data = base::from_hex("0002000300040005").value();
    }
    message.payloads.emplace_back(std::move(notify));
  }
  for (const std::string& id : habits_.vendor_ids) {
    message.payloads.emplace_back(wire::VendorIdPayload{base::from_hex(id).value()});
  }
  init_request_ = message.encode().value();
  response_.reset();
  send(init_request_);
  if (!world_.run_until([&] { return response_.has_value(); }, patience)) return false;
  return take_init(*ke);
}

bool Visitor::take_init(crypto::KeyExchange& ke) {
  const auto message = wire::IkeMessage::decode(*response_).value();
  answer_ = message.payloads;
  const auto* const sa = wire::find<wire::SaPayload>(answer_);
  if (sa == nullptr) return false;
  suite_ = policy::accept_ike(*sa, offers_of(habits_.ike, wire::ProtocolId::ike)).value().suite;
  spi_r_ = message.header.spi_r;
  nonce_r_ = wire::find<wire::NoncePayload>(answer_)->data;
  const auto secret = ke.derive(wire::find<wire::KePayload>(answer_)->data).value();
  prf_ = world_.crypto().make_prf(suite_.prf).value();
  keys_ = ike::derive_ike_keys(*prf_, suite_, secret.reveal(), nonce_i_, nonce_r_, spi_i_, spi_r_)
              .value();
  protection_ =
      ike::MessageProtection::make(world_.crypto(), suite_, keys_, true, world_.rng()).value();
  next_id_ = 1;
  is_at_4500_ = habits_.is_behind_nat;
  return true;
}

// ---- IKE_AUTH

Payloads Visitor::first_auth() const {
  Payloads payloads{habits_.id};
  if (habits_.wants) payloads.emplace_back(*habits_.wants);
  for (const NotifyType type : habits_.auth_notifies) {
    payloads.emplace_back(ike::make_notify(type));
  }
  wire::ConfigPayload config;
  config.cfg_type = 1;
  for (const auto type : habits_.asks) {
    config.attributes.push_back({static_cast<std::uint16_t>(type), {}});
  }
  payloads.emplace_back(std::move(config));
  payloads.emplace_back(
      proposals(habits_.esp, wire::ProtocolId::esp, ike::to_bytes(spi_in_), false));
  policy::TrafficSelectors everything{policy::TrafficSelector::any(base::Family::v4)};
  if (habits_.asks_for_ipv6) {
    everything.push_back(policy::TrafficSelector::any(base::Family::v6));
  }
  payloads.emplace_back(policy::to_wire(everything, true));
  payloads.emplace_back(policy::to_wire(everything, false));
  return payloads;
}

bool Visitor::come_in(const std::string& user, const std::string& password) {
  const eap::Password known = eap::Cleartext{base::SecretBytes{base::as_bytes(password)}};
  eap::ClientSettings settings;
  settings.methods = {eap::Type::mschapv2};
  settings.identity = user;
  eap::EapClient client{
      std::move(settings),
      eap::ClientPorts{.crypto = world_.legacy(), .rng = world_.rng(), .password = &known}};
  (void)ask(ExchangeType::ike_auth, first_auth());
  for (;;) {
    const auto* const packet = wire::find<wire::EapPayload>(answer_);
    if (packet == nullptr) return false;
    eap::Step step = client.handle(packet->data, world_.now());
    if (auto* const send = std::get_if<eap::Send>(&step)) {
      (void)ask(ExchangeType::ike_auth, {wire::EapPayload{std::move(send->packet)}});
      continue;
    }
    const auto* const success = std::get_if<eap::Success>(&step);
    if (success == nullptr) return false;
    const auto octets = ike::signed_octets(*prf_, init_request_, nonce_r_, keys_.sk_pi, habits_.id);
    const auto auth = ike::shared_key_auth(*prf_, success->outcome.msk.reveal(), octets);
    (void)ask(ExchangeType::ike_auth,
              {wire::AuthPayload{wire::AuthMethod::shared_key_mic, base::to_vec(auth.reveal())}});
    break;
  }
  const auto* const config = wire::find<wire::ConfigPayload>(answer_);
  if (config == nullptr) return false;
  for (const wire::ConfigAttribute& attribute : config->attributes) {
    if (attribute.type == 1) given_ = base::IpAddress::from_bytes(attribute.value);
  }
  if (refusal(answer_)) return false;
  install_child();
  return true;
}

// ---- The tunnel

void Visitor::install_child() {
  const auto* const sa = wire::find<wire::SaPayload>(answer_);
  const auto choice =
      policy::accept_child(*sa, offers_of(habits_.esp, wire::ProtocolId::esp), true).value();
  auto keys =
      ike::derive_child_keys(*prf_, choice.suite, keys_.sk_d, {}, nonce_i_, nonce_r_).value();
  local_ = policy::from_wire(*wire::find_ts(answer_, true));
  remote_ = policy::from_wire(*wire::find_ts(answer_, false));
  policy::InstallSa install;
  install.id = {1};
  install.connection = install.child = habits_.name;
  install.suite = choice.suite;
  install.spi_in = spi_in_;
  install.spi_out = ike::child_spi(choice.peer_spi).value();
  install.keys_in = std::move(keys.responder_to_initiator);
  install.keys_out = std::move(keys.initiator_to_responder);
  install.path = path();
  install.udp_encap = is_at_4500_;
  install.local = local_;
  install.remote = remote_;
  const bool is_installed = engine_.install(std::move(install), world_.now()).has_value();
  CAPONIER_ASSERT(is_installed);
  engine_.set_policies(
      {{ipsec::PolicyAction::protect, habits_.name, habits_.name, local_, remote_}});
}

void Visitor::send_inside(base::Bytes packet) {
  ipsec::PacketBuffer buffer;
  buffer.assign(packet);
  ipsec::ProtectItem item;
  item.packet = &buffer;
  engine_.protect({&item, 1}, world_.now());
  if (item.verdict != ipsec::Verdict::forward) return;
  world_.transmit(host_, {Carrier::udp, path().local, path().remote,
                          base::to_vec(std::as_const(buffer).bytes())});
}

void Visitor::hear_esp(base::Bytes esp) {
  ipsec::PacketBuffer buffer;
  buffer.assign(esp);
  ipsec::OpenItem item;
  item.packet = &buffer;
  item.path = path();
  engine_.open({&item, 1}, world_.now());
  if (item.verdict == ipsec::Verdict::forward) {
    received_.push_back(base::to_vec(std::as_const(buffer).bytes()));
  }
}

policy::TrafficSelectors Visitor::selectors(bool ours) const { return ours ? local_ : remote_; }

Payloads Visitor::ask(ExchangeType exchange, const Payloads& payloads) {
  const auto inner =
      ike::MessageProtection::enclose(header(exchange, next_id_++), payloads).value();
  response_.reset();
  answer_.clear();
  auto pieces = protection_->seal(inner, habits_.fragment_size).value();
  for (base::ByteVec& piece : pieces) send(std::move(piece));
  if (!world_.run_until([&] { return response_.has_value(); }, patience)) return {};
  auto opened = protection_->open(*response_);
  if (opened) answer_ = std::move(*opened);
  return answer_;
}

// ---- Later

Payloads Visitor::rekey_child(const std::vector<std::string>& esp, crypto::KeGroup group,
                              const std::string& remote) {
  const bool has_ke = group != crypto::KeGroup::none;
  base::ByteVec nonce(32);
  world_.rng().fill_public(nonce);
  Payloads payloads{ike::make_child_notify(NotifyType::rekey_sa, policy::SaProtocol::esp, spi_in_)};
  ++spi_in_.value;
  payloads.emplace_back(proposals(esp, wire::ProtocolId::esp, ike::to_bytes(spi_in_), has_ke));
  payloads.emplace_back(wire::NoncePayload{nonce});
  if (has_ke) {
    const auto ke = world_.crypto().make_key_exchange(group, world_.rng()).value();
    payloads.emplace_back(
        wire::KePayload{static_cast<std::uint16_t>(group), base::to_vec(ke->public_value())});
  }
  const policy::TrafficSelectors all{
      policy::TrafficSelector::from_prefix(base::Prefix::parse("0.0.0.0/0").value())};
  const policy::TrafficSelectors there{
      policy::TrafficSelector::from_prefix(base::Prefix::parse(remote).value())};
  payloads.emplace_back(policy::to_wire(all, true));
  payloads.emplace_back(policy::to_wire(there, false));
  return ask(ExchangeType::create_child_sa, payloads);
}

Payloads Visitor::rekey_ike(const std::vector<std::string>& ike) {
  const crypto::KeGroup group = first_group(ike);
  const auto ke = world_.crypto().make_key_exchange(group, world_.rng()).value();
  base::ByteVec nonce(32);
  world_.rng().fill_public(nonce);
  const base::IkeSpi spi{world_.rng().public_u64() | 1U};
  return ask(
      ExchangeType::create_child_sa,
      {proposals(ike, wire::ProtocolId::ike, ike::to_bytes(spi), true), wire::NoncePayload{nonce},
       wire::KePayload{static_cast<std::uint16_t>(group), base::to_vec(ke->public_value())}});
}

// ---- Products

namespace {

using enum wire::ConfigAttributeType;

wire::IdPayload address_id() {
  return {true, wire::IdType::ipv4_addr, base::from_hex("0a141e28").value()};
}
wire::IdPayload name_id(bool is_initiator, std::string_view name) {
  return {is_initiator, wire::IdType::fqdn, base::to_vec(base::as_bytes(name))};
}

}  // namespace

Habits windows_11() {
  Habits habits;
  habits.name = "Windows";
  for (const char* cipher : {"3des", "aes128", "aes192", "aes256"}) {
    for (const char* hash : {"sha1", "sha256", "sha384"}) {
      habits.ike.push_back(std::string{cipher} + "-" + hash + "-modp1024");
    }
  }
  for (const char* cipher : {"aes128gcm16", "aes256gcm16"}) {
    for (const char* prf : {"prfsha1", "prfsha256", "prfsha384"}) {
      habits.ike.push_back(std::string{cipher} + "-" + prf + "-modp1024");
    }
  }
  habits.esp = {"aes256-sha1", "aes128-sha1", "3des-sha1"};
  habits.init_notifies = {NotifyType::ikev2_fragmentation_supported,
                          NotifyType::nat_detection_source_ip,
                          NotifyType::nat_detection_destination_ip};
  habits.vendor_ids = {"1e2b516905991c7d7c96fcbfb587e46100000009",
                       "fb1de3cdf341b7ea16b7e5be0855f120", "26244d38eddb61b3172a36e3d0cfb819",
                       "01528bbbc00696121849ab9a1c5b2a5100000002"};
  habits.id = address_id();
  habits.auth_notifies = {NotifyType::mobike_supported};
  habits.asks = {internal_ip4_address,   internal_ip4_dns,     internal_ip4_nbns,
                 ms_internal_ip4_server, internal_ip6_address, internal_ip6_dns,
                 ms_internal_ip6_server};
  habits.asks_for_ipv6 = true;
  return habits;
}

Habits windows_with_script() {
  Habits habits = windows_11();
  habits.ike = {"aes256gcm16-prfsha384-ecp384"};
  habits.esp = {"aes256gcm16"};
  return habits;
}

Habits apple() {
  Habits habits;
  habits.name = "Apple";
  habits.ike = {"aes256-sha256-modp2048", "aes256-sha256-ecp256", "aes256-sha256-modp1536",
                "aes128-sha1-modp1024", "3des-sha1-modp1024"};
  habits.esp = {"aes256-sha256", "aes256-sha256", "aes256-sha256", "aes128-sha1", "3des-sha1"};
  habits.init_notifies = {NotifyType::redirect_supported, NotifyType::nat_detection_source_ip,
                          NotifyType::nat_detection_destination_ip,
                          NotifyType::ikev2_fragmentation_supported};
  habits.id = name_id(true, "iphone");
  habits.wants = name_id(false, "vpn.example");
  habits.auth_notifies = {NotifyType::initial_contact, NotifyType::mobike_supported,
                          NotifyType::esp_tfc_padding_not_supported,
                          NotifyType::non_first_fragments_also};
  habits.asks = {internal_ip4_address, internal_ip4_netmask, internal_ip4_dhcp,
                 internal_ip4_dns,     internal_ip6_address, internal_ip6_dhcp,
                 internal_ip6_dns,     internal_dns_domain};
  habits.asks_for_ipv6 = true;
  habits.fragment_size = 1280;
  return habits;
}

Habits android_native() {
  Habits habits;
  habits.name = "Android";
  habits.ike = {"aes256-aes192-aes128-sha512-sha384-sha256-modp4096-modp2048-x25519",
                "chacha20poly1305-aes256gcm16-aes128gcm16-prfsha512-prfsha384-prfsha256-modp4096-"
                "modp2048-x25519"};
  habits.esp = {"aes256-aes192-aes128-sha512-sha384-sha256",
                "chacha20poly1305-aes256gcm16-aes128gcm16"};
  habits.init_notifies = {
      NotifyType::nat_detection_source_ip, NotifyType::nat_detection_destination_ip,
      NotifyType::ikev2_fragmentation_supported, NotifyType::signature_hash_algorithms};
  habits.id = name_id(true, "alice.phone");
  habits.wants = name_id(false, "vpn.example");
  habits.auth_notifies = {NotifyType::eap_only_authentication, NotifyType::mobike_supported};
  habits.asks = {internal_ip4_address, internal_ip6_address, internal_ip4_dns,
                 internal_ip6_dns,     internal_ip4_netmask, application_version};
  habits.asks_for_ipv6 = true;
  habits.fragment_size = 1280;
  return habits;
}

Habits strongswan_app() {
  Habits habits = android_native();
  habits.name = "strongSwan";
  habits.ike = {"aes128-aes192-aes256-sha256-sha384-sha512-x25519-ecp256-modp3072",
                "aes256gcm16-aes128gcm16-chacha20poly1305-prfsha256-prfsha384-x25519-ecp256"};
  habits.esp = {"aes256gcm16-aes128gcm16-chacha20poly1305", "aes256-aes128-sha256-sha384"};
  habits.init_notifies = {NotifyType::nat_detection_source_ip,
                          NotifyType::nat_detection_destination_ip,
                          NotifyType::ikev2_fragmentation_supported,
                          NotifyType::signature_hash_algorithms, NotifyType::redirect_supported};
  habits.auth_notifies = {NotifyType::mobike_supported, NotifyType::eap_only_authentication};
  return habits;
}

}  // namespace caponier::sim
