#include "ipsec/flat_table.h"

#include <map>
#include <memory>

#include <gtest/gtest.h>

#include "base/rng.h"
#include "base/strong.h"

namespace caponier::ipsec {
namespace {

using Table = FlatTable<base::Spi, std::unique_ptr<int>>;

TEST(FlatTable, agrees_with_a_map_through_growth_and_removal) {
  base::SeededRng rng{1};
  Table table;
  std::map<std::uint32_t, int> model;
  for (int step = 0; step < 200'000; ++step) {
    // Few keys, so that chains form, and phases in which the table empties again.
    const auto key = static_cast<std::uint32_t>(rng.public_below(500));
    const bool is_filling = step / 5000 % 2 == 0;
    if (rng.public_below(4) < (is_filling ? 3U : 1U)) {
      if (model.emplace(key, step).second) table.insert({key}, std::make_unique<int>(step));
    } else {
      const std::unique_ptr<int> removed = table.remove({key});
      const auto known = model.find(key);
      ASSERT_EQ(removed != nullptr, known != model.end());
      if (removed != nullptr) {
        ASSERT_EQ(*removed, known->second);
        model.erase(known);
      }
    }
    ASSERT_EQ(table.size(), model.size());
    if (step % 100 != 0) continue;
    for (std::uint32_t each = 0; each < 500; ++each) {
      const std::unique_ptr<int>& found = table.find({each});
      const auto known = model.find(each);
      ASSERT_EQ(found != nullptr, known != model.end());
      if (found != nullptr) {
        ASSERT_EQ(*found, known->second);
      }
    }
  }
}

TEST(FlatTable, finds_and_removes_nothing_when_it_is_empty) {
  Table table;
  EXPECT_FALSE(table.contains({1}));
  EXPECT_EQ(table.remove({1}), nullptr);
  table.prefetch({1});
}

}  // namespace
}  // namespace caponier::ipsec
