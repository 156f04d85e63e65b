// The fragment assembler: any order of any numbers, sizes and times. What comes out is whole, and
// what it keeps stays within its limits.

#include "fuzz/fuzz.h"
#include "ike/fragments.h"

namespace {

using namespace caponier;
using fuzz::require;

ike::IkeLimits small_limits() {
  ike::IkeLimits limits;
  limits.fragments_per_message_max = 8;
  limits.fragment_bytes_per_ike_max = 2000;
  limits.fragment_bytes_max = 4000;
  return limits;
}

constexpr std::size_t step_size = 5;

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ike::IkeLimits limits = small_limits();
  ike::FragmentBudget budget{limits.fragment_bytes_max};
  base::Instant now{std::chrono::hours{1}};
  {
    ike::FragmentAssembler first{limits, budget};
    ike::FragmentAssembler second{limits, budget};
    for (; size >= step_size; data += step_size, size -= step_size) {
      ike::FragmentAssembler& assembler = (data[0] & 1) != 0 ? first : second;
      const ike::FragmentKey key{(data[0] & 2) != 0, {static_cast<std::uint32_t>(data[0] >> 4)}};
      const ike::FragmentNumbers numbers{static_cast<std::uint16_t>(data[1] & 0x0f),
                                         static_cast<std::uint16_t>(data[1] >> 4)};
      now = now + std::chrono::seconds{data[2]};
      (void)assembler.expire(now);
      if ((data[0] & 8) != 0) assembler.forget(key);
      if (assembler.objection(key, numbers)) continue;
      ike::Unsealed piece;
      piece.chain = base::ByteVec(data[3] * std::size_t{4}, static_cast<std::byte>(data[1] & 0x0f));
      const auto message =
          assembler.add(key, numbers, std::move(piece), data[4], (data[0] & 4) != 0, now);
      require(budget.used() <= limits.fragment_bytes_max, "the budget is kept");
      if (!message || !*message) continue;
      require((*message)->fragments == numbers.total, "all fragments were there");
      require((*message)->inside.chain.size() <= limits.fragment_bytes_per_ike_max,
              "a message is not larger than the limit");
      std::byte last{};
      for (const std::byte octet : (*message)->inside.chain) {
        require(octet >= last, "the pieces are in order");
        last = octet;
      }
    }
    const auto expiry = first.next_expiry();
    require(expiry.has_value() == (first.size() > 0), "what is kept has an end");
  }
  require(budget.used() == 0, "everything is given back");
  return 0;
}
