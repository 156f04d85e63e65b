#include "io/store/lease_store.h"

#include <fstream>

#include <gtest/gtest.h>

#include "unit/io/temporary_folder.h"

namespace caponier::io {
namespace {

base::IpAddress ip(std::string_view text) { return *base::IpAddress::parse(text); }

std::vector<std::string> texts(const std::vector<gateway::KeepLease>& leases) {
  std::vector<std::string> all;
  for (const auto& lease : leases) all.push_back(lease.address.to_string() + " " + lease.user);
  return all;
}

struct File {
  TemporaryFolder folder;
  std::string path = folder / "leases.db";
};

TEST(LeaseStore, what_was_written_is_there_again_in_the_order_of_use) {
  File file;
  {
    auto opened = LeaseStore::open(file.path);
    ASSERT_TRUE(opened);
    EXPECT_TRUE(opened->leases.empty());
    opened->store->write({ip("10.9.0.1"), "alice"});
    opened->store->write({ip("fd09::1"), "alice"});
    opened->store->write({ip("10.9.0.2"), "bob"});
    opened->store->write({ip("10.9.0.1"), "alice"});
    opened->store->write({ip("10.9.0.2"), ""});
  }
  const auto again = LeaseStore::open(file.path);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->notice, "");
  EXPECT_EQ(texts(again->leases), (std::vector<std::string>{"fd09::1 alice", "10.9.0.1 alice"}));
}

TEST(LeaseStore, order_goes_on_after_a_restart) {
  File file;
  for (const char* user : {"alice", "bob"}) {
    auto opened = LeaseStore::open(file.path);
    ASSERT_TRUE(opened);
    opened->store->write({ip(user[0] == 'a' ? "10.9.0.9" : "10.9.0.1"), user});
  }
  const auto last = LeaseStore::open(file.path);
  ASSERT_TRUE(last);
  EXPECT_EQ(texts(last->leases), (std::vector<std::string>{"10.9.0.9 alice", "10.9.0.1 bob"}));
}

TEST(LeaseStore, a_broken_file_is_set_aside_and_said) {
  File file;
  std::ofstream{file.path}
      << "this is no database, and long enough not to be taken for an empty one";
  auto opened = LeaseStore::open(file.path);
  ASSERT_TRUE(opened);
  EXPECT_NE(opened->notice.find(file.path + ".broken"), std::string::npos) << opened->notice;
  EXPECT_TRUE(std::filesystem::exists(file.path + ".broken"));
  opened->store->write({ip("10.9.0.1"), "alice"});
  opened->store.reset();
  EXPECT_EQ(texts(LeaseStore::open(file.path)->leases), std::vector<std::string>{"10.9.0.1 alice"});
}

TEST(LeaseStore, without_a_folder_there_is_none) {
  const auto opened = LeaseStore::open("/nowhere/at/all/leases.db");
  ASSERT_FALSE(opened);
  EXPECT_NE(opened.error().message.find("/nowhere/at/all/leases.db"), std::string::npos);
}

}  // namespace
}  // namespace caponier::io
