// Keys and packets for Wireshark.

#include <gtest/gtest.h>

#include "sim/sim_test.h"

namespace caponier::sim {
namespace {

Tunnel gcm_tunnel() {
  Tunnel tunnel = psk_tunnel();
  tunnel.a_starts = true;
  return tunnel;
}

TEST(Export, keys_are_given_out_only_while_the_configuration_allows_it) {
  TestWorld w{seed_from_env(1)};
  w.allow_weather();
  Node& a = w.add();
  Node& b = w.add();
  a.allow_key_export = true;
  w.connect(a, b, gcm_tunnel());
  a.start();
  b.start();
  w.run_until_idle();
  const auto tables = a.gateway().key_tables();
  ASSERT_TRUE(tables.has_value());
  EXPECT_EQ(std::count(tables->esp_sa.begin(), tables->esp_sa.end(), '\n'), 2);
  EXPECT_EQ(std::count(tables->ikev2_decryption_table.begin(), tables->ikev2_decryption_table.end(),
                       '\n'),
            1);
  EXPECT_FALSE(b.gateway().key_tables().has_value());
  a.allow_key_export = false;
  a.reload();
  EXPECT_FALSE(a.gateway().key_tables().has_value());
  a.allow_key_export = true;
  a.reload();
  EXPECT_TRUE(a.gateway().key_tables()->esp_sa.empty());
}

TEST(Export, a_capture_holds_the_outer_packets_of_both_directions) {
  TestWorld w{seed_from_env(1)};
  auto [a, b] = w.pair(psk_tunnel());
  a.gateway().set_capture(true, w.now());
  a.initiate();
  w.run_until_idle();
  Flow& flow = w.flow(a, b, 100ms);
  w.run_for(950ms);
  flow.running = false;
  w.run_for(1s);
  std::size_t blocks = 0;
  while (a.gateway().poll_capture()) ++blocks;
  // The head, IKE_SA_INIT and IKE_AUTH with their answers, ten echoes there and back.
  EXPECT_EQ(blocks, 1u + 4u + 20u);
}

}  // namespace
}  // namespace caponier::sim
