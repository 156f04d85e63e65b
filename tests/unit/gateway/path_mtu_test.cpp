// The search for what a path carries, and errors that shorten it.

#include "gateway/path_mtu.h"

#include <gtest/gtest.h>

#include <variant>
#include <vector>

namespace caponier::gateway {
namespace {

using base::ByteVec;
using base::Family;
using base::Instant;
using namespace std::chrono_literals;

base::IpAddress ip(std::string_view text) { return *base::IpAddress::parse(text); }

/// A path that carries `mtu` octets and answers at once.
struct World {
  explicit World(std::size_t mtu, Family family = Family::v4, std::size_t max = 1500)
      : carries(mtu), search({}, family, max, true, now) {}

  /// Until nothing is due within `patience`; how many probes there were.
  unsigned settle(base::Duration patience = 2s) {
    unsigned probes = 0;
    for (;;) {
      const auto due = search.poll_deadline();
      if (!due || *due > now + patience || probes > 100) return probes;
      now = std::max(now, *due);
      const auto size = search.poll_probe(now);
      if (!size) continue;
      ++probes;
      if (*size > carries) now = now + 1s;
      if (*size > carries && tells) search.handle_hint(carries);
      search.handle_probed(*size, *size <= carries, now);
    }
  }

  std::size_t carries;
  bool tells = false;  ///< errors arrive that prove nothing
  Instant now{1h};
  PathSearch search;
};

TEST(PathSearch, takes_one_probe_where_the_path_carries_what_is_hoped) {
  World world{1500};
  EXPECT_EQ(world.search.mtu(), 1500u);
  EXPECT_EQ(world.search.proven(), 576u);
  EXPECT_EQ(world.settle(), 1u);
  EXPECT_EQ(world.search.mtu(), 1500u);
  EXPECT_EQ(world.search.proven(), 1500u);
}

TEST(PathSearch, finds_every_mtu_to_within_four_octets) {
  for (std::size_t mtu = 576; mtu <= 1500; ++mtu) {
    World world{mtu};
    EXPECT_LE(world.settle(), 20u);
    EXPECT_LE(world.search.mtu(), mtu);
    EXPECT_GT(world.search.mtu() + 4, mtu);
    EXPECT_EQ(world.search.proven(), world.search.mtu());
  }
  for (std::size_t mtu = 1280; mtu <= 9000; mtu += 7) {
    World world{mtu, Family::v6, 9000};
    world.settle();
    EXPECT_LE(world.search.mtu(), mtu);
    EXPECT_GT(world.search.mtu() + 4, mtu);
  }
}

TEST(PathSearch, never_goes_below_the_floor) {
  World v4{400};
  v4.settle();
  EXPECT_EQ(v4.search.mtu(), 576u);
  World v6{1000, Family::v6};
  v6.settle();
  EXPECT_EQ(v6.search.mtu(), 1280u);
  v6.search.handle_too_big(68, v6.now);
  EXPECT_EQ(v6.search.mtu(), 1280u);
  World hopeless{1500, Family::v6, 1000};
  EXPECT_EQ(hopeless.settle(), 0u);
  EXPECT_EQ(hopeless.search.mtu(), 1280u);
}

TEST(PathSearch, is_quicker_with_hints_and_not_misled_by_them) {
  World told{1372};
  told.tells = true;
  EXPECT_LE(told.settle(), 3u);
  EXPECT_EQ(told.search.mtu(), 1372u);
  World lied{1400};
  const auto size = lied.search.poll_probe(lied.now + 1s);
  ASSERT_EQ(size, 1500u);
  lied.search.handle_hint(600);
  lied.search.handle_probed(1500, false, lied.now);
  lied.settle();
  EXPECT_GT(lied.search.mtu() + 4, 1400u);
}

TEST(PathSearch, tries_a_size_twice_before_it_counts_as_too_large) {
  World world{1500};
  ASSERT_TRUE(world.search.poll_probe(world.now + 1s).has_value());
  world.search.handle_probed(1500, false, world.now);
  world.settle();
  EXPECT_EQ(world.search.mtu(), 1500u);
}

//= rfc4301#8.2.2-1 type=test
TEST(PathSearch, begins_again_after_ten_minutes_and_asks_little) {
  World world{1400};
  world.settle();
  const std::size_t found = world.search.mtu();
  EXPECT_EQ(*world.search.poll_deadline() - world.now, 10min);
  world.now = world.now + 10min;
  EXPECT_EQ(world.settle(), 3u);  // twice the largest, once the present one
  EXPECT_EQ(world.search.mtu(), found);
  world.carries = 1500;
  world.now = world.now + 10min;
  EXPECT_EQ(world.settle(), 1u);
  EXPECT_EQ(world.search.mtu(), 1500u);
  world.carries = 1300;
  world.now = world.now + 10min;
  world.settle();
  EXPECT_LE(world.search.mtu(), 1300u);
  EXPECT_GT(world.search.mtu() + 4, 1300u);
}

TEST(PathSearch, believes_a_proven_error_at_once_and_for_ten_minutes) {
  World world{1500};
  world.settle();
  world.search.handle_too_big(1400, world.now);
  EXPECT_EQ(world.search.mtu(), 1400u);
  EXPECT_EQ(world.search.proven(), 1400u);
  world.carries = 1400;
  EXPECT_EQ(world.settle(), 1u);  // one probe confirms it
  EXPECT_EQ(world.search.mtu(), 1400u);
  world.search.handle_too_big(1450, world.now);  // an older one, or nonsense
  EXPECT_EQ(world.search.mtu(), 1400u);
  world.carries = 1500;
  world.now = world.now + 10min;
  world.settle();
  EXPECT_EQ(world.search.mtu(), 1500u);
}

TEST(PathSearch, without_probes_believes_what_it_is_told_and_errors_for_ten_minutes) {
  Instant now{1h};
  PathSearch search{{}, Family::v4, 1500, false, now};
  EXPECT_EQ(search.proven(), 1500u);
  EXPECT_FALSE(search.poll_deadline().has_value());
  search.handle_too_big(1300, now);
  EXPECT_EQ(search.mtu(), 1300u);
  EXPECT_EQ(search.proven(), 1300u);
  now = now + 10min;
  EXPECT_EQ(*search.poll_deadline(), now);
  EXPECT_FALSE(search.poll_probe(now).has_value());
  EXPECT_EQ(search.mtu(), 1500u);
  EXPECT_EQ(search.proven(), 1500u);
}

TEST(PathSearch, of_a_peer_that_cannot_be_probed_trusts_fragments_in_ipv4_and_icmp_in_ipv6) {
  for (const Family family : {Family::v4, Family::v6}) {
    const Instant now{1h};
    PathSearch search{{}, family, 1500, true, now};
    ASSERT_TRUE(search.poll_probe(now + 1s).has_value());
    search.handle_impossible();
    EXPECT_EQ(search.mtu(), 1500u);
    EXPECT_EQ(search.proven(), family == Family::v4 ? 576u : 1500u);
    EXPECT_FALSE(search.poll_deadline().has_value());
  }
}

TEST(PathSearch, asks_again_when_nobody_says_what_became_of_a_probe) {
  World world{1500};
  ASSERT_TRUE(world.search.poll_probe(world.now + 1s).has_value());
  EXPECT_FALSE(world.search.poll_probe(world.now + 2s).has_value());
  EXPECT_EQ(world.search.poll_probe(world.now + 62s), 1500u);
}

// -- all paths

const base::Path path_one{{ip("192.0.2.1"), 4500}, {ip("198.51.100.1"), 4500}};
const base::Path path_two{{ip("192.0.2.1"), 4500}, {ip("198.51.100.2"), 4500}};

class PathMtusTest : public ::testing::Test {
 protected:
  /// The last setting of each SA since the last call, by id.
  std::map<std::uint64_t, PathMtuSetting> settings() {
    std::map<std::uint64_t, PathMtuSetting> last;
    while (auto order = paths.poll_order()) {
      if (const auto* const setting = std::get_if<PathMtuSetting>(&*order)) {
        last[setting->id.value] = *setting;
      } else {
        probes.push_back(std::get<ike::ProbePath>(*order));
      }
    }
    return last;
  }
  bool complain(const base::Endpoint& remote, std::size_t mtu, const ByteVec& quoted) {
    const auto has_sent = [](policy::ChildSaId id, base::Spi spi, std::uint32_t sequence) {
      return spi.value == 0x1000 + id.value && sequence == 7;
    };
    return paths.handle_too_big({remote, mtu, false, quoted}, has_sent, now);
  }
  static ByteVec quote(std::uint32_t spi, std::uint32_t sequence) {
    ByteVec bytes(8);
    base::store_be(bytes.data(), spi);
    base::store_be(bytes.data() + 4, sequence);
    return bytes;
  }
  Instant now{1h};
  PathMtus paths{{}, false};
  std::vector<ike::ProbePath> probes;
};

TEST_F(PathMtusTest, a_proven_error_shortens_all_sas_of_that_path_and_no_other) {
  paths.set_path({1}, path_one, true, 1500, now);
  paths.set_path({2}, path_one, true, 1500, now);
  paths.set_path({3}, path_two, true, 1500, now);
  EXPECT_EQ(settings().size(), 3u);
  EXPECT_TRUE(complain(path_one.remote, 1400, quote(0x1002, 7)));
  const auto told = settings();
  ASSERT_EQ(told.size(), 2u);
  EXPECT_EQ(told.at(1).mtu, 1400u);
  EXPECT_EQ(told.at(2).mtu, 1400u);
  EXPECT_EQ(paths.mtu_of({2}, 0), 1400u);
  EXPECT_EQ(paths.mtu_of({3}, 0), 1500u);
  EXPECT_EQ(paths.mtu_of({9}, 1234), 1234u);
}

TEST_F(PathMtusTest, what_proves_nothing_changes_nothing) {
  paths.set_path({1}, path_one, true, 1500, now);
  EXPECT_FALSE(complain(path_one.remote, 1400, quote(0x1001, 8)));
  EXPECT_FALSE(complain(path_one.remote, 1400, quote(0x1002, 7)));
  EXPECT_FALSE(complain(path_one.remote, 1400, {}));
  EXPECT_FALSE(complain(path_two.remote, 1400, quote(0x1001, 7)));
  EXPECT_FALSE(complain({path_one.remote.address, 4501}, 1400, quote(0x1001, 7)));
  EXPECT_FALSE(complain({path_one.remote.address, 0}, 1400, quote(0x1001, 7)));
  EXPECT_EQ(paths.mtu_of({1}, 0), 1500u);
}

TEST_F(PathMtusTest, native_esp_has_no_ports) {
  paths.set_path({1}, path_one, false, 1500, now);
  EXPECT_TRUE(complain({path_one.remote.address, 0}, 1400, quote(0x1001, 7)));
  EXPECT_EQ(paths.mtu_of({1}, 0), 1400u);
}

TEST_F(PathMtusTest, our_own_kernel_needs_no_proof) {
  paths.set_path({1}, path_one, true, 1500, now);
  const auto never = [](policy::ChildSaId, base::Spi, std::uint32_t) { return false; };
  EXPECT_TRUE(paths.handle_too_big({{path_one.remote.address, 9}, 1450, true, {}}, never, now));
  EXPECT_EQ(paths.mtu_of({1}, 0), 1450u);
}

TEST_F(PathMtusTest, a_new_sa_on_a_known_path_begins_with_what_is_known) {
  paths.set_path({1}, path_one, true, 1500, now);
  EXPECT_TRUE(complain(path_one.remote, 1400, quote(0x1001, 7)));
  paths.set_path({2}, path_one, true, 1500, now);
  EXPECT_EQ(settings().at(2).mtu, 1400u);
  paths.remove({1}, now);
  paths.remove({2}, now);
  EXPECT_FALSE(paths.poll_deadline().has_value());
  paths.set_path({3}, path_one, true, 1500, now);
  EXPECT_EQ(settings().at(3).mtu, 1500u);
}

TEST_F(PathMtusTest, a_moved_sa_begins_anew_with_its_configured_size) {
  paths.set_path({1}, path_one, true, 1450, now);
  EXPECT_TRUE(complain(path_one.remote, 1400, quote(0x1001, 7)));
  paths.move({1}, path_two, true, now);
  EXPECT_EQ(settings().at(1).mtu, 1450u);
  base::Path stream = path_two;
  stream.transport = base::Transport::tcp;
  paths.move({1}, stream, true, now);
  EXPECT_EQ(paths.mtu_of({1}, 99), 99u);
}

//= rfc4301#8.2.2-1..2 type=test
TEST_F(PathMtusTest, errors_are_forgotten_after_ten_minutes) {
  paths.set_path({1}, path_one, true, 1500, now);
  EXPECT_TRUE(complain(path_one.remote, 1400, quote(0x1001, 7)));
  EXPECT_EQ(paths.poll_deadline()->at, now + 10min);
  paths.handle_deadline(now + 10min);
  EXPECT_EQ(paths.mtu_of({1}, 0), 1500u);
  EXPECT_FALSE(paths.poll_deadline().has_value());
}

TEST_F(PathMtusTest, one_probe_serves_all_sas_of_a_path_and_late_results_none) {
  paths = PathMtus{{}, true};
  paths.set_path({1}, path_one, true, 1500, now);
  paths.set_path({2}, path_one, true, 1500, now);
  EXPECT_EQ(settings().at(1).proven, 576u);
  paths.handle_deadline(paths.poll_deadline()->at);
  (void)settings();
  ASSERT_EQ(probes.size(), 1u);
  EXPECT_EQ(probes[0].child_sa.value, 2u);
  paths.handle_probed({probes[0].probe + 1, 1500, true}, now);
  EXPECT_TRUE(settings().empty());
  paths.handle_probed({probes[0].probe, 1500, true}, now);
  EXPECT_EQ(settings().at(1).proven, 1500u);
  paths.handle_probed({probes[0].probe, 1500, false}, now);  // again
  EXPECT_TRUE(settings().empty());
  paths.remove({1}, now);
  paths.remove({2}, now);
}

TEST_F(PathMtusTest, a_probe_whose_ike_sa_ends_is_sent_by_another) {
  paths = PathMtus{{}, true};
  paths.set_path({1}, path_one, true, 1500, now);
  paths.set_path({2}, path_one, true, 1500, now);
  paths.handle_deadline(paths.poll_deadline()->at);
  paths.remove({2}, now);
  EXPECT_LE(paths.poll_deadline()->at, now + 1s);
  paths.handle_deadline(paths.poll_deadline()->at);
  (void)settings();
  ASSERT_EQ(probes.size(), 2u);
  EXPECT_EQ(probes[1].child_sa.value, 1u);
  paths.handle_probed({probes[0].probe, 1500, false}, now);  // too late
  EXPECT_TRUE(settings().empty());
}

}  // namespace
}  // namespace caponier::gateway
