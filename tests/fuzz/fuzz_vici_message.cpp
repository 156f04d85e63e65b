// A segment of the VICI socket: packet and message. What is taken is written back as the same tree.

#include "fuzz/fuzz.h"
#include "vici/packet.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace caponier;
  using namespace caponier::vici;
  const base::Bytes input = fuzz::bytes_of(data, size);
  const auto packet = Packet::decode(base::as_text(input));
  if (packet) {
    const std::string again = make_packet(packet->type, packet->name, packet->message);
    fuzz::require(again.substr(length_size) == base::as_text(input), "packets are written as read");
  }
  for (const base::Bytes bytes : {input, base::as_bytes(packet ? packet->message : "")}) {
    const auto message = Message::decode(bytes);
    if (!message) {
      fuzz::require(message.error().offset <= bytes.size(), "the fault is in the message");
      continue;
    }
    const std::string again = message->encode();
    fuzz::require(again == base::as_text(bytes), "messages are written as read");
  }
  return 0;
}
