// Neither way of offload allocates once its objects are there.

#include <cstdlib>
#include <new>

#include <gtest/gtest.h>

#include "offload/coalescer.h"
#include "offload/segments.h"
#include "unit/offload/packets.h"

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

namespace caponier::offload {
namespace {

std::vector<packets::Spec> streams() {
  std::vector<packets::Spec> specs;
  for (const bool is_tcp : {false, true}) {
    const packets::Spec whole{.is_tcp = is_tcp, .payload = packets::pattern(4000)};
    for (packets::Spec& spec : packets::cut(whole, 1000)) specs.push_back(std::move(spec));
  }
  return specs;
}

TEST(OffloadAllocations, segmentation_makes_none) {
  const packets::Spec spec{.payload = packets::pattern(4000)};
  const base::ByteVec packet = packets::make_partial(spec);
  base::ByteVec segment(1500);
  const std::size_t before = allocation_count;
  const auto segments = Segments::plan(packets::gso_header(spec, 1000), packet, 1500);
  for (std::size_t i = 0; i < segments->count(); ++i) {
    segments->write(i, base::MutBytes{segment}.first(segments->size_of(i)));
  }
  EXPECT_EQ(allocation_count, before);
}

TEST(OffloadAllocations, coalescing_makes_none_after_the_beginning) {
  std::vector<base::ByteVec> made = packets::make_all(streams());
  Coalescer coalescer{made.size() + 2, UdpCoalescing::on};
  const std::size_t before = allocation_count;
  for (int round = 0; round < 3; ++round) {
    coalescer.clear();
    for (base::ByteVec& packet : made) EXPECT_TRUE(coalescer.add(packet));
    EXPECT_TRUE(coalescer.add({}));
    EXPECT_TRUE(coalescer.add({}));
    EXPECT_FALSE(coalescer.add({}));
    EXPECT_GE(coalescer.groups().size(), 2u);
  }
  EXPECT_EQ(allocation_count, before);
  // A canary: without it the counter might count nothing.
  const base::ByteVec one(1);
  EXPECT_EQ(allocation_count, before + one.size());
}

}  // namespace
}  // namespace caponier::offload
