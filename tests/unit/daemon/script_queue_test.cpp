#include "daemon/script_queue.h"

#include <gtest/gtest.h>

namespace caponier::daemon {
namespace {

gateway::RunUpdown run(std::string queue, std::string command) {
  return {"branch", "net", std::move(queue), std::move(command), {}};
}

std::string next_of(ScriptQueue& queue) {
  const auto next = queue.next();
  return next ? next->command : "(none)";
}

TEST(ScriptQueue, those_of_one_tunnel_wait_for_each_other_and_not_for_others) {
  ScriptQueue queue;
  ASSERT_TRUE(queue.add(run("a", "a up")));
  ASSERT_TRUE(queue.add(run("a", "a down")));
  ASSERT_TRUE(queue.add(run("b", "b up")));
  EXPECT_EQ(next_of(queue), "a up");
  EXPECT_EQ(next_of(queue), "b up");
  EXPECT_EQ(next_of(queue), "(none)");
  queue.end("b");
  EXPECT_EQ(next_of(queue), "(none)");
  queue.end("a");
  EXPECT_EQ(next_of(queue), "a down");
  EXPECT_FALSE(queue.is_idle());
  queue.end("a");
  EXPECT_TRUE(queue.is_idle());
}

TEST(ScriptQueue, only_so_many_run_at_once) {
  ScriptQueue queue;
  for (std::size_t i = 0; i <= scripts_running_max; ++i) {
    ASSERT_TRUE(queue.add(run(std::to_string(i), "run")));
  }
  for (std::size_t i = 0; i < scripts_running_max; ++i) EXPECT_TRUE(queue.next());
  EXPECT_FALSE(queue.next());
  queue.end("0");
  EXPECT_TRUE(queue.next());
}

TEST(ScriptQueue, only_so_many_wait) {
  ScriptQueue queue;
  for (std::size_t i = 0; i < scripts_waiting_max; ++i) ASSERT_TRUE(queue.add(run("a", "run")));
  EXPECT_FALSE(queue.add(run("b", "run")));
}

}  // namespace
}  // namespace caponier::daemon
