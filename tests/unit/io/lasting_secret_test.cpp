#include "io/os/lasting_secret.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

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

}  // namespace
}  // namespace caponier::io
