#include "io/os/lasting_secret.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdio>

#include "unit/io/temporary_folder.h"

namespace caponier::io {
namespace {

TEST(LastingSecret, is_made_once_privately_and_read_ever_after) {
  const TemporaryFolder folder;
  base::SeededRng rng{1};
  const auto made = open_lasting_secret(folder / "secret", 32, rng);
  ASSERT_TRUE(made.has_value());
  const auto read = open_lasting_secret(folder / "secret", 32, rng);
  ASSERT_TRUE(read.has_value());
  EXPECT_TRUE(base::equal(made->reveal(), read->reveal()));
  struct stat info{};
  ASSERT_EQ(::stat((folder / "secret").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0600U);
}

TEST(LastingSecret, one_that_others_can_read_or_that_is_cut_is_refused_with_a_cure) {
  const TemporaryFolder folder;
  base::SeededRng rng{1};
  folder.write("open", "thirty-two octets of real secret", 0644);
  folder.write("short", "too short", 0600);
  for (const char* name : {"open", "short"}) {
    const auto read = open_lasting_secret(folder / name, 32, rng);
    ASSERT_FALSE(read.has_value()) << name;
    EXPECT_NE(read.error().fix.find("remove"), std::string::npos);
  }
  EXPECT_FALSE(open_lasting_secret(folder / "no/such/folder", 32, rng).has_value());
}

TEST(LastingSecrets, one_that_was_moved_aside_serves_on_behind_the_new_one) {
  const TemporaryFolder folder;
  base::SeededRng rng{1};
  const std::string path = folder / "secret";
  const auto first = open_lasting_secrets(path, 32, 4, rng);
  ASSERT_TRUE(first.has_value());
  ASSERT_EQ(first->size(), 1u);
  ASSERT_EQ(std::rename(path.c_str(), (folder / "secret.1").c_str()), 0);
  const auto second = open_lasting_secrets(path, 32, 4, rng);
  ASSERT_TRUE(second.has_value());
  ASSERT_EQ(second->size(), 2u);
  EXPECT_FALSE(base::equal(second->at(0).reveal(), first->at(0).reveal()));
  EXPECT_TRUE(base::equal(second->at(1).reveal(), first->at(0).reveal()));
  for (const char* name : {"secret.2", "secret.3", "secret.4"}) {
    folder.write(name, "thirty-two octets of real secret", 0600);
  }
  EXPECT_EQ(open_lasting_secrets(path, 32, 4, rng)->size(), 4u);
}

TEST(LastingSecrets, an_older_one_that_cannot_be_read_is_left_out) {
  const TemporaryFolder folder;
  base::SeededRng rng{1};
  folder.write("secret.1", "thirty-two octets of real secret", 0644);
  folder.write("secret.2", "too short", 0600);
  folder.write("secret.3", "thirty-two octets of real secret", 0600);
  const auto secrets = open_lasting_secrets(folder / "secret", 32, 4, rng);
  ASSERT_TRUE(secrets.has_value());
  EXPECT_EQ(secrets->size(), 2u);
}

}  // namespace
}  // namespace caponier::io
