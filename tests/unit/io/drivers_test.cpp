#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "io/loop/loop.h"
#include "io/os/clock.h"
#include "io/os/rng.h"
#include "io/udp/port_owner.h"
#include "io/unix/lock_file.h"
#include "io/unix/unix_server.h"
#include "unit/io/temporary_folder.h"

namespace caponier::io {
namespace {

constexpr std::string_view proc_net_udp =
    "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout "
    "inode ref pointer drops\n"
    "  325: 00000000:01F4 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 "
    "48213 2 0000000000000000 0\n"
    "  512: 0100007F:1194 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 "
    "48214 2 0000000000000000 0\n";

TEST(PortOwner, finds_the_inode_of_a_port) {
  EXPECT_EQ(find_port_inode(proc_net_udp, 500), 48213U);
  EXPECT_EQ(find_port_inode(proc_net_udp, 4500), 48214U);
  EXPECT_FALSE(find_port_inode(proc_net_udp, 501).has_value());
}

TEST(PortOwner, does_not_stumble_over_cut_text) {
  for (std::size_t size = 0; size < proc_net_udp.size(); ++size) {
    static_cast<void>(find_port_inode(proc_net_udp.substr(0, size), 4500));
  }
}

TEST(LockFile, a_second_owner_is_refused_and_told_who_has_it) {
  const TemporaryFolder folder;
  {
    const auto first = LockFile::acquire(folder / "pid");
    ASSERT_TRUE(first.has_value());
    const auto second = LockFile::acquire(folder / "pid");
    ASSERT_FALSE(second.has_value());
    EXPECT_EQ(second.error().fault, IoFault::in_use);
    EXPECT_NE(second.error().message.find(std::to_string(::getpid())), std::string::npos);
  }
  EXPECT_FALSE(std::filesystem::exists(folder / "pid"));
  EXPECT_TRUE(LockFile::acquire(folder / "pid").has_value());
}

TEST(OsRng, public_and_secret_bytes_differ_from_call_to_call) {
  OsRng rng;
  std::array<std::array<std::byte, 32>, 4> values{};
  rng.fill_public(values[0]);
  rng.fill_public(values[1]);
  rng.fill_secret(values[2]);
  rng.fill_secret(values[3]);
  for (std::size_t i = 0; i < values.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) EXPECT_NE(values[i], values[j]);
  }
  std::vector<std::byte> large(10000);
  rng.fill_public(large);
  EXPECT_NE(std::count(large.begin(), large.end(), std::byte{0}), 10000);
}

TEST(Loop, calls_readers_until_they_are_forgotten) {
  Loop loop;
  const Fd event{::eventfd(2, EFD_NONBLOCK | EFD_SEMAPHORE)};
  int calls = 0;
  loop.on_readable(event.get(), [&] {
    eventfd_t value = 0;
    ::eventfd_read(event.get(), &value);
    if (++calls == 2) {
      loop.forget(event.get());
      loop.stop();
    }
  });
  loop.run([] {});
  EXPECT_EQ(calls, 2);
}

TEST(Loop, a_descriptor_that_is_always_ready_does_not_keep_the_rest_from_its_turn) {
  Loop loop;
  const Fd event{::eventfd(1, EFD_NONBLOCK)};
  int calls = 0;
  loop.on_readable(event.get(), [&] { ++calls; });
  int settled = 0;
  loop.run([&] {
    if (++settled == 10) loop.stop();
  });
  EXPECT_LT(calls, 1000);
  loop.forget(event.get());
}

TEST(Loop, a_timer_in_the_past_fires_at_once_and_settles) {
  Loop loop;
  loop.set_timer(base::Instant{});
  int settled = 0;
  loop.run([&] {
    if (++settled == 2) loop.stop();
  });
  EXPECT_EQ(settled, 2);
}

class UnixServerTest : public testing::Test {
 protected:
  void SetUp() override {
    UnixServer::Handler handler;
    handler.connected = [this](UnixServer::ClientId, uid_t user) {
      EXPECT_EQ(user, ::geteuid());
      return accepts_;
    };
    handler.received = [this](UnixServer::ClientId client, std::string_view data) {
      client_ = client;
      received_ += data;
    };
    handler.written = [this](UnixServer::ClientId, std::size_t bytes) { written_ += bytes; };
    handler.disconnected = [this](UnixServer::ClientId) { ++disconnected_; };
    auto server =
        UnixServer::open(folder_ / "control.sock", "no-such-group", loop_, std::move(handler));
    ASSERT_TRUE(server.has_value()) << server.error().message;
    server_ = std::move(*server);
  }
  [[nodiscard]] Fd dial() const {
    Fd fd{::socket(AF_UNIX, SOCK_STREAM, 0)};
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = folder_ / "control.sock";
    path.copy(address.sun_path, path.size());
    EXPECT_EQ(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    return fd;
  }
  void run_until(const std::function<bool()>& done) {
    loop_.run([&] {
      if (done()) loop_.stop();
    });
  }

  TemporaryFolder folder_;
  Loop loop_;
  std::unique_ptr<UnixServer> server_;
  bool accepts_ = true;
  UnixServer::ClientId client_ = 0;
  std::string received_;
  std::size_t written_ = 0;
  int disconnected_ = 0;
};

TEST_F(UnixServerTest, only_owner_and_group_may_connect) {
  struct stat info{};
  ASSERT_EQ(::stat((folder_ / "control.sock").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0660U);
}

TEST_F(UnixServerTest, a_backlog_is_written_as_the_client_reads) {
  const Fd fd = dial();
  ASSERT_EQ(::send(fd.get(), "hello", 5, 0), 5);
  run_until([&] { return received_ == "hello"; });
  const std::string large(1 << 20, 'x');
  server_->send(client_, large, true);
  EXPECT_LT(written_, large.size());
  EXPECT_EQ(disconnected_, 0);
  std::string got;
  loop_.on_readable(fd.get(), [&] {
    std::vector<char> chunk(65536);
    const ssize_t size = ::recv(fd.get(), chunk.data(), chunk.size(), MSG_DONTWAIT);
    if (size > 0) got.append(chunk.data(), static_cast<std::size_t>(size));
  });
  run_until([&] { return disconnected_ > 0 && got.size() == large.size(); });
  loop_.forget(fd.get());
  EXPECT_EQ(got, large);
}

TEST_F(UnixServerTest, a_client_that_is_cut_off_does_not_keep_what_waits) {
  const Fd fd = dial();
  ASSERT_EQ(::send(fd.get(), "hello", 5, 0), 5);
  run_until([&] { return !received_.empty(); });
  server_->send(client_, std::string(4 << 20, 'x'), false);
  server_->cut(client_);
  EXPECT_EQ(disconnected_, 1);
}

TEST_F(UnixServerTest, a_client_turned_away_sees_the_end) {
  accepts_ = false;
  const Fd fd = dial();
  bool ended = false;
  loop_.on_readable(fd.get(), [&] {
    char byte = 0;
    ended = ::recv(fd.get(), &byte, 1, MSG_DONTWAIT) == 0;
  });
  run_until([&] { return ended; });
  loop_.forget(fd.get());
  EXPECT_EQ(disconnected_, 0);
}

}  // namespace
}  // namespace caponier::io
