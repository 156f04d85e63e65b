// Disconnect and CoA requests. The first octet says whether the rest is sealed as by a server that
// may ask.

#include "crypto/openssl/legacy.h"
#include "fuzz/fuzz.h"
#include "radius/dynamic.h"

namespace {

using namespace caponier;
using fuzz::require;

const base::Bytes secret = base::as_bytes("secret");
constexpr radius::UnixSeconds now{1'700'000'000};

radius::DynamicSettings settings() {
  radius::DynamicSettings made;
  made.clients.push_back({base::IpAddress::v4(1), base::SecretBytes{secret}});
  made.demand_timestamp = false;
  return made;
}

base::ByteVec seal(const crypto::LegacyCrypto& legacy, std::uint8_t options,
                   base::Bytes attributes) {
  const bool is_coa = (options & 2U) != 0;
  radius::PacketBuilder builder{
      is_coa ? radius::Code::coa_request : radius::Code::disconnect_request, options};
  base::Reader in{attributes};
  while (in.remaining() >= 2) {
    const auto type = static_cast<radius::AttributeType>(*in.u8("type"));
    const std::size_t size = *in.u8("size");
    const auto value = in.take(std::min({size, in.remaining(), radius::attribute_value_max}), "");
    builder.add(type, *value);
  }
  return builder.seal_hashed_request(legacy, secret).value_or(base::ByteVec{});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const base::Bytes input = fuzz::bytes_of(data, size);
  const crypto::OpensslLegacy legacy;
  radius::NasAttributes nas;
  nas.identifier = "gateway";
  radius::DynamicAuthorization machine{settings(), nas, legacy};
  const base::Endpoint from{base::IpAddress::v4(1), 9};
  const bool is_sealed = (data[0] & 1U) != 0;
  const base::ByteVec datagram =
      is_sealed ? seal(legacy, data[0], input.subspan(1)) : base::to_vec(input.subspan(1));
  machine.handle_datagram(from, datagram, now);
  const auto action = machine.poll_action();
  require(is_sealed || !action, "nobody without the secret gets an answer");
  if (!action) return 0;
  if (const auto* request = std::get_if<radius::DynamicRequest>(&*action)) {
    machine.answer(request->id, radius::ErrorCause::none);
  }
  const auto again = machine.poll_action();
  const auto* transmit = std::get_if<radius::DynamicTransmit>(again ? &*again : &*action);
  require(transmit != nullptr, "every request is answered");
  const auto answer = radius::PacketView::decode(transmit->datagram);
  const auto asked = radius::PacketView::decode(datagram);
  require(answer && asked &&
              radius::check_answer(legacy, secret, *answer, asked->authenticator) ==
                  radius::Authenticity::authentic,
          "answers are authentic");
  machine.handle_datagram(from, datagram, now);
  const auto repeated = machine.poll_action();
  require(repeated && std::holds_alternative<radius::DynamicTransmit>(*repeated),
          "a repeated request does nothing again");
  return 0;
}
