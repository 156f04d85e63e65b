#include <set>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "crypto/null/provider.h"
#include "crypto/suite_cipher.h"
#include "unit/crypto/helpers.h"

namespace caponier::crypto {
namespace {

using test::Packet;

struct Keys {
  ByteVec encr;
  ByteVec integ;
};

Keys random_keys(const CipherSuite& suite, base::Rng& rng) {
  return {test::random_bytes(rng, encr_key_size(suite)),
          test::random_bytes(rng, integ_key_size(suite))};
}

std::unique_ptr<PacketCipher> cipher_of(const CryptoProvider& provider, const CipherSuite& suite,
                                        const Keys& keys, base::Rng& rng) {
  return provider.make_cipher(suite, keys.encr, keys.integ, rng).value();
}

Packet random_packet(const PacketCipher& cipher, base::Rng& rng, std::size_t text_size, bool esn) {
  const std::size_t block = cipher.block_size();
  text_size = text_size / block * block;
  if (block > 1 && text_size == 0) text_size = block;
  const bool is_esp = esn || cipher.iv_size() == 0;  // as an implicit IV needs it
  Packet packet{test::random_bytes(rng, is_esp ? 8 : 8 + rng.public_below(60)),
                ByteVec(cipher.iv_size()), test::random_bytes(rng, text_size),
                ByteVec(cipher.icv_size())};
  if (esn) packet.job.esn_high = rng.public_u32();
  packet.job.iv_counter = rng.public_u64();
  return packet;
}

std::vector<Packet> random_packets(const PacketCipher& cipher, base::Rng& rng, std::size_t count) {
  std::vector<Packet> packets;
  for (std::size_t i = 0; i < count; ++i) {
    packets.push_back(random_packet(cipher, rng, rng.public_below(2001), rng.public_below(2) == 1));
  }
  return packets;
}

std::vector<Packet> copies_of(const std::vector<Packet>& packets) {
  std::vector<Packet> copies;
  for (const Packet& from : packets) {
    copies.emplace_back(from.job.header, from.job.iv, from.job.text, from.job.icv,
                        from.job.esn_high);
    copies.back().job.iv_counter = from.job.iv_counter;
  }
  return copies;
}

enum class Direction { seal, open };

/// All packets in one batch.
void run(PacketCipher& cipher, Direction direction, std::vector<Packet>& packets) {
  std::vector<PacketJob> jobs;
  for (const Packet& packet : packets) jobs.push_back(packet.job);
  direction == Direction::seal ? cipher.seal(jobs) : cipher.open(jobs);
  for (std::size_t i = 0; i < packets.size(); ++i) packets[i].job.ok = jobs[i].ok;
}

std::vector<const CryptoProvider*> all_providers() {
  static const NullProvider null{nullptr};
  auto providers = test::real_providers();
  providers.push_back(&null);
  return providers;
}

TEST(PacketCipher, back_ends_agree_byte_by_byte_on_batches_of_mixed_sizes) {
  base::SeededRng rng{1};
  for (const CipherSuite& suite : test::all_suites()) {
    for (const std::size_t count : {1U, 2U, 3U, 7U, 16U, 64U, 300U}) {
      const Keys keys = random_keys(suite, rng);
      std::vector<std::vector<Packet>> results;
      const auto reference = cipher_of(*test::real_providers().front(), suite, keys, rng);
      const std::vector<Packet> clear = random_packets(*reference, rng, count);
      for (const CryptoProvider* provider : test::real_providers()) {
        base::SeededRng ivs{count};
        const auto cipher = cipher_of(*provider, suite, keys, ivs);
        results.push_back(copies_of(clear));
        run(*cipher, Direction::seal, results.back());
      }
      for (std::size_t i = 0; i < count; ++i) {
        ASSERT_TRUE(results.front()[i].job.ok);
        ASSERT_TRUE(results.back()[i].job.ok);
        ASSERT_TRUE(base::equal(results.front()[i].bytes, results.back()[i].bytes))
            << to_string(suite) << " packet " << i << " of " << count;
      }
      const auto opener = cipher_of(*test::real_providers().back(), suite, keys, rng);
      // Each opens what the other sealed.
      std::vector<Packet> by_last = copies_of(results.front());
      std::vector<Packet> by_first = copies_of(results.back());
      run(*opener, Direction::open, by_last);
      run(*reference, Direction::open, by_first);
      for (std::size_t i = 0; i < count; ++i) {
        ASSERT_TRUE(by_last[i].job.ok && by_first[i].job.ok);
        ASSERT_TRUE(base::equal(by_last[i].job.text, clear[i].job.text));
        ASSERT_TRUE(base::equal(by_first[i].job.text, clear[i].job.text));
      }
    }
  }
}

TEST(PacketCipher, back_ends_agree_on_every_size_up_to_2000) {
  base::SeededRng rng{2};
  for (const CipherSuite& suite : test::all_suites()) {
    const Keys keys = random_keys(suite, rng);
    const auto sealer = cipher_of(*test::real_providers().front(), suite, keys, rng);
    const auto opener = cipher_of(*test::real_providers().back(), suite, keys, rng);
    const std::size_t step = sealer->block_size();
    std::vector<Packet> packets;
    for (std::size_t size = step == 1 ? 0 : step; size <= 2000; size += step) {
      packets.push_back(random_packet(*sealer, rng, size, size % 3 == 0));
    }
    const std::vector<Packet> clear = copies_of(packets);
    run(*sealer, Direction::seal, packets);
    const std::vector<Packet> sealed = copies_of(packets);
    run(*opener, Direction::open, packets);
    for (std::size_t i = 0; i < packets.size(); ++i) {
      ASSERT_TRUE(packets[i].job.ok) << to_string(suite) << ' ' << packets[i].job.text.size();
      ASSERT_TRUE(base::equal(packets[i].job.text, clear[i].job.text));
      ASSERT_TRUE(base::equal(packets[i].job.icv, sealed[i].job.icv)) << "open changed the ICV";
    }
  }
}

void expect_refused(PacketCipher& cipher, const Packet& sealed, std::size_t flipped_bit) {
  Packet forged{sealed.job.header, sealed.job.iv, sealed.job.text, sealed.job.icv,
                sealed.job.esn_high};
  if (flipped_bit < forged.bytes.size() * 8) {
    forged.bytes[flipped_bit / 8] ^= std::byte{1} << (flipped_bit % 8);
  } else {
    *forged.job.esn_high ^= 1U << (flipped_bit % 32);
  }
  cipher.open({&forged.job, 1});
  EXPECT_FALSE(forged.job.ok) << "bit " << flipped_bit;
}

TEST(PacketCipher, any_flipped_bit_of_header_esn_iv_text_or_icv_fails) {
  base::SeededRng rng{3};
  for (const CryptoProvider* provider : all_providers()) {
    for (const CipherSuite& suite : test::all_suites()) {
      SCOPED_TRACE(std::string{provider->name()} + ' ' + to_string(suite));
      const auto cipher = cipher_of(*provider, suite, random_keys(suite, rng), rng);
      Packet packet = random_packet(*cipher, rng, 48, true);
      cipher->seal({&packet.job, 1});
      ASSERT_TRUE(packet.job.ok);
      const std::size_t bits = (packet.bytes.size() + sizeof(std::uint32_t)) * 8;
      for (std::size_t bit = 0; bit < bits; ++bit) expect_refused(*cipher, packet, bit);
    }
  }
}

TEST(PacketCipher, a_forgery_does_not_touch_its_neighbours_in_the_batch) {
  base::SeededRng rng{4};
  for (const CryptoProvider* provider : all_providers()) {
    for (const CipherSuite& suite : test::all_suites()) {
      const auto cipher = cipher_of(*provider, suite, random_keys(suite, rng), rng);
      std::vector<Packet> packets = random_packets(*cipher, rng, 40);
      const std::vector<Packet> clear = copies_of(packets);
      run(*cipher, Direction::seal, packets);
      for (std::size_t i = 0; i < packets.size(); i += 3) packets[i].job.icv[1] ^= std::byte{4};
      packets[4].job.icv = packets[4].job.icv.first(4);  // ill-shaped
      run(*cipher, Direction::open, packets);
      for (std::size_t i = 0; i < packets.size(); ++i) {
        const bool genuine = i % 3 != 0 && i != 4;
        ASSERT_EQ(packets[i].job.ok, genuine) << provider->name() << to_string(suite) << i;
        if (genuine) {
          EXPECT_TRUE(base::equal(packets[i].job.text, clear[i].job.text));
        }
      }
    }
  }
}

TEST(PacketCipher, an_all_zero_icv_never_passes_even_without_text) {
  base::SeededRng rng{5};
  for (const CryptoProvider* provider : all_providers()) {
    for (const CipherSuite& suite : test::all_suites()) {
      const auto cipher = cipher_of(*provider, suite, random_keys(suite, rng), rng);
      Packet packet = random_packet(*cipher, rng, 0, true);
      cipher->open({&packet.job, 1});
      EXPECT_FALSE(packet.job.ok) << provider->name() << to_string(suite);
      PacketJob without_address = packet.job;
      without_address.text = {};
      cipher->open({&without_address, 1});
      EXPECT_FALSE(without_address.ok) << provider->name() << to_string(suite);
    }
  }
}

TEST(PacketCipher, refuses_ill_shaped_jobs) {
  base::SeededRng rng{6};
  for (const CryptoProvider* provider : all_providers()) {
    for (const CipherSuite& suite : test::all_suites()) {
      SCOPED_TRACE(std::string{provider->name()} + ' ' + to_string(suite));
      const auto cipher = cipher_of(*provider, suite, random_keys(suite, rng), rng);
      Packet packet = random_packet(*cipher, rng, 64, true);
      std::vector<PacketJob> jobs(5, packet.job);
      jobs[0].icv = jobs[0].icv.first(cipher->icv_size() - 1);
      jobs[1].header = jobs[1].header.first(7);  // a gap before what follows
      jobs[2].header = {};                       // ESN needs SPI and sequence number
      jobs[3].text = jobs[3].text.first(48);     // a gap before the ICV
      jobs[4].iv = packet.job.icv;
      if (cipher->block_size() > 1) {
        jobs.push_back(packet.job);
        jobs.back().text = packet.job.text.first(0);
        jobs.push_back(packet.job);
        jobs.back().text = packet.job.text.first(17);
      }
      cipher->seal(jobs);
      for (std::size_t i = 0; i < jobs.size(); ++i) EXPECT_FALSE(jobs[i].ok) << i;
      for (PacketJob& job : jobs) job.ok = true;
      cipher->open(jobs);
      for (std::size_t i = 0; i < jobs.size(); ++i) EXPECT_FALSE(jobs[i].ok) << i;
    }
  }
}

TEST(PacketCipher, takes_the_largest_packet_and_refuses_a_larger_one) {
  base::SeededRng rng{7};
  for (const CryptoProvider* provider : all_providers()) {
    for (const CipherSuite& suite : test::all_suites()) {
      const auto cipher = cipher_of(*provider, suite, random_keys(suite, rng), rng);
      Packet largest = random_packet(*cipher, rng, protected_size_max - 4 - 8 - 16, true);
      cipher->seal({&largest.job, 1});
      ASSERT_TRUE(largest.job.ok) << provider->name() << to_string(suite);
      cipher->open({&largest.job, 1});
      ASSERT_TRUE(largest.job.ok);
      Packet larger = random_packet(*cipher, rng, protected_size_max + 16, true);
      cipher->seal({&larger.job, 1});
      ASSERT_FALSE(larger.job.ok);
    }
  }
}

TEST(PacketCipher, refuses_keys_that_do_not_fit_and_suites_that_are_not_valid) {
  base::SeededRng rng{8};
  for (const CryptoProvider* provider : all_providers()) {
    for (const CipherSuite& suite : test::all_suites()) {
      EXPECT_TRUE(provider->supports(suite));
      Keys keys = random_keys(suite, rng);
      keys.encr.push_back(std::byte{0});
      EXPECT_EQ(provider->make_cipher(suite, keys.encr, keys.integ, rng).error(),
                CryptoError::bad_key_size);
      keys.encr.pop_back();
      keys.integ.push_back(std::byte{0});
      EXPECT_EQ(provider->make_cipher(suite, keys.encr, keys.integ, rng).error(),
                CryptoError::bad_key_size);
    }
    const CipherSuite invalid{EncrId::aes_cbc, 128};
    EXPECT_FALSE(provider->supports(invalid));
    EXPECT_EQ(provider->make_cipher(invalid, {}, {}, rng).error(), CryptoError::unsupported);
  }
}

//= rfc7296#3.14-3 type=test
TEST(PacketCipher, counter_ivs_are_the_counter_and_cbc_ivs_never_repeat) {
  base::SeededRng rng{9};
  for (const CryptoProvider* provider : all_providers()) {
    for (const CipherSuite& suite : test::all_suites()) {
      const auto cipher = cipher_of(*provider, suite, random_keys(suite, rng), rng);
      std::set<std::string> seen;
      for (std::uint64_t counter = 0; counter < 200; ++counter) {
        Packet packet = random_packet(*cipher, rng, 16, false);
        packet.job.iv_counter = counter;
        cipher->seal({&packet.job, 1});
        if (cipher->iv_size() == 8 && cipher->block_size() == 1) {
          EXPECT_EQ(base::load_be<std::uint64_t>(packet.job.iv.data()), counter);
        }
        seen.insert(base::to_hex(packet.job.iv));
      }
      EXPECT_EQ(seen.size(), cipher->iv_size() == 0 ? 1U : 200U) << to_string(suite);
    }
  }
}

TEST(PacketCipher, one_cipher_may_move_between_threads) {
  base::SeededRng rng{10};
  for (const CipherSuite& suite : test::all_suites()) {
    const CryptoProvider& provider = *test::real_providers().back();
    const auto cipher = cipher_of(provider, suite, random_keys(suite, rng), rng);
    std::vector<Packet> packets = random_packets(*cipher, rng, 20);
    std::thread{[&] { run(*cipher, Direction::seal, packets); }}.join();
    std::thread{[&] { run(*cipher, Direction::open, packets); }}.join();
    for (const Packet& packet : packets) EXPECT_TRUE(packet.job.ok) << to_string(suite);
  }
}

}  // namespace
}  // namespace caponier::crypto
