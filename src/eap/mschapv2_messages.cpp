#include "eap/mschapv2_messages.h"

#include "base/error.h"

namespace caponier::eap::mschapv2 {
namespace {

constexpr std::uint8_t challenge_value_size = 16;
constexpr std::uint8_t reserved_size = 8;
/// Peer-Challenge, Reserved, NT-Response and Flags.
constexpr std::uint8_t response_value_size = 16 + reserved_size + 24 + 1;

void write_header(base::Writer& out, OpCode op_code, std::uint8_t id) {
  out.u8(static_cast<std::uint8_t>(op_code));
  out.u8(id);
  out.u16(0);
}

ByteVec finish(base::Writer& out) {
  out.patch_u16(2, out.size());
  return base::to_vec(out.view());
}

struct Header {
  OpCode op_code{};
  std::uint8_t id = 0;
};

base::Wire<Header> read_header(base::Reader& in) {
  Header header;
  header.op_code = static_cast<OpCode>(TRY(in.u8("mschapv2.op_code")));
  header.id = TRY(in.u8("mschapv2.id"));
  TRY_VOID(in.skip(2, "mschapv2.ms_length"));
  return header;
}

/// A Value-Size that must be `size`, the value, and a name.
struct Sized {
  Header header;
  Bytes value;
  std::string name;
};

base::Wire<Sized> read_sized(Bytes data, OpCode op_code, std::size_t size) {
  base::Reader in{data};
  Sized sized;
  sized.header = TRY(read_header(in));
  const std::size_t value_size = TRY(in.u8("mschapv2.value_size"));
  if (sized.header.op_code != op_code || value_size != size) {
    return std::unexpected{in.error(base::WireFault::bad_length, "mschapv2.value_size")};
  }
  sized.value = TRY(in.take(size, "mschapv2.value"));
  sized.name = base::as_text(in.take_rest());
  return sized;
}

}  // namespace

std::optional<OpCode> op_code(Bytes data) {
  if (data.empty()) return std::nullopt;
  return static_cast<OpCode>(data[0]);
}

ByteVec encode(const ChallengeMessage& message) {
  base::Writer out;
  write_header(out, OpCode::challenge, message.id);
  out.u8(challenge_value_size);
  out.bytes(message.challenge);
  out.bytes(base::as_bytes(message.name));
  return finish(out);
}

std::optional<ChallengeMessage> decode_challenge(Bytes data) {
  auto sized = read_sized(data, OpCode::challenge, challenge_value_size);
  if (!sized) return std::nullopt;
  ChallengeMessage message;
  message.id = sized->header.id;
  base::copy_into(message.challenge, sized->value);
  message.name = std::move(sized->name);
  return message;
}

ByteVec encode(const ResponseMessage& message) {
  base::Writer out;
  write_header(out, OpCode::response, message.id);
  out.u8(response_value_size);
  out.bytes(message.peer_challenge);
  out.zeros(reserved_size);
  out.bytes(message.response);
  out.u8(0);
  out.bytes(base::as_bytes(message.name));
  return finish(out);
}

std::optional<ResponseMessage> decode_response(Bytes data) {
  auto sized = read_sized(data, OpCode::response, response_value_size);
  if (!sized) return std::nullopt;
  ResponseMessage message;
  message.id = sized->header.id;
  base::copy_into(message.peer_challenge, sized->value.first(message.peer_challenge.size()));
  base::copy_into(
      message.response,
      sized->value.subspan(message.peer_challenge.size() + reserved_size, message.response.size()));
  message.name = std::move(sized->name);
  return message;
}

ByteVec encode_text(OpCode op_code, std::uint8_t id, std::string_view text) {
  base::Writer out;
  write_header(out, op_code, id);
  out.bytes(base::as_bytes(text));
  return finish(out);
}

std::optional<std::string_view> decode_text(Bytes data) {
  if (data.size() < message_header_size) return std::nullopt;
  return base::as_text(data.subspan(message_header_size));
}

ByteVec encode_bare(OpCode op_code) { return {static_cast<std::byte>(op_code)}; }

}  // namespace caponier::eap::mschapv2
