// What the process with the keys and the one that speaks with peers may hear from each other. What
// is understood is understood again when it is written again.

#include "fuzz/fuzz.h"
#include "gateway/key_messages.h"

using namespace caponier;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const base::Bytes input = fuzz::bytes_of(data, size);
  if (const auto command = gateway::decode_key_command(input)) {
    const auto again = gateway::encode(*command);
    fuzz::require(again && base::equal(*again, input), "it is written as it was read");
  }
  if (const auto news = gateway::decode_key_news(input)) {
    const auto again = gateway::encode(*news);
    fuzz::require(again && base::equal(*again, input), "it is written as it was read");
  }
  return 0;
}
