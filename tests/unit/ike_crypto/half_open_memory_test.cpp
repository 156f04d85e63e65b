// What a half-open IKE SA weighs with real key exchanges, everything the allocator gave away.

#include <gtest/gtest.h>
#include <malloc.h>

#include <cstdio>

#include "crypto/openssl/provider.h"
#include "ike/endpoint.h"

namespace caponier::ike {
namespace {

using namespace std::chrono_literals;

std::size_t bytes_in_use() { return mallinfo2().uordblks; }

std::shared_ptr<const ConnectionConfig> make_connection(std::string_view remote) {
  auto connection = std::make_shared<ConnectionConfig>();
  connection->name = "peer";
  if (!remote.empty()) connection->remote_addresses = {*base::IpAddress::parse(remote)};
  connection->own_rounds.front().identity = policy::Identity::parse("a.example");
  connection->offers = policy::default_ike_offers();
  ChildConfig child;
  child.name = "net";
  child.offers = policy::default_esp_offers();
  connection->children.push_back(std::move(child));
  return connection;
}

/// Our own initiator's request, as it would go to anybody.
base::ByteVec make_request(const crypto::CryptoProvider& crypto, base::Rng& rng,
                           base::Instant now) {
  IkeEndpoint endpoint{EndpointConfig{}, rng, crypto, now};
  endpoint.set_connections({make_connection("192.0.2.2")});
  endpoint.handle_command(Initiate{.connection = "peer",
                                   .path = {{*base::IpAddress::parse("192.0.2.1"), 500},
                                            {*base::IpAddress::parse("192.0.2.2"), 500}}},
                          now);
  while (auto action = endpoint.poll_action()) {
    if (auto* const transmit = std::get_if<Transmit>(&*action)) return transmit->datagram;
  }
  return {};
}

TEST(IkeHalfOpen, an_sa_of_which_the_peer_is_unproven_takes_less_than_a_kibibyte) {
  constexpr std::uint32_t count = 20000;
  const crypto::OpensslProvider crypto;
  base::SeededRng rng{1};
  const base::Instant now{1h};
  base::ByteVec request = make_request(crypto, rng, now);
  ASSERT_FALSE(request.empty());
  EndpointConfig config;
  config.limits.half_open_max = count;
  config.limits.ike_sas_max = 2 * count;
  config.limits.cookie_threshold = count;
  config.limits.cookie_threshold_per_net = count;
  config.limits.half_open_per_address_max = count;
  config.limits.puzzle_threshold = count;
  IkeEndpoint endpoint{config, rng, crypto, now};
  endpoint.set_connections({make_connection({})});
  const std::size_t before = bytes_in_use();
  for (std::uint32_t i = 0; i < count; ++i) {
    base::store_be<std::uint64_t>(request.data(), i + 1);
    // Every one from a net of its own, the worst case for the counters.
    const base::Path path{{*base::IpAddress::parse("192.0.2.2"), 500},
                          {base::IpAddress::v4(0x0a000000U + (i << 8U)), 500}};
    endpoint.handle_datagram(path, request, now);
    while (endpoint.poll_action()) {
    }
  }
  ASSERT_EQ(endpoint.half_open_count(), count);
  const std::size_t each = (bytes_in_use() - before) / count;
  std::printf("a half-open IKE SA: %zu bytes, its request %zu\n", each, request.size());
  RecordProperty("bytes_each", std::to_string(each));
  EXPECT_LE(each, 1024u);
}

}  // namespace
}  // namespace caponier::ike
