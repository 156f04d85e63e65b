#include "ike/crash_detection.h"

#include <algorithm>
#include <array>
#include <utility>

#include "ike/messages.h"

namespace caponier::ike {

using base::Bytes;
using base::ByteVec;
using wire::NotifyPayload;
using wire::NotifyType;

namespace {

/// The shortest that s5 allows: the answer must fit into the shortest protected request.
constexpr std::size_t token_size = crash_token_size_min;
constexpr std::size_t notify_overhead = 8;

}  // namespace

CrashTokens::CrashTokens(const crypto::CryptoProvider& crypto, Secrets secrets)
    : secrets_(std::move(secrets)) {
  for (const crypto::PrfInfo& info : crypto::all_prf()) {
    auto prf = crypto.make_prf(info.id);
    if (!prf) continue;
    prf_ = std::move(*prf);
    return;
  }
}

ByteVec CrashTokens::compute(const base::SecretBytes& secret, base::IkeSpi spi_i,
                             base::IkeSpi spi_r) const {
  if (!prf_ || secret.empty()) return {};
  const ByteVec octets_i = to_bytes(spi_i);
  const ByteVec octets_r = to_bytes(spi_r);
  const base::SecretBytes mac =
      prf_->compute(secret.reveal(), std::array<Bytes, 2>{octets_i, octets_r});
  if (mac.size() < token_size) return {};
  return base::to_vec(mac.reveal().first(token_size));
}

ByteVec CrashTokens::make(base::IkeSpi spi_i, base::IkeSpi spi_r) const {
  return secrets_.empty() ? ByteVec{} : compute(*secrets_.front(), spi_i, spi_r);
}

ByteVec CrashTokens::answer(const wire::IkeHeader& request, std::size_t size_max) const {
  wire::IkeMessage message;
  message.header.spi_i = request.spi_i;
  message.header.spi_r = request.spi_r;
  message.header.exchange = request.exchange;
  message.header.message_id = request.message_id;
  message.header.flags = wire::IkeHeader::flag_response;
  if (!request.from_initiator()) message.header.flags |= wire::IkeHeader::flag_initiator;
  std::size_t size = wire::IkeHeader::size;
  for (const auto& secret : secrets_) {
    ByteVec token = compute(*secret, request.spi_i, request.spi_r);
    size += notify_overhead + token.size();
    if (token.empty() || size > size_max) break;
    message.payloads.emplace_back(make_crash_token(std::move(token)));
  }
  if (message.payloads.empty()) return {};
  // For peers that do not know tokens (s4.5), where there is room left.
  if (size + notify_overhead <= size_max) {
    message.payloads.insert(message.payloads.begin(), make_notify(NotifyType::invalid_ike_spi));
  }
  return message.encode().value_or(ByteVec{});
}

NotifyPayload make_crash_token(ByteVec token) {
  NotifyPayload notify = make_notify(NotifyType::quick_crash_detection, std::move(token));
  notify.protocol = wire::ProtocolId::ike;
  return notify;
}

std::optional<ByteVec> find_crash_token(const std::vector<wire::Payload>& payloads) {
  const NotifyPayload* const notify =
      wire::find_notify(payloads, NotifyType::quick_crash_detection);
  if (notify == nullptr || notify->data.size() < crash_token_size_min ||
      notify->data.size() > crash_token_size_max) {
    return std::nullopt;
  }
  return notify->data;
}

bool has_crash_token(const std::vector<wire::Payload>& payloads, Bytes token) {
  if (token.empty()) return false;
  std::size_t checked = 0;
  for (const wire::Payload& payload : payloads) {
    const auto* const notify = std::get_if<NotifyPayload>(&payload);
    if (notify == nullptr || notify->type != NotifyType::quick_crash_detection) continue;
    if (base::equal_constant_time(notify->data, token)) return true;
    if (++checked == crash_tokens_checked_max) return false;
  }
  return false;
}

}  // namespace caponier::ike
