#include "io/os/file_source.h"

#include <gtest/gtest.h>

#include "unit/io/temporary_folder.h"

namespace caponier::io {
namespace {

TEST(FileSource, reads_the_configuration_and_its_fragments_in_order) {
  const TemporaryFolder folder;
  folder.write("caponier.toml", "a = 1\n");
  folder.write("conf.d/20-b.toml", "");
  folder.write("conf.d/10-a.toml", "");
  folder.write("conf.d/notes.txt", "");
  folder.write("conf.d/.hidden.toml", "");
  FileSource source{folder / "caponier.toml", ""};
  EXPECT_EQ(source.read_config(folder / "caponier.toml"), "a = 1\n");
  EXPECT_EQ(source.list_fragments(folder / "caponier.toml"),
            (std::vector{folder / "conf.d/10-a.toml", folder / "conf.d/20-b.toml"}));
}

TEST(FileSource, a_missing_file_is_told_as_the_system_tells_it) {
  const TemporaryFolder folder;
  FileSource source{folder / "caponier.toml", ""};
  const auto read = source.read_config(folder / "caponier.toml");
  ASSERT_FALSE(read.has_value());
  EXPECT_EQ(read.error().message, "No such file or directory");
  EXPECT_TRUE(source.list_fragments(folder / "caponier.toml").empty());
}

TEST(FileSource, a_secret_that_others_can_read_is_refused_with_its_mode) {
  const TemporaryFolder folder;
  FileSource source{folder / "caponier.toml", ""};
  folder.write("secrets/branch", "the secret", 0600);
  const auto good = source.read_secret("@branch");
  ASSERT_TRUE(good.has_value());
  EXPECT_TRUE(base::equal(good->reveal(), base::as_bytes("the secret")));
  for (const mode_t mode : {0604U, 0640U, 0620U, 0644U, 0777U}) {
    folder.write("secrets/branch", "the secret", mode);
    const auto read = source.read_secret("@branch");
    ASSERT_FALSE(read.has_value()) << mode;
    EXPECT_NE(read.error().fix.find("chmod 600"), std::string::npos);
  }
}

TEST(FileSource, a_secret_reference_cannot_leave_its_folder) {
  const TemporaryFolder folder;
  folder.write("outside", "not a secret", 0600);
  folder.write("secrets/inside", "x", 0600);
  FileSource source{folder / "caponier.toml", ""};
  for (const char* reference : {"@../outside", "@/etc/passwd", "@", "@.", "@..", "@.hidden"}) {
    EXPECT_FALSE(source.read_secret(reference).has_value()) << reference;
  }
}

TEST(FileSource, credentials_come_from_the_service_manager) {
  const TemporaryFolder folder;
  folder.write("credentials/branch", "from systemd", 0400);
  FileSource with{folder / "caponier.toml", folder / "credentials"};
  ASSERT_TRUE(with.read_secret("cred:branch").has_value());
  FileSource without{folder / "caponier.toml", ""};
  EXPECT_FALSE(without.read_secret("cred:branch").has_value());
}

TEST(FileSource, a_folder_is_not_a_secret) {
  const TemporaryFolder folder;
  folder.write("secrets/branch/x", "x", 0600);
  FileSource source{folder / "caponier.toml", ""};
  EXPECT_FALSE(source.read_secret("@branch").has_value());
}

}  // namespace
}  // namespace caponier::io
