#include <array>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "crypto/null/provider.h"
#include "unit/crypto/helpers.h"

namespace caponier::crypto {
namespace {

struct Recorder final : SealObserver {
  std::vector<std::string> seen;
  void on_seal(Bytes encr_key, Bytes iv, Bytes header) override {
    seen.push_back(base::to_hex(encr_key) + '|' + base::to_hex(iv) + '|' + base::to_hex(header));
  }
};

TEST(NullProvider, the_observer_sees_key_iv_and_header_of_every_sealed_packet) {
  Recorder recorder;
  const NullProvider provider{&recorder};
  base::SeededRng rng{1};
  const CipherSuite suite{EncrId::aes_gcm_16, 128};
  const ByteVec key(20, std::byte{0xab});
  const auto cipher = provider.make_cipher(suite, key, {}, rng).value();
  test::Packet packet{test::hex("0102030405060708"), test::hex("00000000000000ff"),
                      test::hex("aabb"), ByteVec(16)};
  cipher->seal({&packet.job, 1});
  cipher->open({&packet.job, 1});
  EXPECT_TRUE(packet.job.ok);
  ASSERT_EQ(recorder.seen.size(), 1U);
  EXPECT_EQ(recorder.seen[0], base::to_hex(key) + "|00000000000000ff|0102030405060708");
}

TEST(NullProvider, prf_outputs_differ_for_different_keys_parts_and_algorithms) {
  const NullProvider provider{nullptr};
  std::set<std::string> outputs;
  std::size_t count = 0;
  for (const PrfInfo& info : all_prf()) {
    const auto prf = provider.make_prf(info.id).value();
    for (unsigned key = 0; key < 20; ++key) {
      for (std::size_t size = 0; size < 40; ++size) {
        const ByteVec key_bytes{static_cast<std::byte>(key)};
        const ByteVec text(size);  // zeros, so that only their number differs
        const auto out = prf->compute(key_bytes, std::array<Bytes, 1>{text});
        EXPECT_EQ(out.size(), info.size);
        outputs.insert(base::to_hex(out.reveal().first(8)));
        ++count;
      }
    }
  }
  EXPECT_EQ(outputs.size(), count);
}

TEST(NullProvider, a_key_exchange_has_real_sizes_and_both_sides_agree) {
  const NullProvider null{nullptr};
  base::SeededRng rng{2};
  for (const KeInfo& info : all_ke()) {
    const auto a = null.make_key_exchange(info.id, rng).value();
    const auto b = null.make_key_exchange(info.id, rng).value();
    const auto c = null.make_key_exchange(info.id, rng).value();
    EXPECT_EQ(a->group(), info.id);
    const auto ab = a->derive(b->public_value()).value();
    EXPECT_TRUE(base::equal(ab.reveal(), b->derive(a->public_value()).value().reveal()));
    EXPECT_FALSE(base::equal(ab.reveal(), a->derive(c->public_value()).value().reveal()));
    const auto real = test::real_providers().front()->make_key_exchange(info.id, rng).value();
    const auto peer = test::real_providers().front()->make_key_exchange(info.id, rng).value();
    EXPECT_EQ(real->public_value().size(), a->public_value().size());
    EXPECT_EQ(real->derive(peer->public_value()).value().size(), ab.size()) << info.name;
    EXPECT_EQ(a->derive(ByteVec(info.public_size)).error(), CryptoError::weak_result);
  }
}

TEST(NullProvider, hashes_to_the_size_of_sha1) {
  const NullProvider null{nullptr};
  const ByteVec a = test::hex("01");
  const ByteVec b = test::hex("0100");
  EXPECT_EQ(null.nat_hash(std::array<Bytes, 1>{a}).size(), nat_hash_size());
  EXPECT_NE(null.nat_hash(std::array<Bytes, 1>{a}), null.nat_hash(std::array<Bytes, 1>{b}));
}

}  // namespace
}  // namespace caponier::crypto
