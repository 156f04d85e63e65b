#include "io/os/background_program.h"

#include <gtest/gtest.h>
#include <poll.h>

namespace caponier::io {
namespace {

/// Nothing here takes long; the wait is for a machine that is busy.
void wait_for(int fd) {
  pollfd wait{fd, POLLIN, 0};
  ASSERT_EQ(::poll(&wait, 1, 60'000), 1);
}

std::string all_of(BackgroundProgram& program) {
  std::string all;
  for (;;) {
    wait_for(program.output());
    const auto some = program.read();
    if (!some) return all;
    all += *some;
  }
}

TEST(BackgroundProgram, says_what_it_says_and_has_nothing_but_its_variables) {
  auto program = BackgroundProgram::start("echo \"$ONE\"; echo \"$HOME\" >&2; exit 3",
                                          {{"ONE", "a value of $HOME"}});
  ASSERT_TRUE(program) << program.error();
  EXPECT_EQ(all_of(*program), "a value of $HOME\n\n");
  wait_for(program->end());
  EXPECT_EQ(program->take_status(), 3);
  EXPECT_FALSE(program->take_status());
}

TEST(BackgroundProgram, is_killed_with_its_children) {
  auto program = BackgroundProgram::start("sleep 1000 & echo there; wait", {});
  ASSERT_TRUE(program) << program.error();
  wait_for(program->output());
  EXPECT_EQ(program->read(), "there\n");
  EXPECT_FALSE(program->take_status());
  program->kill();
  wait_for(program->end());
  EXPECT_EQ(program->take_status(), 128 + 9);
  // Its child held the pipe, and is gone too.
  EXPECT_EQ(all_of(*program), "");
}

TEST(BackgroundProgram, what_is_not_there_ends_as_in_a_shell) {
  auto program = BackgroundProgram::start("/nowhere/updown", {});
  ASSERT_TRUE(program) << program.error();
  wait_for(program->end());
  EXPECT_EQ(program->take_status(), 127);
}

}  // namespace
}  // namespace caponier::io
