// The steady path of protect and open allocates nothing, whatever the packets.

#include <cstdlib>
#include <new>

#include <gtest/gtest.h>

#include "crypto/openssl/provider.h"
#include "unit/ipsec/pair.h"

namespace {

std::size_t allocation_count = 0;

void* counted_allocation(std::size_t size) {
  ++allocation_count;
  void* const memory = std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) std::abort();
  return memory;
}

}  // namespace

void* operator new(std::size_t size) { return counted_allocation(size); }
void* operator new[](std::size_t size) { return counted_allocation(size); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }

namespace caponier::ipsec::test {
namespace {

constexpr std::size_t batch = 300;  // more than one run of the cipher

/// One batch from A to B on buffers that are already there; the number of allocations it took.
std::size_t allocations_of_batch(Pair& pair, std::vector<PacketBuffer>& buffers,
                                 const std::vector<ByteVec>& packets, std::vector<ProtectItem>& out,
                                 std::vector<OpenItem>& in) {
  const std::size_t before = allocation_count;
  for (std::size_t i = 0; i < batch; ++i) {
    buffers[i].assign(packets[i]);
    out[i] = {};
    out[i].packet = &buffers[i];
  }
  pair.a.protect(out, at_seconds(1));
  for (std::size_t i = 0; i < batch; ++i) {
    in[i] = {};
    in[i].packet = &buffers[i];
    in[i].path = out[i].path;
  }
  pair.b.open(in, at_seconds(1));
  return allocation_count - before;
}

void expect_no_allocations(const crypto::CryptoProvider& provider,
                           const crypto::CipherSuite& suite) {
  Spec spec;
  spec.suite = suite;
  spec.window = 4096;
  Pair pair{spec, {}, provider};
  std::vector<PacketBuffer> buffers;
  std::vector<ByteVec> packets;
  for (std::size_t i = 0; i < batch; ++i) {
    buffers.emplace_back();
    const auto port = static_cast<std::uint16_t>(i % 20);
    packets.push_back(i % 3 == 0 ? v6_packet(i) : udp_packet("10.1.0.1", "10.2.0.1", i, port, 1));
  }
  std::vector<ProtectItem> out(batch);
  std::vector<OpenItem> in(batch);
  (void)allocations_of_batch(pair, buffers, packets, out, in);
  EXPECT_EQ(allocations_of_batch(pair, buffers, packets, out, in), 0u)
      << provider.name() << ' ' << crypto::to_string(suite);
  EXPECT_EQ(pair.b.counters({1})->packets_in, 2 * batch);
}

TEST(Allocations, are_seen_when_they_happen) {
  const std::size_t before = allocation_count;
  const auto canary = std::make_unique<std::uint64_t>(1);
  EXPECT_EQ(allocation_count, before + *canary);
}

TEST(Allocations, are_none_per_packet_with_the_null_provider) {
  const crypto::NullProvider null{nullptr};
  expect_no_allocations(null, aes_gcm);
  expect_no_allocations(null, aes_cbc);
}

TEST(Allocations, are_none_per_packet_with_openssl) {
  const crypto::OpensslProvider openssl;
  expect_no_allocations(openssl, aes_gcm);
  expect_no_allocations(openssl, aes_cbc);
}

TEST(Allocations, are_none_for_drops) {
  Pair pair;
  std::vector<PacketBuffer> buffers(2);
  std::vector<ProtectItem> items(2);
  const ByteVec foreign = udp_packet("192.168.0.1", "10.2.0.1", 10);
  const std::size_t before = allocation_count;
  for (int i = 0; i < 10; ++i) {
    buffers[0].assign(foreign);
    buffers[1].assign(Bytes{foreign}.first(9));
    items[0].packet = &buffers[0];
    items[1].packet = &buffers[1];
    pair.a.protect(items, {});
  }
  EXPECT_EQ(allocation_count, before);
  EXPECT_EQ(pair.a.drops().total(), 20u);
}

}  // namespace
}  // namespace caponier::ipsec::test
