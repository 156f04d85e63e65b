#include <algorithm>

#include <gtest/gtest.h>

#include "crypto/null/provider.h"
#include "unit/crypto/helpers.h"

namespace caponier::crypto {
namespace {

const CryptoProvider& openssl() { return *test::real_providers().front(); }

std::unique_ptr<KeyExchange> exchange_of(KeGroup group, base::Rng& rng) {
  return openssl().make_key_exchange(group, rng).value();
}

/// How many of `count` shared secrets began with a zero byte; both sides are checked to agree.
int leading_zeros_in(KeGroup group, int count, std::size_t shared_size) {
  base::SeededRng rng{static_cast<std::uint64_t>(group)};
  int leading_zeros = 0;
  for (int i = 0; i < count; ++i) {
    const auto a = exchange_of(group, rng);
    const auto b = exchange_of(group, rng);
    EXPECT_EQ(a->public_value().size(), find(group)->public_size);
    const auto ab = a->derive(b->public_value()).value();
    const auto ba = b->derive(a->public_value()).value();
    EXPECT_EQ(ab.size(), shared_size);
    EXPECT_TRUE(base::equal(ab.reveal(), ba.reveal()));
    if (ab.reveal().front() == std::byte{0}) ++leading_zeros;
  }
  return leading_zeros;
}

TEST(KeyExchange, both_sides_agree_and_shared_secrets_keep_their_leading_zeros) {
  EXPECT_GT(leading_zeros_in(KeGroup::curve25519, 1000, 32), 0);
  EXPECT_GT(leading_zeros_in(KeGroup::ecp_256, 1000, 32), 0);
  EXPECT_GT(leading_zeros_in(KeGroup::modp_2048, 1000, 256), 0);
}

TEST(KeyExchange, both_sides_agree_in_the_larger_groups) {
  leading_zeros_in(KeGroup::ecp_384, 20, 48);
  leading_zeros_in(KeGroup::ecp_521, 20, 66);
  leading_zeros_in(KeGroup::modp_3072, 10, 384);
  leading_zeros_in(KeGroup::modp_4096, 10, 512);
}

//= rfc7296#3.4-1 type=test
TEST(KeyExchange, refuses_public_values_of_any_other_size) {
  base::SeededRng rng{1};
  const NullProvider null{nullptr};
  for (const CryptoProvider* provider : {&openssl(), static_cast<const CryptoProvider*>(&null)}) {
    for (const KeInfo& info : all_ke()) {
      const auto exchange = provider->make_key_exchange(info.id, rng).value();
      const std::size_t size = info.public_size;
      for (const std::size_t wrong : {std::size_t{0}, size - 1, size + 1, size * 2}) {
        const auto shared = exchange->derive(ByteVec(wrong, std::byte{2}));
        ASSERT_FALSE(shared) << info.name;
        EXPECT_EQ(shared.error(), CryptoError::bad_public_value) << info.name;
      }
    }
  }
}

// RFC 7748 s6.1
TEST(KeyExchange, refuses_every_low_order_point_of_curve25519) {
  base::SeededRng rng{2};
  const auto exchange = exchange_of(KeGroup::curve25519, rng);
  for (const std::string_view point : {
           "0000000000000000000000000000000000000000000000000000000000000000",
           "0100000000000000000000000000000000000000000000000000000000000000",
           "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
           "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
           "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
           "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
           "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
       }) {
    ByteVec value = test::hex(point);
    for (const std::byte ignored_bit : {std::byte{0}, std::byte{0x80}}) {
      value.back() |= ignored_bit;
      const auto shared = exchange->derive(value);
      ASSERT_FALSE(shared) << point;
      EXPECT_EQ(shared.error(), CryptoError::weak_result);
    }
  }
}

struct Curve {
  KeGroup group;
  std::string_view p;
};

constexpr Curve curves[] = {
    {KeGroup::ecp_256, "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff"},
    {KeGroup::ecp_384,
     "fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffeffffffff0000000000000000"
     "ffffffff"},
    {KeGroup::ecp_521,
     "01ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
     "ffffffffffffffffffffffffffffffffffffffffffff"},
};

// RFC 6989 s2.3
TEST(KeyExchange, refuses_points_off_the_curve_and_coordinates_not_below_p) {
  base::SeededRng rng{3};
  for (const Curve& curve : curves) {
    const auto exchange = exchange_of(curve.group, rng);
    const ByteVec good = base::to_vec(exchange_of(curve.group, rng)->public_value());
    const std::size_t half = good.size() / 2;
    const ByteVec p = test::hex(curve.p);
    ASSERT_EQ(p.size(), half);
    std::vector<ByteVec> bad{ByteVec(good.size()), ByteVec(good.size(), std::byte{0xff})};
    bad.push_back(good);
    bad.back().back() ^= std::byte{1};
    bad.push_back(good);
    bad.back()[half - 1] ^= std::byte{1};
    bad.push_back(good);
    base::copy_into(MutBytes{bad.back()}, p);
    bad.push_back(good);
    base::copy_into(MutBytes{bad.back()}.subspan(half), p);
    bad.push_back(p);
    base::append(bad.back(), p);
    for (const ByteVec& value : bad) {
      const auto shared = exchange->derive(value);
      ASSERT_FALSE(shared) << base::to_hex(value);
      EXPECT_EQ(shared.error(), CryptoError::bad_public_value);
    }
    EXPECT_TRUE(exchange->derive(good));
  }
}

// RFC 6989 s2.1
TEST(KeyExchange, refuses_modp_values_outside_2_to_p_minus_2) {
  base::SeededRng rng{4};
  for (const KeGroup group : {KeGroup::modp_2048, KeGroup::modp_3072, KeGroup::modp_4096}) {
    const auto exchange = exchange_of(group, rng);
    const std::size_t size = find(group)->public_size;
    ByteVec zero(size);
    ByteVec one = zero;
    one.back() = std::byte{1};
    ByteVec two = zero;
    two.back() = std::byte{2};
    const ByteVec most(size, std::byte{0xff});
    for (const ByteVec& value : {zero, one, most}) {
      ASSERT_FALSE(exchange->derive(value));
      EXPECT_EQ(exchange->derive(value).error(), CryptoError::bad_public_value);
    }
    EXPECT_TRUE(exchange->derive(two));
  }
}

TEST(KeyExchange, refuses_p_and_its_neighbours_in_group_14) {
  // RFC 3526 s3.
  const ByteVec p = test::hex(
      "ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74020bbea63b139b22514a08798e"
      "3404ddef9519b3cd3a431b302b0a6df25f14374fe1356d6d51c245e485b576625e7ec6f44c42e9a637ed6b0bff"
      "5cb6f406b7edee386bfb5a899fa5ae9f24117c4b1fe649286651ece45b3dc2007cb8a163bf0598da48361c55d3"
      "9a69163fa8fd24cf5f83655d23dca3ad961c62f356208552bb9ed529077096966d670c354e4abc9804f1746c08"
      "ca18217c32905e462e36ce3be39e772c180e86039b2783a2ec07a28fb5c55df06f4c52c9de2bcbf69558171839"
      "95497cea956ae515d2261898fa051015728e5a8aacaa68ffffffffffffffff");
  base::SeededRng rng{5};
  const auto exchange = exchange_of(KeGroup::modp_2048, rng);
  ByteVec minus_one = p;
  minus_one.back() = std::byte{0xfe};
  ByteVec minus_two = p;
  minus_two.back() = std::byte{0xfd};
  ByteVec plus_one = p;
  for (std::size_t i = p.size() - 8; i < p.size(); ++i) plus_one[i] = std::byte{0};
  plus_one[p.size() - 9] = std::byte{0x69};
  for (const ByteVec& value : {p, minus_one, plus_one}) {
    const auto shared = exchange->derive(value);
    ASSERT_FALSE(shared);
    EXPECT_EQ(shared.error(), CryptoError::bad_public_value);
  }
  EXPECT_TRUE(exchange->derive(minus_two));
}

TEST(KeyExchange, a_generator_that_gives_no_valid_scalar_is_an_error_and_not_a_loop) {
  for (const std::string_view stuck : {"00", "ff"}) {
    test::ReplayRng rng{test::hex(stuck)};
    for (const Curve& curve : curves) {
      const auto exchange = openssl().make_key_exchange(curve.group, rng);
      ASSERT_FALSE(exchange);
      EXPECT_EQ(exchange.error(), CryptoError::backend_failure);
    }
  }
}

TEST(KeyExchange, scalars_are_drawn_again_until_they_are_below_the_order) {
  class SecondDraw final : public base::Rng {
   public:
    void fill_public(MutBytes out) override { fill_secret(out); }
    void fill_secret(MutBytes out) override {
      std::ranges::fill(out, draws++ == 0 ? std::byte{0xff} : std::byte{0x11});
    }
    int draws = 0;
  };
  SecondDraw rng;
  const auto exchange = exchange_of(KeGroup::ecp_384, rng);
  EXPECT_EQ(rng.draws, 2);
  test::ReplayRng same{test::hex("11")};
  EXPECT_TRUE(
      base::equal(exchange->public_value(), exchange_of(KeGroup::ecp_384, same)->public_value()));
}

TEST(KeyExchange, unknown_groups_are_unsupported) {
  base::SeededRng rng{6};
  for (const CryptoProvider* provider : test::real_providers()) {
    for (const KeGroup group : {KeGroup::none, KeGroup{1}, KeGroup{22}}) {
      EXPECT_FALSE(provider->supports(group));
      EXPECT_EQ(provider->make_key_exchange(group, rng).error(), CryptoError::unsupported);
    }
  }
}

}  // namespace
}  // namespace caponier::crypto
