// The framing of RFC 9329: cuts do not matter, memory is bounded, and what is read re-encodes.

#include <algorithm>
#include <vector>

#include "fuzz/fuzz.h"
#include "wire/tcp_stream.h"

namespace {

using namespace caponier;
using fuzz::require;

constexpr std::size_t message_max = 2048;

struct Reading {
  std::vector<base::ByteVec> messages;
  bool failed = false;
};

/// In pieces of `step` bytes, or as a whole when 0.
Reading read(base::Bytes stream, wire::TcpRole role, std::size_t step) {
  wire::TcpStreamReader reader{role, message_max};
  Reading reading;
  while (!stream.empty()) {
    base::Bytes piece = step == 0 ? stream : stream.first(std::min(step, stream.size()));
    stream = stream.subspan(piece.size());
    for (;;) {
      const auto message = reader.next(piece);
      require(reader.buffered() <= message_max + wire::tcp_length_size, "memory is bounded");
      if (!message) {
        reading.failed = true;
        return reading;
      }
      if (!*message) break;
      require(!(*message)->empty() && (*message)->size() <= message_max, "sizes");
      reading.messages.push_back(base::to_vec(**message));
    }
    require(piece.empty(), "all is taken");
  }
  return reading;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const base::Bytes input = fuzz::bytes_of(data, size);
  const auto role = (data[0] & 0x80U) != 0 ? wire::TcpRole::originator : wire::TcpRole::responder;
  const base::Bytes stream = input.subspan(1);
  const Reading whole = read(stream, role, 0);
  const Reading pieces = read(stream, role, 1 + (data[0] & 0x7fU));
  require(whole.failed == pieces.failed && whole.messages == pieces.messages, "cuts do not matter");

  const auto other =
      role == wire::TcpRole::originator ? wire::TcpRole::responder : wire::TcpRole::originator;
  wire::TcpStreamWriter writer{other};
  for (const base::ByteVec& message : whole.messages) {
    require(writer.push(message, 1U << 24U), "what was read can be written");
  }
  const Reading again = read(writer.unsent(), role, 0);
  require(!again.failed && again.messages == whole.messages, "what was read re-encodes");
  return 0;
}
