#include "ike/protection.h"

#include <algorithm>
#include <limits>
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
constexpr std::size_t fragment_numbers_size = 4;

/// Where the SK or SKF payload of a datagram lies.
struct SkPlace {
  PayloadType outer_first = PayloadType::none;
  PayloadType first_inner = PayloadType::none;
  std::byte flags{};
  std::size_t header_at = 0;
  std::size_t body_at = 0;
  std::optional<FragmentNumbers> numbers;
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
    SkPlace place{.outer_first = header.next_payload, .header_at = in.offset(), .numbers = {}};
    place.first_inner = static_cast<PayloadType>(TRY(in.u8("payload.next")));
    place.flags = std::byte{TRY(in.u8("payload.flags"))};
    const std::size_t size = TRY(in.u16("payload.length"));
    if (size < generic_header_size) {
      return std::unexpected{in.error(base::WireFault::bad_length, "payload.length")};
    }
    base::Reader body = TRY(in.sub(size - generic_header_size, "payload.body"));
    place.body_at = place.header_at + generic_header_size;
    if (type == PayloadType::sk || type == PayloadType::skf) {
      TRY_VOID(in.finish("sk.body"));
      if (type == PayloadType::sk) return place;
      place.numbers.emplace();
      place.numbers->number = TRY(body.u16("skf.fragment_number"));
      place.numbers->total = TRY(body.u16("skf.total_fragments"));
      place.body_at += fragment_numbers_size;
      return place;
    }
    type = place.first_inner;
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

}  // namespace

std::expected<MessageProtection, CryptoError> MessageProtection::make(
    const crypto::CryptoProvider& crypto, const policy::IkeSuite& suite, IkeKeys& keys,
    bool is_initiator, base::Rng& rng) {
  MessageProtection protection;
  protection.crypto_ = &crypto;
  protection.rng_ = &rng;
  protection.suite_ = suite.cipher;
  protection.is_initiator_ = is_initiator;
  protection.seal_.keys = {std::move(keys.sk_ei), std::move(keys.sk_ai)};
  protection.open_.keys = {std::move(keys.sk_er), std::move(keys.sk_ar)};
  if (!is_initiator) std::swap(protection.seal_, protection.open_);
  TRY_VOID(protection.wake(protection.seal_));
  TRY_VOID(protection.wake(protection.open_));
  protection.iv_counter_ = rng.public_u64();
  return protection;
}

std::expected<void, CryptoError> MessageProtection::wake(Direction& direction) {
  if (direction.cipher != nullptr) return {};
  direction.cipher = TRY(crypto_->make_cipher(suite_, direction.keys.encr.reveal(),
                                              direction.keys.integ.reveal(), *rng_));
  return {};
}

void MessageProtection::rest() {
  seal_.cipher.reset();
  open_.cipher.reset();
}

namespace {
std::size_t outer_size_of(Bytes puzzle_solution) {
  return puzzle_solution.empty() ? 0 : generic_header_size + puzzle_solution.size();
}
}  // namespace

std::optional<ByteVec> MessageProtection::close(wire::IkeHeader header, PayloadType first,
                                                Bytes text, std::optional<FragmentNumbers> numbers,
                                                Bytes puzzle_solution) {
  if (!wake(seal_)) return std::nullopt;
  PacketCipher& cipher = *seal_.cipher;
  const std::size_t block = cipher.block_size();
  //= rfc7296#3.14-4
  const std::size_t overhang = (text.size() + pad_length_size) % block;
  const std::size_t pad_length = overhang == 0 ? 0 : block - overhang;
  const std::size_t sk_size = generic_header_size + (numbers ? fragment_numbers_size : 0) +
                              cipher.iv_size() + text.size() + pad_length + pad_length_size +
                              cipher.icv_size();
  const std::size_t outer_size = outer_size_of(puzzle_solution);
  const std::size_t size = wire::IkeHeader::size + outer_size + sk_size;
  if (size > wire::ike_message_size_max) return std::nullopt;

  const PayloadType closed = numbers ? PayloadType::skf : PayloadType::sk;
  header.next_payload = outer_size == 0 ? closed : PayloadType::puzzle_solution;
  header.length = static_cast<std::uint32_t>(size);
  base::Writer out;
  header.encode(out);
  //= rfc8019#7.2.2-2
  if (outer_size > 0) {
    out.u8(static_cast<std::uint8_t>(closed));
    out.u8(0);
    out.u16(static_cast<std::uint16_t>(outer_size));
    out.bytes(puzzle_solution);
  }
  out.u8(static_cast<std::uint8_t>(first));
  out.u8(0);
  out.u16(static_cast<std::uint16_t>(sk_size));
  if (numbers) {
    out.u16(numbers->number);
    out.u16(numbers->total);
  }
  const std::size_t body_at = out.size();
  out.zeros(cipher.iv_size());
  out.bytes(text);
  out.zeros(pad_length);
  out.u8(static_cast<std::uint8_t>(pad_length));
  out.zeros(cipher.icv_size());
  auto datagram = out.finish();
  if (!datagram) return std::nullopt;

  crypto::PacketJob job = job_over(*datagram, body_at, cipher);
  job.iv_counter = iv_counter_++;
  cipher.seal(std::span{&job, 1});
  if (!job.ok) return std::nullopt;
  return datagram;
}

std::optional<InnerMessage> MessageProtection::enclose(const wire::IkeHeader& header,
                                                       const std::vector<wire::Payload>& inner) {
  if (std::ranges::any_of(inner, is_closed)) return std::nullopt;
  base::Writer chain;
  wire::encode_payloads(inner, chain);
  auto bytes = chain.finish();
  if (!bytes) return std::nullopt;
  const PayloadType first = inner.empty() ? PayloadType::none : wire::type_of(inner.front());
  return InnerMessage{header, first, std::move(*bytes), {}};
}

std::optional<ByteVec> MessageProtection::seal(wire::IkeHeader header,
                                               const std::vector<wire::Payload>& inner) {
  const auto message = enclose(header, inner);
  if (!message) return std::nullopt;
  return close(header, message->first, message->chain, std::nullopt);
}

std::optional<Datagrams> MessageProtection::seal(const InnerMessage& message,
                                                 std::size_t size_max) {
  if (!wake(seal_)) return std::nullopt;
  const PacketCipher& cipher = *seal_.cipher;
  const Bytes chain{message.chain};
  const std::size_t block = cipher.block_size();
  const std::size_t fixed = wire::IkeHeader::size + outer_size_of(message.puzzle_solution) +
                            generic_header_size + cipher.iv_size() + cipher.icv_size();
  const auto room = [&](std::size_t taken) {
    const std::size_t text = size_max > taken ? (size_max - taken) / block * block : 0;
    return text > pad_length_size ? text - pad_length_size : 0;
  };
  if (chain.size() <= room(fixed)) {
    auto datagram =
        close(message.header, message.first, chain, std::nullopt, message.puzzle_solution);
    if (!datagram) return std::nullopt;
    return Datagrams{std::move(*datagram)};
  }
  const std::size_t piece_size = room(fixed + fragment_numbers_size);
  if (piece_size == 0) return std::nullopt;
  const std::size_t total = (chain.size() + piece_size - 1) / piece_size;
  if (total > std::numeric_limits<std::uint16_t>::max()) return std::nullopt;
  Datagrams datagrams;
  for (std::size_t i = 0; i < total; ++i) {
    const Bytes rest = chain.subspan(i * piece_size);
    //= rfc7383#2.5-3
    const PayloadType first = i == 0 ? message.first : PayloadType::none;
    const FragmentNumbers numbers{static_cast<std::uint16_t>(i + 1),
                                  static_cast<std::uint16_t>(total)};
    //= rfc8019#7.2.2-3 rfc7383#2.5.3-1
    auto datagram = close(message.header, first, rest.first(std::min(rest.size(), piece_size)),
                          numbers, i == 0 ? Bytes{message.puzzle_solution} : Bytes{});
    if (!datagram) return std::nullopt;
    datagrams.push_back(std::move(*datagram));
  }
  return datagrams;
}

std::expected<Unsealed, MessageProtection::OpenError> MessageProtection::unseal(Bytes datagram) {
  const auto place = find_sk(datagram);
  if (!place) return std::unexpected{OpenError::not_protected};
  if (!wake(open_)) return std::unexpected{OpenError::bad_icv};
  PacketCipher& cipher = *open_.cipher;
  const std::size_t body_size = datagram.size() - place->body_at;
  if (body_size < cipher.iv_size() + pad_length_size + cipher.icv_size()) {
    return std::unexpected{OpenError::bad_icv};
  }
  ByteVec copy = base::to_vec(datagram);
  crypto::PacketJob job = job_over(copy, place->body_at, cipher);
  cipher.open(std::span{&job, 1});
  if (!job.ok) return std::unexpected{OpenError::bad_icv};
  const Bytes text{job.text};
  //= rfc7296#3.14-5
  const std::size_t pad_length = std::to_integer<std::size_t>(text.back());
  if (pad_length + pad_length_size > text.size()) return std::unexpected{OpenError::bad_inner};
  constexpr std::size_t outer_at = wire::IkeHeader::size;
  return Unsealed{place->outer_first,
                  base::to_vec(datagram.subspan(outer_at, place->header_at - outer_at)),
                  place->flags, place->first_inner,
                  base::to_vec(text.first(text.size() - pad_length_size - pad_length))};
}

std::expected<std::vector<wire::Payload>, MessageProtection::OpenError> MessageProtection::decode(
    const Unsealed& message) {
  base::Reader in{message.chain};
  auto payloads = wire::decode_payloads(message.first, in);
  //= rfc7296#3.1-1
  if (!payloads || std::ranges::any_of(*payloads, is_closed)) {
    return std::unexpected{OpenError::bad_inner};
  }
  return std::move(*payloads);
}

std::expected<std::vector<wire::Payload>, MessageProtection::OpenError> MessageProtection::open(
    Bytes datagram) {
  if (find_fragment_numbers(datagram)) return std::unexpected{OpenError::not_protected};
  const Unsealed message = TRY(unseal(datagram));
  return decode(message);
}

std::optional<FragmentNumbers> find_fragment_numbers(Bytes datagram) {
  const auto place = find_sk(datagram);
  return place ? place->numbers : std::nullopt;
}

}  // namespace caponier::ike
