#include "ike/resumption.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/error.h"
#include "ike/messages.h"
#include "policy/identity.h"

namespace caponier::ike {

using base::Bytes;
using base::ByteVec;
using base::Instant;

namespace {

constexpr std::uint8_t format_version = 1;
/// Format, key and zeros: authenticated, and as long as the cipher wants its header.
constexpr std::size_t header_size = 8;
constexpr std::size_t block_max = 16;

void put_bytes(base::Writer& out, Bytes bytes) {
  out.u16(static_cast<std::uint16_t>(bytes.size()));
  out.bytes(bytes);
}

base::Wire<ByteVec> take_bytes(base::Reader& in) {
  const std::size_t size = TRY(in.u16("ticket.size"));
  return base::to_vec(TRY(in.take(size, "ticket.bytes")));
}

void put_id(base::Writer& out, const wire::IdPayload& id) {
  out.u8(static_cast<std::uint8_t>(id.type));
  put_bytes(out, id.data);
}

base::Wire<wire::IdPayload> take_id(base::Reader& in, bool initiator) {
  wire::IdPayload id;
  id.initiator = initiator;
  id.type = static_cast<wire::IdType>(TRY(in.u8("ticket.id")));
  id.data = TRY(take_bytes(in));
  return id;
}

//= rfc5723#6.1-4 rfc5723#6.1-6
ByteVec encode(const Resumable& state, std::uint64_t serial) {
  base::Writer out;
  out.u64(serial);
  out.u64(static_cast<std::uint64_t>(state.expires.since_origin.count()));
  put_bytes(out, base::as_bytes(state.connection));
  put_id(out, state.id_i);
  put_id(out, state.id_r);
  out.u16(static_cast<std::uint16_t>(state.suite.cipher.encr));
  out.u16(state.suite.cipher.key_bits);
  out.u16(static_cast<std::uint16_t>(state.suite.cipher.integ));
  out.u16(static_cast<std::uint16_t>(state.suite.prf));
  out.u16(static_cast<std::uint16_t>(state.suite.ke));
  put_bytes(out, state.credential_tag);
  put_bytes(out, state.sk_d.reveal());
  return out.finish().value_or(ByteVec{});
}

base::Wire<Ticket> decode(Bytes text) {
  base::Reader in{text};
  Ticket ticket;
  Resumable& state = ticket.state;
  ticket.serial = TRY(in.u64("ticket.serial"));
  state.expires =
      Instant{base::Duration{static_cast<base::Duration::rep>(TRY(in.u64("ticket.expires")))}};
  state.connection = std::string{base::as_text(TRY(take_bytes(in)))};
  state.id_i = TRY(take_id(in, true));
  state.id_r = TRY(take_id(in, false));
  state.suite.cipher.encr = static_cast<crypto::EncrId>(TRY(in.u16("ticket.encr")));
  state.suite.cipher.key_bits = TRY(in.u16("ticket.key_bits"));
  state.suite.cipher.integ = static_cast<crypto::IntegId>(TRY(in.u16("ticket.integ")));
  state.suite.prf = static_cast<crypto::PrfId>(TRY(in.u16("ticket.prf")));
  state.suite.ke = static_cast<crypto::KeGroup>(TRY(in.u16("ticket.ke")));
  state.credential_tag = TRY(take_bytes(in));
  ByteVec sk_d = TRY(take_bytes(in));
  state.sk_d = base::SecretBytes{Bytes{sk_d}};
  base::wipe(sk_d);
  return ticket;
}

crypto::PacketJob job_over(ByteVec& ticket, const crypto::PacketCipher& cipher) {
  const base::MutBytes all{ticket};
  const std::size_t text_at = header_size + cipher.iv_size();
  const std::size_t icv_at = all.size() - cipher.icv_size();
  crypto::PacketJob job;
  job.header = all.first(header_size);
  job.iv = all.subspan(header_size, cipher.iv_size());
  job.text = all.subspan(text_at, icv_at - text_at);
  job.icv = all.subspan(icv_at);
  return job;
}

//= rfc5723#9.1-1 rfc5723#9.9-1
/// The strongest first; what the provider has decides.
constexpr std::array suites = {
    crypto::CipherSuite{crypto::EncrId::aes_gcm_16, 256, crypto::IntegId::none},
    crypto::CipherSuite{crypto::EncrId::chacha20_poly1305, 0, crypto::IntegId::none},
    crypto::CipherSuite{crypto::EncrId::aes_gcm_16, 128, crypto::IntegId::none},
};

}  // namespace

Resumable Resumable::duplicate() const {
  return {connection, id_i, id_r, suite, sk_d.duplicate(), credential_tag, expires};
}

// ---- The maker

TicketMaker::TicketMaker(const crypto::CryptoProvider& crypto, base::Rng& rng,
                         const IkeLimits& limits, Instant now)
    : crypto_(crypto), rng_(rng), limits_(limits), rotated_at_(now), next_serial_(1) {}

TicketMaker::Key TicketMaker::make_key(std::uint8_t id) const {
  Key key;
  key.id = id;
  for (const crypto::CipherSuite& suite : suites) {
    if (!crypto_.supports(suite)) continue;
    base::SecretBytes material{crypto::encr_key_size(suite)};
    rng_.fill_secret(material.reveal_mutable());
    auto cipher = crypto_.make_cipher(suite, material.reveal(), {}, rng_);
    if (!cipher) continue;
    key.cipher = std::move(*cipher);
    break;
  }
  return key;
}

void TicketMaker::rotate(Instant now) {
  const base::Duration age = now - rotated_at_;
  if (current_.cipher && age < limits_.ticket_key_lifetime) return;
  const auto next = static_cast<std::uint8_t>(current_.id + 1);
  previous_ = age < 2 * limits_.ticket_key_lifetime ? std::move(current_) : Key{};
  current_ = make_key(next);
  rotated_at_ = now;
}

ByteVec TicketMaker::seal(const Resumable& state, Instant now) {
  rotate(now);
  if (!current_.cipher) return {};
  const crypto::PacketCipher& cipher = *current_.cipher;
  ByteVec text = encode(state, next_serial_++);
  const std::size_t overhead = header_size + cipher.iv_size() + cipher.icv_size();
  if (text.empty() || cipher.block_size() > 1 || text.size() + overhead > limits_.ticket_size_max) {
    base::wipe(text);
    return {};
  }
  ByteVec ticket(text.size() + overhead);
  ticket[0] = std::byte{format_version};
  //= rfc5723#6.1-7
  ticket[1] = std::byte{current_.id};
  crypto::PacketJob job = job_over(ticket, cipher);
  base::copy_into(job.text, text);
  base::wipe(text);
  job.iv_counter = current_.next_iv++;
  //= rfc5723#6.1-1 rfc5723#9.10-1
  current_.cipher->seal({&job, 1});
  return job.ok ? ticket : ByteVec{};
}

std::optional<Ticket> TicketMaker::open(Bytes ticket, Instant now) {
  rotate(now);
  if (ticket.size() < header_size || ticket.size() > limits_.ticket_size_max ||
      ticket[0] != std::byte{format_version}) {
    return std::nullopt;
  }
  const auto id = std::to_integer<std::uint8_t>(ticket[1]);
  Key& key = id == current_.id ? current_ : previous_;
  if (!key.cipher || key.id != id) return std::nullopt;
  if (ticket.size() < header_size + key.cipher->iv_size() + key.cipher->icv_size() + block_max) {
    return std::nullopt;
  }
  ByteVec copy = base::to_vec(ticket);
  crypto::PacketJob job = job_over(copy, *key.cipher);
  key.cipher->open({&job, 1});
  std::optional<Ticket> opened;
  if (job.ok) {
    if (auto decoded = decode(job.text)) opened = std::move(*decoded);
  }
  base::wipe(copy);
  //= rfc5723#4.3.1-4 rfc5723#9.10-2
  if (!opened || opened->state.expires <= now || used_.contains(opened->serial)) {
    return std::nullopt;
  }
  return opened;
}

void TicketMaker::use_up(const Ticket& ticket, Instant now) {
  std::erase_if(used_, [now](const auto& entry) { return entry.second <= now; });
  if (used_.size() >= limits_.tickets_used_max) {
    // Nobody could tell used ones from others any more: a new key, and the old one is not kept.
    used_.clear();
    previous_ = {};
    current_ = make_key(static_cast<std::uint8_t>(current_.id + 1));
    rotated_at_ = now;
    return;
  }
  used_.emplace(ticket.serial, ticket.state.expires);
}

// ---- The holder

void TicketStore::keep(Held held) {
  const std::string connection = held.state.connection;
  held_.insert_or_assign(connection, std::move(held));
}

void TicketStore::forget(const std::string& connection, std::uint64_t owner) {
  const auto found = held_.find(connection);
  if (found != held_.end() && found->second.owner == owner) held_.erase(found);
}

std::optional<TicketStore::Held> TicketStore::take(const ConnectionConfig& connection,
                                                   Instant now) {
  const auto found = held_.find(connection.name);
  if (found == held_.end()) return std::nullopt;
  Held held = std::move(found->second);
  held_.erase(found);
  //= rfc5723#4.3.1-2 rfc5723#6.2-2
  const bool is_good = connection.resumption && held.state.expires > now &&
                       held.state.credential_tag == connection.credential_tag &&
                       is_offered(held.state.suite, connection.offers) &&
                       held.state.id_i == connection.own_rounds.front().identity.to_wire(true);
  if (!is_good) return std::nullopt;
  return held;
}

wire::NotifyPayload make_given_ticket(const GivenTicket& given) {
  base::Writer out;
  out.u32(static_cast<std::uint32_t>(
      std::chrono::duration_cast<std::chrono::seconds>(given.lifetime).count()));
  out.bytes(given.ticket);
  return make_notify(wire::NotifyType::ticket_lt_opaque, out.finish().value_or(ByteVec{}));
}

std::optional<GivenTicket> read_given_ticket(const wire::NotifyPayload& notify) {
  base::Reader in{notify.data};
  const auto seconds = in.u32("ticket.lifetime");
  if (!seconds || *seconds == 0 || in.remaining() == 0) return std::nullopt;
  return GivenTicket{std::chrono::seconds{*seconds}, base::to_vec(in.take_rest())};
}

}  // namespace caponier::ike
