// One SA in the engines of two workers, each in a thread of its own.

#include <iterator>
#include <set>
#include <thread>

#include <gtest/gtest.h>

#include "unit/ipsec/pair.h"

namespace caponier::ipsec::test {
namespace {

EngineLimits shared() {
  EngineLimits limits;
  limits.shares_associations = true;
  return limits;
}

/// A pair whose both ends have a second worker for the same SA.
struct Workers {
  explicit Workers(Spec spec = {}) : pair(spec, shared()) {
    a2.set_policies({{PolicyAction::protect, "site", "net", pair.spec.a_nets, pair.spec.b_nets}});
    const auto common_a = pair.a.common_of({spec.id});
    const auto common_b = pair.b.common_of({spec.id});
    installed = a2.install_beside(install_for_a(spec), common_a, {}).has_value() &&
                b2.install_beside(install_for_b(spec), common_b, {}).has_value();
  }

  Pair pair;
  base::SeededRng rng_a2{2};
  base::SeededRng rng_b2{3};
  Engine a2{shared(), rng_a2, pair.null_};
  Engine b2{shared(), rng_b2, pair.null_};
  bool installed = false;
};

std::uint64_t sequence_of(const ByteVec& esp) {
  return base::load_be<std::uint32_t>(esp.data() + 4);
}

//= rfc4303#3.4.3-5 type=test
TEST(Workers, open_a_packet_once_whoever_has_it) {
  Workers workers;
  ASSERT_TRUE(workers.installed);
  const ByteVec esp = protect_one(workers.pair.a, v4_packet()).esp;
  EXPECT_EQ(open_one(workers.b2, esp).item.verdict, Verdict::forward);
  const Opened again = open_one(workers.pair.b, esp);
  EXPECT_EQ(again.item.verdict, Verdict::drop);
  EXPECT_EQ(again.item.drop, DropReason::esp_replay);
  EXPECT_EQ(workers.b2.counters({1})->packets_in, 1u);
  EXPECT_EQ(workers.pair.b.counters({1})->packets_in, 0u);
}

//= rfc4303#2.2-1 type=test
TEST(Workers, never_send_the_same_sequence_number) {
  Workers workers;
  const std::vector<ByteVec> packets(200, v4_packet());
  std::vector<Protected> first;
  std::vector<Protected> second;
  std::thread other{[&] {
    for (int i = 0; i < 20; ++i)
      std::ranges::move(protect_all(workers.a2, packets, {}), std::back_inserter(second));
  }};
  for (int i = 0; i < 20; ++i) {
    std::ranges::move(protect_all(workers.pair.a, packets, {}), std::back_inserter(first));
  }
  other.join();
  std::set<std::uint64_t> seen;
  for (const auto* const all : {&first, &second}) {
    for (const Protected& sent : *all) {
      ASSERT_EQ(sent.item.verdict, Verdict::forward);
      EXPECT_TRUE(seen.insert(sequence_of(sent.esp)).second);
    }
  }
  EXPECT_EQ(seen.size(), 8000u);
  EXPECT_EQ(*seen.rbegin(), 8000u);
}

/// Two SAs for everybody's traffic and for that of resource 1, in the engine of resource `own`.
class OfResource {
 public:
  explicit OfResource(std::uint32_t own, std::uint32_t resources = 2)
      : engine_(limits_of(own), rng_, null_) {
    engine_.set_policies({{.connection = "site",
                           .child = "net",
                           .local = Spec{}.a_nets,
                           .remote = Spec{}.b_nets,
                           .resources = resources}});
  }
  void install(std::uint64_t id, std::optional<std::uint32_t> resource) {
    Spec spec;
    spec.id = id;
    if (resource) spec.resource = policy::ResourceId{*resource};
    EXPECT_TRUE(engine_.install(install_for_a(spec), now).has_value());
  }
  /// The SA that carries a packet.
  std::uint64_t send(std::uint16_t port = 7) {
    return protect_one(engine_, udp_packet("10.1.0.5", "10.2.0.9", 100, port), now).item.sa.value;
  }
  /// The resources that have been asked for since.
  std::vector<std::optional<policy::ResourceId>> asked() {
    std::vector<std::optional<policy::ResourceId>> resources;
    while (auto notice = engine_.poll_notice()) {
      if (const auto* acquire = std::get_if<Acquire>(&*notice))
        resources.push_back(acquire->resource);
    }
    return resources;
  }
  Engine& engine() { return engine_; }
  Instant now = at_seconds(100);

 private:
  static EngineLimits limits_of(std::uint32_t own) {
    EngineLimits limits = shared();
    limits.resource = policy::ResourceId{own};
    return limits;
  }
  base::SeededRng rng_{4};
  crypto::NullProvider null_{nullptr};
  Engine engine_;
};

using Asked = std::vector<std::optional<policy::ResourceId>>;

// RFC 9611 s4, s6
TEST(Workers, send_on_the_first_sa_and_ask_for_one_of_their_own_until_they_have_it) {
  OfResource worker{1};
  worker.install(1, std::nullopt);
  EXPECT_EQ(worker.send(), 1u);
  EXPECT_EQ(worker.asked(), Asked{policy::ResourceId{1}});
  EXPECT_EQ(worker.send(8), 1u);
  EXPECT_EQ(worker.asked(), Asked{});  // so soon again
  worker.install(2, 0);
  EXPECT_EQ(worker.send(), 1u);
  worker.now = at_seconds(102);
  EXPECT_EQ(worker.send(9), 1u);
  EXPECT_EQ(worker.asked(), Asked{policy::ResourceId{1}});
  worker.install(3, 1);
  EXPECT_EQ(worker.send(), 3u);
  worker.install(4, std::nullopt);
  worker.now = at_seconds(104);
  EXPECT_EQ(worker.send(10), 3u);
  EXPECT_EQ(worker.asked(), Asked{});
  worker.engine().remove({3});
  EXPECT_EQ(worker.send(), 4u);
  EXPECT_EQ(worker.asked(), Asked{policy::ResourceId{1}});
}

TEST(Workers, beyond_as_many_as_are_wanted_ask_for_nothing) {
  OfResource worker{2, 2};
  worker.install(1, std::nullopt);
  worker.install(2, 1);
  EXPECT_EQ(worker.send(), 1u);
  EXPECT_EQ(worker.asked(), Asked{});
}

TEST(Workers, send_on_anothers_sa_when_there_is_no_first) {
  OfResource worker{0};
  worker.install(1, 1);
  EXPECT_EQ(worker.send(), 1u);
  EXPECT_EQ(worker.asked(), Asked{policy::ResourceId{0}});
}

TEST(Workers, deliver_each_packet_once_when_both_get_all_of_them) {
  Spec spec;
  spec.window = 65536;
  Workers workers{spec};
  std::vector<ByteVec> wire;
  for (int i = 0; i < 20; ++i) {
    for (Protected& sent :
         protect_all(workers.pair.a, std::vector<ByteVec>(250, v4_packet()), {})) {
      wire.push_back(std::move(sent.esp));
    }
  }
  std::size_t by_second = 0;
  const auto open_in_parts = [&wire](Engine& engine) {
    std::size_t delivered = 0;
    for (std::size_t at = 0; at < wire.size(); at += 100) {
      const std::vector<ByteVec> part(wire.begin() + static_cast<std::ptrdiff_t>(at),
                                      wire.begin() + static_cast<std::ptrdiff_t>(at + 100));
      for (const Opened& got : open_all(engine, part, {}, {})) {
        delivered += got.item.verdict == Verdict::forward ? 1 : 0;
      }
    }
    return delivered;
  };
  std::thread other{[&] { by_second = open_in_parts(workers.b2); }};
  const std::size_t by_first = open_in_parts(workers.pair.b);
  other.join();
  EXPECT_EQ(by_first + by_second, wire.size());
  EXPECT_EQ(workers.pair.b.counters({1})->packets_in + workers.b2.counters({1})->packets_in,
            wire.size());
  EXPECT_EQ(
      workers.pair.b.drops()[DropReason::esp_replay] + workers.b2.drops()[DropReason::esp_replay],
      wire.size());
}

TEST(Workers, count_one_lifetime_together) {
  Spec spec;
  spec.lifetime.hard_packets = 4;
  Workers workers{spec};
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(protect_one(workers.pair.a, v4_packet()).item.verdict, Verdict::forward);
    EXPECT_EQ(protect_one(workers.a2, v4_packet()).item.verdict, Verdict::forward);
  }
  EXPECT_EQ(notices_of<Expired>(workers.a2).size(), 1u);
  EXPECT_EQ(protect_one(workers.a2, v4_packet()).item.drop, DropReason::clear_expired);
}

}  // namespace
}  // namespace caponier::ipsec::test
