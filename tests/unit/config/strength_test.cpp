// The estimate of a secret's entropy: strong generators pass, people's habits do not.

#include "config/strength.h"

#include <array>

#include <gtest/gtest.h>

#include "base/rng.h"
#include "base/secret.h"

namespace caponier::config {
namespace {

unsigned bits_of(std::string_view secret) { return estimate_entropy_bits(base::as_bytes(secret)); }

std::string draw(base::Rng& rng, std::string_view alphabet, std::size_t length) {
  std::string text;
  for (std::size_t i = 0; i < length; ++i) text += alphabet[rng.public_below(alphabet.size())];
  return text;
}

constexpr std::string_view hex = "0123456789abcdef";
constexpr std::string_view base64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// How many of a thousand random secrets are called weak.
unsigned count_weak(std::string_view alphabet, std::size_t length) {
  base::SeededRng rng{7};
  unsigned weak = 0;
  for (int i = 0; i < 1000; ++i) {
    if (bits_of(draw(rng, alphabet, length)) < psk_bits_min) ++weak;
  }
  return weak;
}

TEST(SecretStrength, what_openssl_rand_makes_is_strong_enough) {
  EXPECT_EQ(count_weak(base64, 43), 0U);
  EXPECT_EQ(count_weak(hex, 64), 0U);
}

TEST(SecretStrength, random_secrets_of_just_128_bits_are_hardly_ever_called_weak) {
  EXPECT_LE(count_weak(base64, 22), 5U);
  EXPECT_LE(count_weak(hex, 32), 5U);
}

TEST(SecretStrength, random_secrets_that_are_too_short_are_always_called_weak) {
  EXPECT_EQ(count_weak(base64, 21), 1000U);
  EXPECT_EQ(count_weak(hex, 31), 1000U);
  EXPECT_EQ(count_weak("0123456789", 38), 1000U);
}

TEST(SecretStrength, random_octets_count_eight_bits_each) {
  base::SeededRng rng{3};
  std::array<std::byte, 32> octets{};
  rng.fill_secret(octets);
  EXPECT_GE(estimate_entropy_bits(octets), 240U);
  EXPECT_LT(estimate_entropy_bits(base::Bytes{octets}.first(15)), psk_bits_min);
}

TEST(SecretStrength, no_secret_has_no_strength) { EXPECT_EQ(bits_of(""), 0U); }

TEST(SecretStrength, one_character_again_and_again_has_no_strength) {
  EXPECT_EQ(bits_of(std::string(4096, 'a')), 0U);
  EXPECT_EQ(bits_of(std::string(64, '\0')), 0U);
}

TEST(SecretStrength, habits_are_weak_however_long) {
  for (const std::string_view secret :
       {"hunter2", "password123", "Password1!Password1!Password1!Password1!",
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789",
        "qwertyuiopasdfghjklzxcvbnmqwertyuiop", "0123456789012345678901234567890123456789",
        "abababababababababababababababababababababababababababababab",
        "caponiercaponierstrongswanstrongswan", "correct horse battery staple",
        "The quick brown fox jumps over the lazy dog", "0123456789abcdef0123456789abcdef",
        "aB3$aB3$aB3$aB3$aB3$aB3$aB3$aB3$aB3$aB3$"}) {
    EXPECT_LT(bits_of(secret), psk_bits_min) << secret;
  }
}

TEST(SecretStrength, a_phrase_needs_ten_different_words) {
  EXPECT_GE(bits_of("crumb-vivid-otter-plank-jolly-raven-sleet-mango-tulip-hedge"), psk_bits_min);
  EXPECT_LT(bits_of("crumb-vivid-otter-plank-jolly-raven-sleet-mango-tulip"), psk_bits_min);
  EXPECT_LT(bits_of("crumb-vivid-otter-plank-crumb-vivid-otter-plank-jolly-raven"), psk_bits_min);
}

}  // namespace
}  // namespace caponier::config
