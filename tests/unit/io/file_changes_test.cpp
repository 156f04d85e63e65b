#include "io/os/file_changes.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "temporary_folder.h"

namespace caponier::io {
namespace {

base::SecretBytes content(std::string_view text) { return base::SecretBytes{base::as_bytes(text)}; }

std::string text_of(const std::string& path) {
  const auto read = read_file(path);
  if (!read || !*read) return "nothing";
  return std::string{base::as_text((*read)->reveal())};
}

mode_t mode_of(const std::string& path) {
  struct stat info{};
  EXPECT_EQ(::stat(path.c_str(), &info), 0);
  return info.st_mode & 07777U;
}

TEST(FileChanges, are_nothing_until_they_are_applied) {
  const TemporaryFolder folder;
  folder.write("old", "before");
  folder.write("gone", "x");
  FileChanges changes;
  changes.write(folder / "old", content("after"), 0644);
  changes.write(folder / "deep/er/new", content("secret"), 0600, 0700);
  changes.remove(folder / "gone");
  EXPECT_EQ(text_of(folder / "old"), "before");
  EXPECT_EQ(text_of(folder / "deep/er/new"), "nothing");
  const auto list = changes.list();
  ASSERT_EQ(list.size(), 3U);
  EXPECT_EQ(list[0].action, "replace");
  EXPECT_EQ(list[1].action, "create");
  EXPECT_EQ(list[2].action, "remove");

  ASSERT_TRUE(changes.apply());
  EXPECT_EQ(text_of(folder / "old"), "after");
  EXPECT_EQ(text_of(folder / "deep/er/new"), "secret");
  EXPECT_EQ(text_of(folder / "gone"), "nothing");
  EXPECT_EQ(mode_of(folder / "deep/er/new"), 0600U);
  EXPECT_EQ(mode_of(folder / "deep/er"), 0700U);
  EXPECT_EQ(text_of(folder / ".old.new"), "nothing");
}

TEST(FileChanges, what_is_so_already_is_no_change) {
  const TemporaryFolder folder;
  folder.write("same", "text");
  FileChanges changes;
  changes.write(folder / "same", content("text"), 0600);
  changes.remove(folder / "missing");
  EXPECT_TRUE(changes.empty());
}

TEST(FileChanges, that_cannot_all_be_written_leave_every_file_as_it_was) {
  const TemporaryFolder folder;
  folder.write("first", "before");
  folder.write("file", "");
  FileChanges changes;
  changes.write(folder / "first", content("after"), 0600);
  changes.write(folder / "file/below", content("x"), 0600);  // a file is no folder
  const auto applied = changes.apply();
  ASSERT_FALSE(applied);
  EXPECT_NE(applied.error().message.find("file"), std::string::npos);
  EXPECT_EQ(text_of(folder / "first"), "before");
  EXPECT_EQ(text_of(folder / ".first.new"), "nothing");
}

TEST(FileChanges, replace_what_a_crash_left_and_follow_no_link_there) {
  const TemporaryFolder folder;
  folder.write("target", "untouched");
  ASSERT_EQ(::symlink((folder / "target").c_str(), (folder / ".name.new").c_str()), 0);
  FileChanges changes;
  changes.write(folder / "name", content("fresh"), 0600);
  ASSERT_TRUE(changes.apply());
  EXPECT_EQ(text_of(folder / "name"), "fresh");
  EXPECT_EQ(text_of(folder / "target"), "untouched");
}

TEST(LockFolder, is_for_one_at_a_time) {
  const TemporaryFolder folder;
  auto first = lock_folder(folder / ".");
  ASSERT_TRUE(first);
  const auto second = lock_folder(folder / ".");
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().fault, IoFault::in_use);
  first->reset();
  EXPECT_TRUE(lock_folder(folder / "."));
}

}  // namespace
}  // namespace caponier::io
