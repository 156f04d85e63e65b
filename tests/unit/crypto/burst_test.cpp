// Bursts of many keys: start_seal and start_open of many ciphers, one finish.

#include <string>

#include <gtest/gtest.h>

#include "crypto/null/provider.h"
#include "unit/crypto/helpers.h"

namespace caponier::crypto {
namespace {

using test::Packet;

std::vector<const CryptoProvider*> all_providers() {
  static const NullProvider null{nullptr};
  auto providers = test::real_providers();
  providers.push_back(&null);
  return providers;
}

/// A key, the same in two ciphers.
struct Twins {
  std::unique_ptr<PacketCipher> burst;
  std::unique_ptr<PacketCipher> single;
};

Twins make_twins(const CryptoProvider& provider, const CipherSuite& suite, base::Rng& rng,
                 base::Rng& ivs, base::Rng& same_ivs) {
  const ByteVec encr = test::random_bytes(rng, encr_key_size(suite));
  const ByteVec integ = test::random_bytes(rng, integ_key_size(suite));
  return {provider.make_cipher(suite, encr, integ, ivs).value(),
          provider.make_cipher(suite, encr, integ, same_ivs).value()};
}

Packet packet_for(const PacketCipher& cipher, base::Rng& rng, std::uint64_t number) {
  const std::size_t block = cipher.block_size();
  const std::size_t text = (rng.public_below(1500) / block + 1) * block;
  Packet packet{test::random_bytes(rng, 8), ByteVec(cipher.iv_size()),
                test::random_bytes(rng, text), ByteVec(cipher.icv_size()), rng.public_u32()};
  packet.job.iv_counter = number;
  return packet;
}

/// Packets of all suites in random order and runs of random length, more than fit in flight.
struct Burst {
  static constexpr std::size_t packet_count = 700;

  Burst(const CryptoProvider& provider, std::uint64_t seed) : rng{seed} {
    // Every cipher takes its random IVs from a source of its own, so that twins agree.
    for (const CipherSuite& suite : test::all_suites()) {
      for (int key = 0; key < 3; ++key) {
        const ByteVec ivs = test::random_bytes(rng, 512);
        sources.push_back(std::make_unique<test::ReplayRng>(ivs));
        sources.push_back(std::make_unique<test::ReplayRng>(ivs));
        ciphers.push_back(
            make_twins(provider, suite, rng, *sources.rbegin()[0], *sources.rbegin()[1]));
      }
    }
    while (packets.size() < packet_count) {
      const std::size_t cipher = rng.public_below(ciphers.size());
      for (std::uint64_t run = 1 + rng.public_below(4); run > 0; --run) {
        owners.push_back(cipher);
        packets.push_back(packet_for(*ciphers[cipher].burst, rng, packets.size()));
        jobs.push_back(packets.back().job);
      }
    }
  }

  /// Each run of one cipher is started by itself.
  void run(const CryptoProvider& provider, bool seals) {
    for (std::size_t at = 0; at < jobs.size();) {
      std::size_t end = at + 1;
      while (end < jobs.size() && owners[end] == owners[at]) ++end;
      const std::span part = std::span{jobs}.subspan(at, end - at);
      PacketCipher& cipher = *ciphers[owners[at]].burst;
      seals ? cipher.start_seal(part) : cipher.start_open(part);
      at = end;
    }
    provider.finish();
  }

  base::SeededRng rng;
  std::vector<std::unique_ptr<test::ReplayRng>> sources;
  std::vector<Twins> ciphers;
  std::vector<std::size_t> owners;
  std::vector<Packet> packets;
  std::vector<PacketJob> jobs;
};

TEST(Burst, of_many_keys_and_algorithms_seals_what_each_alone_would) {
  for (const CryptoProvider* provider : all_providers()) {
    Burst burst{*provider, 1};
    std::vector<Packet> expected;
    for (std::size_t i = 0; i < burst.packets.size(); ++i) {
      const PacketJob& job = burst.packets[i].job;
      expected.emplace_back(job.header, job.iv, job.text, job.icv, job.esn_high);
      expected.back().job.iv_counter = job.iv_counter;
      burst.ciphers[burst.owners[i]].single->seal({&expected.back().job, 1});
    }
    burst.run(*provider, true);
    for (std::size_t i = 0; i < burst.packets.size(); ++i) {
      ASSERT_TRUE(burst.jobs[i].ok) << provider->name() << i;
      ASSERT_TRUE(base::equal(burst.packets[i].bytes, expected[i].bytes)) << provider->name() << i;
    }
  }
}

TEST(Burst, of_many_keys_opens_what_is_genuine_and_nothing_else) {
  for (const CryptoProvider* provider : all_providers()) {
    Burst burst{*provider, 2};
    std::vector<ByteVec> clear;
    for (const Packet& packet : burst.packets) clear.push_back(base::to_vec(packet.job.text));
    burst.run(*provider, true);
    for (std::size_t i = 0; i < burst.packets.size(); i += 5) {
      burst.packets[i].job.icv[0] ^= std::byte{1};
    }
    burst.jobs[7].iv = burst.jobs[7].icv;  // ill-shaped
    burst.run(*provider, false);
    for (std::size_t i = 0; i < burst.packets.size(); ++i) {
      ASSERT_EQ(burst.jobs[i].ok, i % 5 != 0 && i != 7) << provider->name() << i;
      if (!burst.jobs[i].ok) continue;
      ASSERT_TRUE(base::equal(burst.jobs[i].text, clear[i]));
    }
  }
}

TEST(Burst, may_be_finished_when_nothing_was_started) {
  for (const CryptoProvider* provider : all_providers()) provider->finish();
}

TEST(Burst, key_memory_lies_where_the_cipher_is) {
  base::SeededRng rng{3};
  for (const CryptoProvider* provider : all_providers()) {
    for (const CipherSuite& suite : test::all_suites()) {
      const Twins twins = make_twins(*provider, suite, rng, rng, rng);
      const KeyMemory memory = twins.burst->key_memory();
      if (memory.always.empty()) continue;
      EXPECT_EQ(static_cast<const void*>(memory.always.data()), twins.burst.get());
      EXPECT_LT(memory.always.size() + memory.by_length.size(), 2048u);
    }
  }
}

}  // namespace
}  // namespace caponier::crypto
