#include "gateway/workers.h"

#include <gtest/gtest.h>

#include "unit/ipsec/pair.h"

namespace caponier::gateway {
namespace {

using namespace ipsec::test;
using ipsec::Verdict;
using namespace std::chrono_literals;

/// Two workers of A, and B's one engine on the other side.
struct Bench {
  explicit Bench(bool has_policies = true) {
    if (has_policies) workers.set_policies({policy()});
  }
  [[nodiscard]] ipsec::Policy policy() const {
    return {ipsec::PolicyAction::protect, "site", spec.child, spec.a_nets, spec.b_nets};
  }
  ByteVec protect(std::size_t index) {
    ipsec::PacketBuffer packet;
    packet.assign(udp_packet("10.1.0.5", "10.2.0.9", 10));
    last = {};
    last.packet = &packet;
    workers[index].protect({&last, 1}, now);
    return base::to_vec(std::as_const(packet).bytes());
  }
  Verdict open(std::size_t index, const ByteVec& esp) {
    ipsec::PacketBuffer packet;
    packet.assign(esp);
    ipsec::OpenItem item;
    item.packet = &packet;
    item.path = spec.path;
    workers[index].open({&item, 1}, now);
    return item.verdict;
  }

  Spec spec;
  Instant now = at_seconds(100);
  ipsec::ProtectItem last;
  base::SeededRng rng{7};
  crypto::NullProvider crypto{nullptr};
  base::NoLock lock;
  Inspection inspection{lock, Capture{16, {}}, Tracer{16}};
  std::array<WorkerPorts, 2> ports{WorkerPorts{&rng, &lock}, WorkerPorts{&rng, &lock}};
  Workers workers{{}, ports, crypto, inspection};
  Pair pair;
};

std::vector<Worker::News> all_news(Bench& bench) {
  std::vector<Worker::News> all;
  while (auto news = bench.workers.poll_news(bench.now)) all.push_back(std::move(*news));
  return all;
}

TEST(GatewayWorkers, send_on_one_sa_with_numbers_of_one_row) {
  Bench bench;
  ASSERT_TRUE(bench.workers.install(install_for_a(bench.spec), bench.now));
  for (std::uint32_t i = 1; i <= 6; ++i) {
    const ByteVec esp = bench.protect(i % 2);
    EXPECT_EQ(base::load_be<std::uint32_t>(esp.data() + 4), i);
    EXPECT_EQ(open_one(bench.pair.b, esp).item.verdict, Verdict::forward);
  }
  const auto counters = bench.workers.counters({1});
  ASSERT_TRUE(counters);
  EXPECT_EQ(counters->packets_out, 6u);
  EXPECT_EQ(counters->last_out, bench.now);
}

TEST(GatewayWorkers, take_a_packet_once) {
  Bench bench;
  ASSERT_TRUE(bench.workers.install(install_for_a(bench.spec), bench.now));
  const ByteVec esp = protect_one(bench.pair.b, udp_packet("10.2.0.9", "10.1.0.5", 10)).esp;
  EXPECT_EQ(bench.open(1, esp), Verdict::forward);
  EXPECT_EQ(bench.open(0, esp), Verdict::drop);
  EXPECT_EQ(bench.workers.counters({1})->packets_in, 1u);
  EXPECT_EQ(bench.workers.counters({1})->drops[DropReason::esp_replay], 1u);
  EXPECT_EQ(bench.workers.drops()[0][DropReason::esp_replay], 1u);
  EXPECT_EQ(bench.workers.drops()[1].total(), 0u);
}

TEST(GatewayWorkers, have_an_sa_all_or_none) {
  Bench bench;
  ASSERT_TRUE(bench.workers[1].engine().install(install_for_a(bench.spec), bench.now));
  EXPECT_FALSE(bench.workers.install(install_for_a(bench.spec), bench.now));
  EXPECT_EQ(bench.workers.association_count(), 0u);
  ASSERT_TRUE(bench.workers.install(install_for_a(bench.spec), bench.now));
  bench.workers.remove({1});
  for (const std::size_t index : {0u, 1u}) {
    EXPECT_EQ(bench.workers[index].engine().association_count(), 0u);
  }
}

TEST(GatewayWorkers, ask_for_an_sa_once) {
  Bench bench;
  static_cast<void>(bench.protect(0));
  static_cast<void>(bench.protect(1));
  EXPECT_EQ(bench.last.verdict, Verdict::held);
  EXPECT_EQ(all_news(bench).size(), 1u);
  bench.now = bench.now + 1s;
  static_cast<void>(bench.protect(1));
  EXPECT_EQ(all_news(bench).size(), 1u);
}

TEST(GatewayWorkers, release_what_waits_with_each_of_them) {
  Bench bench;
  for (const std::size_t index : {0u, 1u}) static_cast<void>(bench.protect(index));
  EXPECT_FALSE(bench.workers[0].has_released());
  ASSERT_TRUE(bench.workers.install(install_for_a(bench.spec), bench.now));
  for (const std::size_t index : {0u, 1u}) {
    EXPECT_TRUE(bench.workers[index].has_released());
    ipsec::PacketBuffer packet;
    ipsec::PacketBuffer* const to = &packet;
    EXPECT_EQ(bench.workers[index].take_waiting({&to, 1}), 1u);
    EXPECT_FALSE(bench.workers[index].has_released());
  }
}

TEST(GatewayWorkers, skip_numbers_once) {
  Bench bench;
  ASSERT_TRUE(bench.workers.install(install_for_a(bench.spec), bench.now));
  bench.workers.skip({{1}, 1000});
  const ByteVec esp = bench.protect(1);
  EXPECT_EQ(base::load_be<std::uint32_t>(esp.data() + 4), 1001u);
}

TEST(GatewayWorkers, tell_of_a_peer_once_a_second) {
  Bench bench;
  bench.spec.udp_encap = true;
  ASSERT_TRUE(bench.workers.install(install_for_a(bench.spec), bench.now));
  for (int i = 0; i < 3; ++i) {
    const ByteVec esp = protect_one(bench.pair.b, udp_packet("10.2.0.9", "10.1.0.5", 10)).esp;
    EXPECT_EQ(bench.open(0, esp), Verdict::forward);
    static_cast<void>(bench.protect(0));
  }
  const auto news = all_news(bench);
  ASSERT_EQ(news.size(), 2u);
  EXPECT_TRUE(std::holds_alternative<ike::PeerHeard>(news[0]));
  EXPECT_TRUE(std::holds_alternative<ike::EspSent>(news[1]));
  EXPECT_FALSE(bench.workers[0].has_news());
  bench.now = bench.now + heard_interval;
  static_cast<void>(bench.protect(0));
  EXPECT_EQ(all_news(bench).size(), 1u);
}

TEST(GatewayWorkers, fill_the_silence_of_an_sa_once) {
  Bench bench;
  policy::InstallSa sa = install_for_a(bench.spec);
  sa.treatment.dummy_interval = 50ms;
  ASSERT_TRUE(bench.workers.install(std::move(sa), bench.now));
  EXPECT_TRUE(bench.workers[0].next_deadline());
  EXPECT_FALSE(bench.workers[1].next_deadline());
  bench.workers[0].handle_deadline(bench.now + 60ms);
  EXPECT_EQ(bench.workers[0].made().size(), 1u);
}

TEST(GatewayWorkers, are_all_looked_at_by_the_trace_and_the_capture) {
  Bench bench;
  ASSERT_TRUE(bench.workers.install(install_for_a(bench.spec), bench.now));
  static_cast<void>(bench.protect(0));
  EXPECT_FALSE(bench.inspection.is_on());
  bench.inspection.set_trace(TraceRequest{}, bench.now);
  bench.inspection.set_capture(true);
  for (const std::size_t index : {0u, 1u}) static_cast<void>(bench.protect(index));
  for (const std::uint32_t sequence : {2u, 3u}) {
    const auto record = bench.inspection.tracer().poll();
    ASSERT_TRUE(record);
    EXPECT_EQ(record->sequence, sequence);
    EXPECT_EQ(record->peer, "site");
  }
  int blocks = 0;
  while (bench.inspection.capture().poll()) ++blocks;
  EXPECT_EQ(blocks, 3) << "the head of the file and two packets";
  bench.inspection.set_trace(std::nullopt, bench.now);
  bench.inspection.set_capture(false);
  EXPECT_FALSE(bench.inspection.is_on());
}

}  // namespace
}  // namespace caponier::gateway
