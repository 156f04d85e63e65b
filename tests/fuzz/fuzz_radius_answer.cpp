// What a RADIUS server answers: to a request that is under way, through the client and the relay.
// The first octet says whether the answer is sealed with the right secret, as a server gone mad
// would, and which code it has.

#include "crypto/openssl/legacy.h"
#include "fuzz/fuzz.h"
#include "radius/relay.h"

namespace {

using namespace caponier;
using fuzz::require;

const base::Bytes secret = base::as_bytes("secret");
constexpr base::Instant now{};

struct Setting {
  crypto::OpensslLegacy legacy;
  base::SeededRng rng{1};
  radius::RadiusClient client{{}, servers(), legacy, rng};
  radius::EapRelay relay{{}, client};
  radius::Transmit request;

  Setting() {
    static_cast<void>(relay.start(now));
    const auto identity =
        eap::encode({eap::Code::response, 1, eap::Type::identity, base::as_bytes("alice")});
    static_cast<void>(relay.handle(*identity, now));
    request = std::get<radius::Transmit>(*client.poll_action());
  }
  static std::vector<radius::Server> servers() {
    std::vector<radius::Server> list;
    list.push_back({"one", {base::IpAddress::v4(1), 1812}, {}, base::SecretBytes{secret}});
    return list;
  }
};

/// The input's attributes behind a good header.
base::ByteVec seal(Setting& setting, std::uint8_t options, base::Bytes attributes) {
  constexpr radius::Code codes[] = {radius::Code::access_accept, radius::Code::access_challenge,
                                    radius::Code::access_reject, radius::Code::coa_ack};
  const auto asked = radius::PacketView::decode(setting.request.datagram);
  radius::PacketBuilder builder{codes[(options >> 1U) % 4], asked->identifier};
  base::Reader in{attributes};
  while (in.remaining() >= 2) {
    const auto type = static_cast<radius::AttributeType>(*in.u8("type"));
    const std::size_t size = *in.u8("size");
    const auto value = in.take(std::min({size, in.remaining(), radius::attribute_value_max}), "");
    builder.add(type, *value);
  }
  auto sealed = builder.seal_answer(setting.legacy, secret, asked->authenticator);
  return sealed.value_or(base::ByteVec{});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const base::Bytes input = fuzz::bytes_of(data, size);
  Setting setting;
  const bool is_sealed = (data[0] & 1U) != 0;
  const base::ByteVec datagram =
      is_sealed ? seal(setting, data[0], input.subspan(1)) : base::to_vec(input.subspan(1));
  setting.client.handle_datagram(setting.request.port, setting.request.to, datagram, now);
  const auto action = setting.client.poll_action();
  require(is_sealed || !action, "nobody without the secret is answered for");
  if (!action) {
    require(setting.client.under_way() == 1, "what is ignored leaves the request alone");
    return 0;
  }
  const auto& answer = std::get<radius::Answer>(*action);
  const eap::Step step = setting.relay.handle_backend(answer, now);
  if (const auto* send = std::get_if<eap::Send>(&step)) {
    const auto packet = eap::Packet::decode(send->packet);
    require(packet && packet->code == eap::Code::request, "only requests are relayed");
  }
  if (const auto* success = std::get_if<eap::Success>(&step)) {
    require(success->outcome.msk.size() == eap::msk_size, "no success without a key");
  }
  require(setting.client.under_way() == 0, "an answer ends its request");
  return 0;
}
