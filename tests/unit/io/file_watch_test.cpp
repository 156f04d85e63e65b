#include "io/os/file_watch.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "unit/io/temporary_folder.h"

namespace caponier::io {
namespace {

using Paths = std::vector<std::string>;

TEST(FileWatch, tells_of_a_change_once_and_when_it_has_come_to_rest) {
  const TemporaryFolder folder;
  folder.write("gw.pem", "one");
  folder.write("ca.pem", "two");
  FileWatch watch;
  watch.watch({folder / "gw.pem", folder / "ca.pem"});
  EXPECT_EQ(watch.look(), Paths{});
  folder.write("gw.pem", "another");
  EXPECT_EQ(watch.look(), Paths{});
  folder.write("gw.pem", "another one");
  EXPECT_EQ(watch.look(), Paths{});
  EXPECT_EQ(watch.look(), Paths{folder / "gw.pem"});
  EXPECT_EQ(watch.look(), Paths{});
}

TEST(FileWatch, tells_of_files_that_appear_and_vanish_and_of_links_that_are_moved) {
  const TemporaryFolder folder;
  folder.write("old", "one");
  folder.write("new", "one");
  const std::string link = folder / "gw.pem";
  ASSERT_EQ(::symlink((folder / "old").c_str(), link.c_str()), 0);
  FileWatch watch;
  watch.watch({link, folder / "ca.crl"});
  ASSERT_EQ(::unlink(link.c_str()), 0);
  ASSERT_EQ(::symlink((folder / "new").c_str(), link.c_str()), 0);
  EXPECT_EQ(watch.look(), Paths{});
  EXPECT_EQ(watch.look(), Paths{link});
  folder.write("ca.crl", "crl");
  EXPECT_EQ(watch.look(), Paths{});
  EXPECT_EQ(watch.look(), Paths{folder / "ca.crl"});
  ASSERT_EQ(::unlink((folder / "ca.crl").c_str()), 0);
  EXPECT_EQ(watch.look(), Paths{});
  EXPECT_EQ(watch.look(), Paths{folder / "ca.crl"});
}

TEST(FileWatch, what_came_back_as_it_was_is_no_change) {
  const TemporaryFolder folder;
  folder.write("gw.pem", "one");
  FileWatch watch;
  watch.watch({folder / "gw.pem"});
  ASSERT_EQ(::rename((folder / "gw.pem").c_str(), (folder / "away").c_str()), 0);
  EXPECT_EQ(watch.look(), Paths{});
  ASSERT_EQ(::rename((folder / "away").c_str(), (folder / "gw.pem").c_str()), 0);
  EXPECT_EQ(watch.look(), Paths{});
  EXPECT_EQ(watch.look(), Paths{});
}

TEST(FileWatch, watches_so_many_files) {
  Paths paths;
  const TemporaryFolder folder;
  for (std::size_t i = 0; i < watched_files_max; ++i) paths.push_back("/none/" + std::to_string(i));
  paths.push_back(folder / "gw.pem");
  FileWatch watch;
  watch.watch(paths);
  folder.write("gw.pem", "one");
  EXPECT_EQ(watch.look(), Paths{});
  EXPECT_EQ(watch.look(), Paths{});
}

}  // namespace
}  // namespace caponier::io
