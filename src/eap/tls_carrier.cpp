#include "eap/tls_carrier.h"

#include <algorithm>

#include "base/error.h"

namespace caponier::eap {
namespace {

constexpr std::uint8_t flag_length = 0x80;
constexpr std::uint8_t flag_more = 0x40;
constexpr std::uint8_t flag_start = 0x20;

struct Fragment {
  bool has_more = false;
  std::optional<std::size_t> announced;
  Bytes data;
};

std::optional<Fragment> decode_fragment(Bytes bytes) {
  base::Reader in{bytes};
  const auto flags = in.u8("tls.flags");
  if (!flags) return std::nullopt;
  Fragment fragment;
  fragment.has_more = (*flags & flag_more) != 0;
  if ((*flags & flag_length) != 0) {
    const auto length = in.u32("tls.length");
    if (!length) return std::nullopt;
    fragment.announced = *length;
  }
  fragment.data = in.take_rest();
  return fragment;
}

std::unexpected<Failed> broken(FailureReason reason, const char* sentence) {
  return std::unexpected{Failed{reason, sentence}};
}

}  // namespace

ByteVec TlsCarrier::start() { return {std::byte{flag_start}}; }

bool TlsCarrier::is_start(Bytes data) {
  return !data.empty() && (std::to_integer<std::uint8_t>(data[0]) & flag_start) != 0;
}

std::expected<std::optional<ByteVec>, Failed> TlsCarrier::take(Bytes data) {
  const auto fragment = decode_fragment(data);
  if (!fragment) return broken(FailureReason::malformed, "a TLS fragment that does not decode");
  if (sent_ < outgoing_.size()) {
    if (!fragment->data.empty() || fragment->has_more) {
      return broken(FailureReason::out_of_place, "TLS data where an acknowledgement was due");
    }
    return next_fragment();
  }
  if (fragment->announced) {
    const bool differs = announced_ && *announced_ != *fragment->announced;
    if (*fragment->announced > tls_message_size_max) {
      return broken(FailureReason::too_long, "a TLS message of more than 64 KiB");
    }
    if (differs || (is_collecting_ && !announced_)) {
      return broken(FailureReason::malformed, "TLS fragments that contradict each other's length");
    }
    announced_ = fragment->announced;
  }
  return collect(fragment->data, fragment->has_more);
}

std::expected<std::optional<ByteVec>, Failed> TlsCarrier::collect(Bytes data, bool has_more) {
  if (has_more && data.empty()) {
    return broken(FailureReason::malformed, "an empty TLS fragment that is not the last");
  }
  if ((has_more || is_collecting_) && !announced_) {
    return broken(FailureReason::malformed, "TLS fragments of a message of unknown length");
  }
  base::append(incoming_, data);
  if (incoming_.size() > announced_.value_or(tls_message_size_max)) {
    return broken(FailureReason::malformed, "TLS fragments that exceed the length they announced");
  }
  is_collecting_ = has_more;
  if (has_more) return ByteVec{std::byte{0}};
  if (announced_ && incoming_.size() != *announced_) {
    return broken(FailureReason::malformed, "TLS fragments that end before their length");
  }
  announced_.reset();
  return std::nullopt;
}

std::expected<ByteVec, Failed> TlsCarrier::say() {
  outgoing_ = session_->take_output();
  sent_ = 0;
  if (outgoing_.size() > tls_message_size_max) {
    return broken(FailureReason::too_long, "our TLS message has more than 64 KiB");
  }
  if (outgoing_.empty()) return ByteVec{std::byte{0}};
  return next_fragment();
}

ByteVec TlsCarrier::next_fragment() {
  const std::size_t size = std::min(fragment_size_, outgoing_.size() - sent_);
  const bool is_first = sent_ == 0;
  const bool has_more = sent_ + size < outgoing_.size();
  base::Writer out;
  const bool says_length = is_first && has_more;
  out.u8(static_cast<std::uint8_t>((says_length ? flag_length : 0) | (has_more ? flag_more : 0)));
  if (says_length) out.u32(static_cast<std::uint32_t>(outgoing_.size()));
  out.bytes(Bytes{outgoing_}.subspan(sent_, size));
  sent_ += size;
  if (!has_more) {
    outgoing_.clear();
    sent_ = 0;
  }
  return base::to_vec(out.view());
}

base::SecretBytes tls_msk(const TlsSession& session, Type type) {
  // RFC 9190 s2.3: all 128 octets must be asked for, or TLS 1.3 gives others.
  constexpr std::size_t key_material_size = 128;
  base::SecretBytes material;
  if (session.version() == TlsVersion::tls13) {
    const std::byte context{static_cast<std::uint8_t>(type)};
    material =
        session.export_key("EXPORTER_EAP_TLS_Key_Material", Bytes{&context, 1}, key_material_size);
  } else {
    const bool is_ttls = type == Type::ttls;
    material = session.export_key(is_ttls ? "ttls keying material" : "client EAP encryption",
                                  std::nullopt, key_material_size);
  }
  if (material.size() != key_material_size) return {};
  return base::SecretBytes{material.reveal().first(msk_size)};
}

std::optional<ClientStep> TlsHandshake::advance(Bytes data) {
  if (dying_) {
    // The alert is out, or its next fragment is asked for; whatever the peer says, it is over.
    return std::move(*dying_);
  }
  auto taken = carrier_.take(data);
  if (!taken) return std::move(taken.error());
  if (*taken) return Say{std::move(**taken)};
  const bool was_established = session().state() == TlsState::established;
  const ByteVec message = carrier_.take_message();
  message_was_empty_ = message.empty();
  if (message.empty() && was_established) return std::nullopt;
  switch (session().handle(message)) {
    case TlsState::handshaking: return say();
    case TlsState::established: return std::nullopt;
    case TlsState::failed: break;
  }
  return give_up();
}

ClientStep TlsHandshake::say() {
  auto packet = carrier_.say();
  if (!packet) return std::move(packet.error());
  return Say{std::move(*packet)};
}

ClientStep TlsHandshake::begin_client() {
  if (session().handle({}) == TlsState::failed) return give_up();
  return say();
}

ClientStep TlsHandshake::give_up() {
  Failed failed{FailureReason::tls, session().failure()};
  auto alert = carrier_.say();
  constexpr std::size_t empty_packet = 1;
  if (alert && alert->size() > empty_packet) {
    failed.last_word = *alert;
    dying_ = failed;
    dying_->last_word.reset();
  }
  return failed;
}

ServerStep to_server_step(ClientStep step) {
  if (auto* say = std::get_if<Say>(&step)) return std::move(*say);
  auto& failed = std::get<Failed>(step);
  if (failed.last_word) return Say{std::move(*failed.last_word)};
  return std::move(failed);
}

ClientStep to_client_step(ClientStep step) {
  if (auto* failed = std::get_if<Failed>(&step); failed && !failed->last_word) {
    failed->last_word = ByteVec{std::byte{0}};
  }
  return step;
}

}  // namespace caponier::eap
