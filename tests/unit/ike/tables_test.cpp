// The two tables of the IKE machines, as people review them.

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "ike/exchanges.h"
#include "ike/transitions.h"

namespace caponier::ike {
namespace {

TEST(IkeTables, both_tables_are_as_stored) {
  std::ifstream file{CAPONIER_SOURCE_DIR "/tests/unit/ike/tables.snapshot"};
  const std::string stored{std::istreambuf_iterator<char>{file}, {}};
  EXPECT_EQ(stored, print_transitions() + "\n" + print_exchanges())
      << "If the change is meant, store this text in tests/unit/ike/tables.snapshot.";
}

TEST(IkeTables, no_state_leads_out_of_death_and_every_state_leads_into_it) {
  for (const IkeState state : {IkeState::init_sent, IkeState::init_answered, IkeState::auth_pending,
                               IkeState::auth_sent, IkeState::established, IkeState::deleting}) {
    EXPECT_TRUE(is_legal(state, IkeState::dead)) << name_of(state);
    EXPECT_FALSE(is_legal(IkeState::dead, state)) << name_of(state);
  }
}

}  // namespace
}  // namespace caponier::ike
