#include "ike/protection.h"

#include <algorithm>
#include <span>
#include <utility>
#include <variant>

#include "base/error.h"

namespace caponier::ike {

namespace {

using base::Bytes;
using base::ByteVec;
using base::MutBytes;
using crypto::CryptoError;
using crypto::PacketCipher;
using wire::PayloadType;

constexpr std::size_t generic_header_size = 4;
constexpr std::size_t pad_length_size = 1;

/// Where the SK payload of a datagram lies.
struct SkPlace {
  PayloadType first_inner = PayloadType::none;
  std::size_t body_at = 0;
};

/// Steps over unprotected payloads; the SK payload must end the message.
base::Wire<SkPlace> find_sk(Bytes datagram) {
  base::Reader in{datagram};
  const wire::IkeHeader header = TRY(wire::IkeHeader::decode(in));
  if (header.length != datagram.size()) {
    return std::unexpected{in.error(base::WireFault::bad_length, "ike.length")};
  }
  PayloadType type = header.next_payload;
  for (std::size_t i = 0; i < wire::payload_count_max && type != PayloadType::none; ++i) {
    const auto next = static_cast<PayloadType>(TRY(in.u8("payload.next")));
    TRY_VOID(in.skip(1, "payload.flags"));
    const std::size_t size = TRY(in.u16("payload.length"));
    if (size < generic_header_size) {
      return std::unexpected{in.error(base::WireFault::bad_length, "payload.length")};
    }
    const std::size_t body_at = in.offset();
    TRY_VOID(in.skip(size - generic_header_size, "payload.body"));
    if (type == PayloadType::sk) {
      TRY_VOID(in.finish("sk.body"));
      return SkPlace{next, body_at};
    }
    type = next;
  }
  return std::unexpected{in.error(base::WireFault::out_of_range, "payload.chain")};
}

/// The parts of `datagram` as its cipher sees them; the sizes are the caller's invariant.
crypto::PacketJob job_over(ByteVec& datagram, std::size_t body_at, const PacketCipher& cipher) {
  const MutBytes all{datagram};
  const std::size_t text_at = body_at + cipher.iv_size();
  const std::size_t icv_at = all.size() - cipher.icv_size();
  crypto::PacketJob job;
  job.header = all.first(body_at);
  job.iv = all.subspan(body_at, cipher.iv_size());
  job.text = all.subspan(text_at, icv_at - text_at);
  job.icv = all.subspan(icv_at);
  return job;
}

bool is_closed(const wire::Payload& payload) {
  return std::holds_alternative<wire::SkPayload>(payload) ||
         std::holds_alternative<wire::SkfPayload>(payload);
}

std::optional<std::vector<wire::Payload>> decode_inner(PayloadType first, Bytes text) {
  const std::size_t pad_length = std::to_integer<std::size_t>(text.back());
  if (pad_length + pad_length_size > text.size()) return std::nullopt;
  base::Reader in{text.first(text.size() - pad_length_size - pad_length)};
  auto payloads = wire::decode_payloads(first, in);
  if (!payloads || std::ranges::any_of(*payloads, is_closed)) return std::nullopt;
  return std::move(*payloads);
}

}  // namespace

std::expected<MessageProtection, CryptoError> MessageProtection::make(
    const crypto::CryptoProvider& crypto, const policy::IkeSuite& suite, const IkeKeys& keys,
    bool is_initiator, base::Rng& rng) {
  auto from_initiator =
      TRY(crypto.make_cipher(suite.cipher, keys.sk_ei.reveal(), keys.sk_ai.reveal(), rng));
  auto from_responder =
      TRY(crypto.make_cipher(suite.cipher, keys.sk_er.reveal(), keys.sk_ar.reveal(), rng));
  if (!is_initiator) std::swap(from_initiator, from_responder);
  MessageProtection protection;
  protection.seal_cipher_ = std::move(from_initiator);
  protection.open_cipher_ = std::move(from_responder);
  protection.iv_counter_ = rng.public_u64();
  return protection;
}

std::optional<ByteVec> MessageProtection::seal(wire::IkeHeader header,
                                               const std::vector<wire::Payload>& inner) {
  if (std::ranges::any_of(inner, is_closed)) return std::nullopt;
  base::Writer chain;
  wire::encode_payloads(inner, chain);
  const std::size_t block = seal_cipher_->block_size();
  const std::size_t overhang = (chain.size() + pad_length_size) % block;
  const std::size_t pad_length = overhang == 0 ? 0 : block - overhang;
  const std::size_t sk_size = generic_header_size + seal_cipher_->iv_size() + chain.size() +
                              pad_length + pad_length_size + seal_cipher_->icv_size();
  const std::size_t size = wire::IkeHeader::size + sk_size;
  if (chain.failed() || size > wire::ike_message_size_max) return std::nullopt;

  header.next_payload = PayloadType::sk;
  header.length = static_cast<std::uint32_t>(size);
  const PayloadType first = inner.empty() ? PayloadType::none : wire::type_of(inner.front());
  base::Writer out;
  header.encode(out);
  out.u8(static_cast<std::uint8_t>(first));
  out.u8(0);
  out.u16(static_cast<std::uint16_t>(sk_size));
  const std::size_t body_at = out.size();
  out.zeros(seal_cipher_->iv_size());
  out.bytes(chain.view());
  out.zeros(pad_length);
  out.u8(static_cast<std::uint8_t>(pad_length));
  out.zeros(seal_cipher_->icv_size());
  auto datagram = out.finish();
  if (!datagram) return std::nullopt;

  crypto::PacketJob job = job_over(*datagram, body_at, *seal_cipher_);
  job.iv_counter = iv_counter_++;
  seal_cipher_->seal(std::span{&job, 1});
  if (!job.ok) return std::nullopt;
  return datagram;
}

std::expected<std::vector<wire::Payload>, MessageProtection::OpenError> MessageProtection::open(
    Bytes datagram) {
  const auto place = find_sk(datagram);
  if (!place) return std::unexpected{OpenError::not_protected};
  const std::size_t body_size = datagram.size() - place->body_at;
  if (body_size < open_cipher_->iv_size() + pad_length_size + open_cipher_->icv_size()) {
    return std::unexpected{OpenError::bad_icv};
  }
  ByteVec copy = base::to_vec(datagram);
  crypto::PacketJob job = job_over(copy, place->body_at, *open_cipher_);
  open_cipher_->open(std::span{&job, 1});
  if (!job.ok) return std::unexpected{OpenError::bad_icv};
  auto payloads = decode_inner(place->first_inner, job.text);
  if (!payloads) return std::unexpected{OpenError::bad_inner};
  return std::move(*payloads);
}

}  // namespace caponier::ike
