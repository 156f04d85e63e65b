#include "gateway/key_messages.h"

#include <algorithm>

#include "base/error.h"

namespace caponier::gateway {

namespace {

using base::Bytes;
using base::ByteVec;
using base::Reader;
using base::Wire;
using base::WireFault;
using base::Writer;

/// The first octet. The names of a connection, of files and so on are texts.
enum class Kind : std::uint8_t {
  load = 1,
  commit = 2,
  auth_request = 3,
  peer = 4,
  fault = 5,
  done = 6,
  auth_reply = 7,
  sign_request = 8,
  sign_reply = 9,
  load_order = 10,
  load_answer = 11,
};

void put_octets(Writer& out, Bytes octets) {
  if (octets.size() > key_message_size_max) return out.fail();
  out.u32(static_cast<std::uint32_t>(octets.size()));
  out.bytes(octets);
}
void put_text(Writer& out, std::string_view text) {
  put_octets(out, base::as_bytes(text.substr(0, key_text_size_max)));
}
template <class List, class Put>
void put_list(Writer& out, const List& list, Put put) {
  if (list.size() > 0xffff) return out.fail();
  out.u16(static_cast<std::uint16_t>(list.size()));
  for (const auto& one : list) put(one);
}

Wire<ByteVec> take_octets(Reader& in, std::string_view field) {
  const auto size = TRY(in.u32(field));
  return base::to_vec(TRY(in.take(size, field)));
}
Wire<std::string> take_text(Reader& in, std::string_view field) {
  const auto size = TRY(in.u32(field));
  if (size > key_text_size_max) return std::unexpected{in.error(WireFault::out_of_range, field)};
  return std::string{base::as_text(TRY(in.take(size, field)))};
}
/// Each element is at least one octet long, so that the count cannot ask for more than there is.
template <class T, class Take>
Wire<std::vector<T>> take_list(Reader& in, std::string_view field, Take take) {
  const auto count = TRY(in.u16(field));
  if (count > in.remaining()) return std::unexpected{in.error(WireFault::bad_length, field)};
  std::vector<T> list;
  for (unsigned i = 0; i < count; ++i) list.push_back(TRY(take(in)));
  return list;
}
Wire<bool> take_flag(Reader& in, std::string_view field) {
  const auto value = TRY(in.u8(field));
  if (value > 1) return std::unexpected{in.error(WireFault::out_of_range, field)};
  return value == 1;
}

// ---- commands

void put(Writer& out, const LoadKeys& load) {
  out.u8(static_cast<std::uint8_t>(Kind::load));
  out.u64(load.ticket);
  put_octets(out, load.fingerprint_salt);
  out.u8(load.renews ? 1 : 0);
}
void put(Writer& out, const CommitKeys& commit) {
  out.u8(static_cast<std::uint8_t>(Kind::commit));
  out.u64(commit.ticket);
}
void put(Writer& out, const ike::AuthRequest& request) {
  out.u8(static_cast<std::uint8_t>(Kind::auth_request));
  out.u64(request.sa.value);
  out.u64(request.request);
  put_text(out, request.connection);
  out.u8(static_cast<std::uint8_t>(request.round));
  out.u16(static_cast<std::uint16_t>(request.prf));
  put_octets(out, request.signed_octets);
  out.u8(request.proof ? 1 : 0);
  if (request.proof) {
    out.u8(static_cast<std::uint8_t>(request.proof->method));
    put_octets(out, request.proof->auth);
  }
  put_list(out, request.hashes, [&](std::uint16_t hash) { out.u16(hash); });
}

void put(Writer& out, const SignRequest& request) {
  out.u8(static_cast<std::uint8_t>(Kind::sign_request));
  out.u64(request.ticket);
  put_text(out, request.name);
  put_octets(out, request.spki);
  out.u8(static_cast<std::uint8_t>(request.scheme));
  put_octets(out, request.octets);
}

/// But for the octets of the secret, which are the last: what is written here grows, and leaves
/// copies behind.
void put(Writer& out, const LoadOrder& order) {
  out.u8(static_cast<std::uint8_t>(Kind::load_order));
  out.u64(order.ticket);
  put_text(out, order.name);
  put_octets(out, order.message);
  if (order.secret.size() > key_message_size_max) return out.fail();
  out.u32(static_cast<std::uint32_t>(order.secret.size()));
}

Wire<KeyCommand> take_load_order(Reader& in) {
  LoadOrder order;
  order.ticket = TRY(in.u64("order.ticket"));
  order.name = TRY(take_text(in, "order.name"));
  order.message = TRY(take_octets(in, "order.message"));
  const auto size = TRY(in.u32("order.secret"));
  order.secret = base::SecretBytes{TRY(in.take(size, "order.secret"))};
  return order;
}
Wire<KeyCommand> take_sign_request(Reader& in) {
  SignRequest request;
  request.ticket = TRY(in.u64("sign.ticket"));
  request.name = TRY(take_text(in, "sign.name"));
  request.spki = TRY(take_octets(in, "sign.spki"));
  const auto scheme = TRY(in.u8("sign.scheme"));
  if (scheme > static_cast<std::uint8_t>(pki::SignatureScheme::ed448)) {
    return std::unexpected{in.error(WireFault::out_of_range, "sign.scheme")};
  }
  request.scheme = static_cast<pki::SignatureScheme>(scheme);
  request.octets = TRY(take_octets(in, "sign.octets"));
  return request;
}
Wire<KeyCommand> take_load(Reader& in) {
  LoadKeys load;
  load.ticket = TRY(in.u64("load.ticket"));
  load.fingerprint_salt = TRY(take_octets(in, "load.salt"));
  if (load.fingerprint_salt.size() != fingerprint_salt_size) {
    return std::unexpected{in.error(WireFault::bad_length, "load.salt")};
  }
  load.renews = TRY(take_flag(in, "load.renews"));
  return load;
}
Wire<KeyCommand> take_auth_request(Reader& in) {
  ike::AuthRequest request;
  request.sa = ike::IkeSaId{TRY(in.u64("request.sa"))};
  request.request = TRY(in.u64("request.request"));
  request.connection = TRY(take_text(in, "request.connection"));
  request.round = TRY(in.u8("request.round"));
  if (request.round >= config::auth_rounds_max) {
    return std::unexpected{in.error(WireFault::out_of_range, "request.round")};
  }
  request.prf = static_cast<crypto::PrfId>(TRY(in.u16("request.prf")));
  request.signed_octets = TRY(take_octets(in, "request.octets"));
  if (TRY(take_flag(in, "request.has_proof"))) {
    ike::PeerProof proof;
    proof.method = static_cast<wire::AuthMethod>(TRY(in.u8("request.method")));
    proof.auth = TRY(take_octets(in, "request.auth"));
    request.proof = std::move(proof);
  }
  request.hashes = TRY(take_list<std::uint16_t>(
      in, "request.hashes", [](Reader& from) { return from.u16("request.hash"); }));
  return request;
}

// ---- news

void put(Writer& out, const HeldPeer& peer) {
  out.u8(static_cast<std::uint8_t>(Kind::peer));
  out.u64(peer.ticket);
  put_text(out, peer.name);
  put_octets(out, peer.psk_fingerprint);
  out.u8(peer.credential ? 1 : 0);
  if (!peer.credential) return;
  put_text(out, peer.credential->name);
  put_octets(out, peer.credential->spki);
  put_list(out, peer.credential->chain, [&](const ByteVec& der) { put_octets(out, der); });
  put_list(out, peer.credential->authorities, [&](const pki::KeyHash& hash) { out.bytes(hash); });
}
void put(Writer& out, const LoadFault& fault) {
  out.u8(static_cast<std::uint8_t>(Kind::fault));
  out.u64(fault.ticket);
  put_text(out, fault.error.where.file);
  out.u32(fault.error.where.line);
  out.u32(fault.error.where.column);
  put_text(out, fault.error.message);
  put_text(out, fault.error.fix);
}
void put(Writer& out, const LoadDone& done) {
  out.u8(static_cast<std::uint8_t>(Kind::done));
  out.u64(done.ticket);
}
void put(Writer& out, const ike::AuthReply& reply) {
  out.u8(static_cast<std::uint8_t>(Kind::auth_reply));
  out.u64(reply.sa.value);
  out.u64(reply.request);
  out.u8(static_cast<std::uint8_t>(reply.outcome));
  out.u8(static_cast<std::uint8_t>(reply.method));
  put_octets(out, reply.auth);
  put_list(out, reply.certificates, [&](const wire::CertPayload& certificate) {
    out.u8(certificate.encoding);
    put_octets(out, certificate.data);
  });
  put_text(out, reply.why);
  put_text(out, reply.fault);
}

void put(Writer& out, const SignReply& reply) {
  out.u8(static_cast<std::uint8_t>(Kind::sign_reply));
  out.u64(reply.ticket);
  out.u8(reply.signature ? 1 : 0);
  if (reply.signature) return put_octets(out, *reply.signature);
  out.u8(static_cast<std::uint8_t>(reply.signature.error()));
}

void put(Writer& out, const LoadAnswer& load) {
  out.u8(static_cast<std::uint8_t>(Kind::load_answer));
  out.u64(load.ticket);
  out.u8(load.answer ? 1 : 0);
  if (load.answer) return put_octets(out, *load.answer);
  put_text(out, load.answer.error());
}

Wire<KeyNews> take_load_answer(Reader& in) {
  LoadAnswer load;
  load.ticket = TRY(in.u64("load.ticket"));
  if (TRY(take_flag(in, "load.is_done"))) {
    load.answer = TRY(take_octets(in, "load.answer"));
  } else {
    load.answer = std::unexpected{TRY(take_text(in, "load.why"))};
  }
  return load;
}
Wire<KeyNews> take_sign_reply(Reader& in) {
  SignReply reply;
  reply.ticket = TRY(in.u64("signature.ticket"));
  if (TRY(take_flag(in, "signature.is_made"))) {
    reply.signature = TRY(take_octets(in, "signature.octets"));
    return reply;
  }
  const auto error = TRY(in.u8("signature.error"));
  if (error > static_cast<std::uint8_t>(pki::SignError::backend_failure)) {
    return std::unexpected{in.error(WireFault::out_of_range, "signature.error")};
  }
  reply.signature = std::unexpected{static_cast<pki::SignError>(error)};
  return reply;
}
Wire<pki::KeyHash> take_hash(Reader& in) {
  pki::KeyHash hash{};
  std::ranges::copy(TRY(in.take(hash.size(), "peer.authority")), hash.begin());
  return hash;
}
Wire<KeyNews> take_peer(Reader& in) {
  HeldPeer peer;
  peer.ticket = TRY(in.u64("peer.ticket"));
  peer.name = TRY(take_text(in, "peer.name"));
  peer.psk_fingerprint = TRY(take_octets(in, "peer.fingerprint"));
  if (!TRY(take_flag(in, "peer.has_credential"))) return peer;
  HeldCredential credential;
  credential.name = TRY(take_text(in, "peer.credential"));
  credential.spki = TRY(take_octets(in, "peer.spki"));
  credential.chain = TRY(take_list<ByteVec>(
      in, "peer.chain", [](Reader& from) { return take_octets(from, "peer.certificate"); }));
  credential.authorities = TRY(take_list<pki::KeyHash>(in, "peer.authorities", take_hash));
  peer.credential = std::move(credential);
  return peer;
}
Wire<KeyNews> take_fault(Reader& in) {
  LoadFault fault;
  fault.ticket = TRY(in.u64("fault.ticket"));
  fault.error.where.file = TRY(take_text(in, "fault.file"));
  fault.error.where.line = TRY(in.u32("fault.line"));
  fault.error.where.column = TRY(in.u32("fault.column"));
  fault.error.message = TRY(take_text(in, "fault.message"));
  fault.error.fix = TRY(take_text(in, "fault.fix"));
  return fault;
}
Wire<wire::CertPayload> take_certificate(Reader& in) {
  wire::CertPayload certificate;
  certificate.encoding = TRY(in.u8("reply.encoding"));
  certificate.data = TRY(take_octets(in, "reply.certificate"));
  return certificate;
}
Wire<KeyNews> take_auth_reply(Reader& in) {
  ike::AuthReply reply;
  reply.sa = ike::IkeSaId{TRY(in.u64("reply.sa"))};
  reply.request = TRY(in.u64("reply.request"));
  const auto outcome = TRY(in.u8("reply.outcome"));
  if (outcome > static_cast<std::uint8_t>(ike::AuthOutcome::wrong)) {
    return std::unexpected{in.error(WireFault::out_of_range, "reply.outcome")};
  }
  reply.outcome = static_cast<ike::AuthOutcome>(outcome);
  reply.method = static_cast<wire::AuthMethod>(TRY(in.u8("reply.method")));
  reply.auth = TRY(take_octets(in, "reply.auth"));
  reply.certificates =
      TRY(take_list<wire::CertPayload>(in, "reply.certificates", take_certificate));
  reply.why = TRY(take_text(in, "reply.why"));
  reply.fault = TRY(take_text(in, "reply.fault"));
  return reply;
}

template <class Message>
std::optional<ByteVec> encode_any(const Message& message) {
  Writer out;
  std::visit([&](const auto& one) { put(out, one); }, message);
  if (out.size() > key_message_size_max) return std::nullopt;
  return out.finish();
}

template <class Message, class Take>
Wire<Message> decode_any(Bytes octets, Take take) {
  Reader in{octets};
  if (octets.size() > key_message_size_max) {
    return std::unexpected{in.error(WireFault::out_of_range, "message")};
  }
  const auto kind = static_cast<Kind>(TRY(in.u8("message.kind")));
  Message message = TRY(take(kind, in));
  TRY_VOID(in.finish("message"));
  return message;
}

}  // namespace

std::optional<ByteVec> encode(const KeyCommand& command) {
  auto message = encode_any(command);
  const auto* const order = std::get_if<LoadOrder>(&command);
  if (!message || order == nullptr) return message;
  const std::size_t size = message->size() + order->secret.size();
  if (size > key_message_size_max) return std::nullopt;
  ByteVec whole;
  whole.reserve(size);
  base::append(whole, *message);
  base::append(whole, order->secret.reveal());
  return whole;
}
std::optional<ByteVec> encode(const KeyNews& news) { return encode_any(news); }

Wire<KeyCommand> decode_key_command(Bytes message) {
  return decode_any<KeyCommand>(message, [](Kind kind, Reader& in) -> Wire<KeyCommand> {
    switch (kind) {
      case Kind::load: return take_load(in);
      case Kind::commit: return CommitKeys{TRY(in.u64("commit.ticket"))};
      case Kind::auth_request: return take_auth_request(in);
      case Kind::sign_request: return take_sign_request(in);
      case Kind::load_order: return take_load_order(in);
      case Kind::peer:
      case Kind::fault:
      case Kind::done:
      case Kind::auth_reply:
      case Kind::sign_reply:
      case Kind::load_answer: break;
    }
    return std::unexpected{in.error(WireFault::out_of_range, "message.kind")};
  });
}

Wire<KeyNews> decode_key_news(Bytes message) {
  return decode_any<KeyNews>(message, [](Kind kind, Reader& in) -> Wire<KeyNews> {
    switch (kind) {
      case Kind::peer: return take_peer(in);
      case Kind::fault: return take_fault(in);
      case Kind::done: return LoadDone{TRY(in.u64("done.ticket"))};
      case Kind::auth_reply: return take_auth_reply(in);
      case Kind::sign_reply: return take_sign_reply(in);
      case Kind::load_answer: return take_load_answer(in);
      case Kind::load:
      case Kind::commit:
      case Kind::auth_request:
      case Kind::sign_request:
      case Kind::load_order: break;
    }
    return std::unexpected{in.error(WireFault::out_of_range, "message.kind")};
  });
}

}  // namespace caponier::gateway
