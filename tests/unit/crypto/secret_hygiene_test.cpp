// Reads every block that C++ or OpenSSL frees while a needle is out: no key may be left in it.

#include <malloc.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <new>

#include <gtest/gtest.h>
#include <openssl/crypto.h>

#include "unit/crypto/helpers.h"

namespace {

constexpr std::size_t needle_size = 16;

struct Watch {
  bool active = false;
  std::array<std::byte, needle_size> needle{};
  int found = 0;
  int freed = 0;
};
Watch watch;

void inspect(void* block) {
  if (block == nullptr || !watch.active) return;
  ++watch.freed;
  const std::span memory{static_cast<const std::byte*>(block), malloc_usable_size(block)};
  if (!std::ranges::search(memory, watch.needle).empty()) ++watch.found;
}

void inspected_free(void* block) {
  inspect(block);
  std::free(block);
}

void* openssl_malloc(std::size_t size, const char*, int) { return std::malloc(size); }
void* openssl_realloc(void* block, std::size_t size, const char*, int) {
  void* larger = std::malloc(size);
  if (larger == nullptr) return nullptr;
  if (block != nullptr) std::memcpy(larger, block, std::min(size, malloc_usable_size(block)));
  inspected_free(block);
  return larger;
}
void openssl_free(void* block, const char*, int) { inspected_free(block); }

// Before main, since OpenSSL accepts this only until its first allocation.
const bool openssl_is_watched =
    CRYPTO_set_mem_functions(openssl_malloc, openssl_realloc, openssl_free) == 1;

}  // namespace

void* operator new(std::size_t size) {
  if (void* block = std::malloc(size == 0 ? 1 : size)) return block;
  std::abort();
}
void* operator new(std::size_t size, std::align_val_t alignment) {
  const auto step = static_cast<std::size_t>(alignment);
  if (void* block = std::aligned_alloc(step, (size + step - 1) / step * step)) return block;
  std::abort();
}
void operator delete(void* block) noexcept { inspected_free(block); }
void operator delete(void* block, std::size_t) noexcept { inspected_free(block); }
void operator delete(void* block, std::align_val_t) noexcept { inspected_free(block); }
void operator delete(void* block, std::size_t, std::align_val_t) noexcept { inspected_free(block); }

namespace caponier::crypto {
namespace {

/// How many blocks freed by `action` still held `needle` (its first 16 bytes).
template <class Action>
int blocks_with(Bytes needle, Action action) {
  std::ranges::copy(needle.first(needle_size), watch.needle.begin());
  watch.found = 0;
  watch.freed = 0;
  watch.active = true;
  action();
  watch.active = false;
  EXPECT_GT(watch.freed, 0);
  return watch.found;
}

TEST(SecretHygiene, the_watch_sees_a_key_left_behind) {
  ASSERT_TRUE(openssl_is_watched);
  const ByteVec key = test::hex("000102030405060708090a0b0c0d0e0f");
  EXPECT_EQ(blocks_with(key, [&] { const ByteVec copy = key; }), 1);
  EXPECT_EQ(blocks_with(key, [&] { OPENSSL_free(OPENSSL_memdup(key.data(), key.size())); }), 1);
  EXPECT_EQ(blocks_with(key, [&] { const SecretBytes copy{key}; }), 0);
}

TEST(SecretHygiene, ciphers_leave_no_key_in_freed_memory) {
  base::SeededRng rng{1};
  for (const CryptoProvider* provider : test::real_providers()) {
    for (const CipherSuite& suite : test::all_suites()) {
      const ByteVec encr = test::random_bytes(rng, encr_key_size(suite));
      const ByteVec integ = test::random_bytes(rng, integ_key_size(suite));
      const auto use = [&] {
        const auto cipher = provider->make_cipher(suite, encr, integ, rng).value();
        test::Packet packet{ByteVec(8), ByteVec(cipher->iv_size()), ByteVec(64),
                            ByteVec(cipher->icv_size())};
        cipher->seal({&packet.job, 1});
        cipher->open({&packet.job, 1});
      };
      if (!encr.empty()) {
        EXPECT_EQ(blocks_with(encr, use), 0) << provider->name() << to_string(suite);
      }
      if (!integ.empty()) {
        EXPECT_EQ(blocks_with(integ, use), 0) << provider->name() << to_string(suite);
      }
    }
  }
}

TEST(SecretHygiene, prf_and_prf_plus_leave_neither_key_nor_output) {
  base::SeededRng rng{2};
  const OpensslProvider provider;
  for (const PrfInfo& info : all_prf()) {
    const ByteVec key = test::random_bytes(rng, info.size);
    const auto prf = provider.make_prf(info.id).value();
    const auto expected = prf_plus(*prf, key, {}, 200).value();
    const auto use = [&] { static_cast<void>(prf_plus(*prf, key, {}, 200)); };
    EXPECT_EQ(blocks_with(key, use), 0) << info.name;
    EXPECT_EQ(blocks_with(expected.reveal(), use), 0) << info.name;
    EXPECT_EQ(blocks_with(expected.reveal().last(16), use), 0) << info.name;
  }
}

//= rfc7296#2.12-1 type=test
TEST(SecretHygiene, key_exchanges_leave_neither_private_value_nor_shared_secret) {
  base::SeededRng rng{3};
  const OpensslProvider provider;
  for (const KeInfo& info : all_ke()) {
    // A private value without zeros in front, so that its first 16 bytes are telling.
    ByteVec private_value = test::random_bytes(rng, info.public_size);
    private_value.front() = std::byte{0x81};
    if (info.id == KeGroup::ecp_521) private_value.front() = std::byte{1};
    const auto peer = provider.make_key_exchange(info.id, rng).value();
    const ByteVec peer_public = base::to_vec(peer->public_value());
    const auto exchange = [&] {
      test::ReplayRng replay{base::to_vec(private_value)};
      auto made = provider.make_key_exchange(info.id, replay).value();
      static_cast<void>(made->derive(peer_public));
      made.reset();
      // The generator's own copy is not what is tested.
      watch.active = false;
    };
    test::ReplayRng replay{base::to_vec(private_value)};
    auto shared = provider.make_key_exchange(info.id, replay).value()->derive(peer_public).value();
    EXPECT_EQ(blocks_with(private_value, exchange), 0) << info.name;
    EXPECT_EQ(blocks_with(shared.reveal(), exchange), 0) << info.name;
    // OpenSSL's numbers are little-endian words.
    std::ranges::reverse(shared.reveal_mutable());
    EXPECT_EQ(blocks_with(shared.reveal(), exchange), 0) << info.name;
    const ByteVec reversed{private_value.rbegin(), private_value.rend()};
    // EC_POINT_mul of OpenSSL 3.0 frees its own copy of the scalar unwiped in its fast code for
    // these two curves (ecp_nistz256.c, ecp_nistp521.c); EVP_PKEY_derive takes the same way.
    const int theirs = info.id == KeGroup::ecp_256 || info.id == KeGroup::ecp_521 ? 1 : 0;
    EXPECT_LE(blocks_with(Bytes{reversed}.last(16), exchange), theirs) << info.name;
  }
}

}  // namespace
}  // namespace caponier::crypto
