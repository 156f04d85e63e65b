#include "io/tcp/tcp_streams.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstring>

#include "io/os/clock.h"
#include "io/socket/sockaddr.h"

namespace caponier::io {
namespace {

using base::ByteVec;
using base::DropReason;
using base::Path;
using Content = TcpStreams::Content;
using namespace std::chrono_literals;

const base::IpAddress localhost = base::IpAddress::v4(0x7f000001);

ByteVec bytes_of(std::string_view text) { return base::to_vec(base::as_bytes(text)); }

/// One side, listening on a port the kernel has chosen.
struct Side {
  struct Message {
    Path path;
    ByteVec bytes;
  };
  std::vector<Message> received;
  std::vector<Path> closed;
  std::vector<std::string> notices;
  TcpStreams streams;

  explicit Side(Loop& loop, const TcpLimits& limits = {}, std::vector<std::uint16_t> ports = {0})
      : streams({{localhost}, std::move(ports), 0}, limits, loop, handler(), notices) {}
  TcpStreams::Handler handler() {
    return {[this](const Path& path, base::Bytes message) {
              received.push_back({path, base::to_vec(message)});
            },
            [] {}, [this](const Path& path) { closed.push_back(path); }};
  }
  [[nodiscard]] std::uint16_t port() const { return streams.ports().front(); }
  [[nodiscard]] std::uint64_t drops(DropReason reason) const { return streams.drops()[reason]; }
};

/// A port that nobody holds at this moment.
std::uint16_t free_port() {
  return local_port(listen_tcp({base::Family::v4, localhost, 0, 0})->get());
}

class TcpStreamsTest : public testing::Test {
 protected:
  Loop loop;

  template <class Condition>
  [[nodiscard]] bool run_until(Condition condition) {
    const base::Instant limit = monotonic_now() + 10s;
    bool held = false;
    loop.set_timer(limit);
    loop.run([&] {
      held = condition();
      if (held || monotonic_now() >= limit) loop.stop();
    });
    return held;
  }
  static Path path_to(const Side& side) {
    return {{localhost, free_port()}, {localhost, side.port()}, base::Transport::tcp};
  }
  /// A stranger's connection with what it says at once.
  static Fd stranger(const Side& side, base::Bytes says = {}) {
    Fd fd{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    const SocketAddress to{{localhost, side.port()}};
    EXPECT_EQ(::connect(fd.get(), to.get(), to.size()), 0);
    if (!says.empty()) {
      EXPECT_EQ(::send(fd.get(), says.data(), says.size(), MSG_NOSIGNAL),
                static_cast<ssize_t>(says.size()));
    }
    return fd;
  }
};

//= rfc9329#6.1-16 type=test
TEST_F(TcpStreamsTest, one_stream_carries_ike_and_esp_in_both_directions) {
  Side a{loop};
  Side b{loop};
  const Path path = path_to(b);
  a.streams.send(path, bytes_of("an IKE request"), Content::ike);
  a.streams.send(path, bytes_of("an ESP packet"), Content::esp);
  a.streams.flush();
  ASSERT_TRUE(run_until([&] { return b.received.size() == 2; }));
  EXPECT_EQ(b.received[0].bytes, bytes_of("an IKE request"));
  EXPECT_EQ(b.received[1].bytes, bytes_of("an ESP packet"));
  const Path back = b.received[0].path;
  EXPECT_EQ(back, (Path{path.remote, path.local, base::Transport::tcp}));
  b.streams.send(back, bytes_of("an answer"), Content::ike);
  b.streams.send(back, bytes_of("ESP back"), Content::esp);
  b.streams.flush();
  ASSERT_TRUE(run_until([&] { return a.received.size() == 2; }));
  EXPECT_EQ(a.received[1].bytes, bytes_of("ESP back"));
  EXPECT_EQ(a.received[1].path, path);
  EXPECT_EQ(a.streams.size(), 1U);
  EXPECT_EQ(b.streams.size(), 1U);
}

TEST_F(TcpStreamsTest, only_ike_opens_a_stream_and_only_from_a_port_of_its_own) {
  Side a{loop};
  Side b{loop};
  a.streams.send(path_to(b), bytes_of("ESP"), Content::esp);
  const Path peers{{localhost, a.port()}, {localhost, b.port()}, base::Transport::tcp};
  a.streams.send(peers, bytes_of("IKE"), Content::ike);
  EXPECT_EQ(a.streams.size(), 0U);
  EXPECT_EQ(a.drops(DropReason::io_send_failed), 2U);
  EXPECT_TRUE(a.closed.empty());
}

TEST_F(TcpStreamsTest, a_refused_connection_is_told) {
  Side a{loop};
  const Path path{{localhost, free_port()}, {localhost, free_port()}, base::Transport::tcp};
  a.streams.send(path, bytes_of("hello"), Content::ike);
  a.streams.flush();
  ASSERT_TRUE(run_until([&] { return !a.closed.empty(); }));
  EXPECT_EQ(a.closed, std::vector<Path>{path});
  EXPECT_EQ(a.streams.size(), 0U);
}

TEST_F(TcpStreamsTest, a_local_port_in_use_is_told_at_once) {
  Side a{loop};
  Side b{loop};
  const Path path{{localhost, b.port()}, {localhost, b.port()}, base::Transport::tcp};
  a.streams.send(path, bytes_of("hello"), Content::ike);
  EXPECT_EQ(a.closed, std::vector<Path>{path});
}

TEST_F(TcpStreamsTest, the_end_of_a_stream_is_told_to_both_sides_but_not_to_who_closed_it) {
  Side a{loop};
  Side b{loop};
  const Path path = path_to(b);
  a.streams.send(path, bytes_of("hello"), Content::ike);
  a.streams.flush();
  ASSERT_TRUE(run_until([&] { return b.received.size() == 1; }));
  a.streams.send(path, bytes_of("goodbye"), Content::ike);
  a.streams.close(path, monotonic_now());
  a.streams.flush();
  ASSERT_TRUE(run_until([&] { return !b.closed.empty(); }));
  EXPECT_EQ(b.received.size(), 2U);
  EXPECT_EQ(b.closed.front(), b.received.front().path);
  EXPECT_TRUE(a.closed.empty());
  EXPECT_EQ(a.streams.size() + b.streams.size(), 0U);
}

//= rfc9329#6.1-12 type=test
TEST_F(TcpStreamsTest, a_wrong_prefix_or_length_ends_the_stream_and_is_counted) {
  Side b{loop};
  const std::array hostile = {bytes_of("GET / HTTP/1.1\r\n\r\n"),
                              bytes_of(std::string_view{"IKETCP\0\0", 8}),
                              bytes_of(std::string_view{"IKETCP\xff\xff", 8})};
  for (const ByteVec& says : hostile) {
    const Fd fd = stranger(b, says);
    const std::size_t before = b.closed.size();
    ASSERT_TRUE(run_until([&] { return b.closed.size() > before; }));
  }
  EXPECT_EQ(b.drops(DropReason::tcp_bad_framing), hostile.size());
  EXPECT_TRUE(b.received.empty());
  EXPECT_EQ(b.streams.size(), 0U);
}

TEST_F(TcpStreamsTest, a_stream_that_is_distrusted_ends) {
  Side b{loop};
  const Fd fd = stranger(b, bytes_of(std::string_view{"IKETCP\0\5abc", 11}));
  ASSERT_TRUE(run_until([&] { return b.received.size() == 1; }));
  b.streams.distrust(b.received.front().path);
  EXPECT_EQ(b.drops(DropReason::tcp_bad_framing), 1U);
  EXPECT_EQ(b.streams.size(), 0U);
}

TEST_F(TcpStreamsTest, a_slow_stranger_is_closed_however_it_drips) {
  Side b{loop};
  const Fd fd = stranger(b, bytes_of("IKET"));
  ASSERT_TRUE(run_until([&] { return b.streams.size() == 1; }));
  const base::Instant now = monotonic_now();
  b.streams.handle_deadline(now + 20s);
  EXPECT_EQ(b.streams.size(), 1U);
  b.streams.handle_deadline(now + 31s);
  EXPECT_EQ(b.streams.size(), 0U);
  EXPECT_EQ(b.drops(DropReason::tcp_limit), 1U);
}

TEST_F(TcpStreamsTest, a_proven_peer_stays_until_it_is_idle) {
  Side b{loop};
  const Fd fd = stranger(b, bytes_of(std::string_view{"IKETCP\0\5abc", 11}));
  ASSERT_TRUE(run_until([&] { return b.received.size() == 1; }));
  b.streams.prove(b.received.front().path);
  const base::Instant now = monotonic_now();
  b.streams.handle_deadline(now + 9min);
  EXPECT_EQ(b.streams.size(), 1U);
  b.streams.handle_deadline(now + 11min);
  EXPECT_EQ(b.streams.size(), 0U);
  EXPECT_EQ(b.closed.size(), 1U);
  EXPECT_EQ(b.drops(DropReason::tcp_limit), 0U);
  EXPECT_FALSE(b.streams.poll_deadline().has_value());
}

TEST_F(TcpStreamsTest, an_address_has_only_so_many_streams_and_the_oldest_unproven_one_goes) {
  TcpLimits limits;
  limits.accepted_per_address_max = 4;
  Side b{loop, limits};
  std::vector<Fd> fds;
  for (int i = 0; i < 7; ++i) {
    fds.push_back(stranger(b));
    ASSERT_TRUE(run_until(
        [&] { return b.streams.size() + b.closed.size() == static_cast<std::size_t>(i) + 1; }));
  }
  EXPECT_EQ(b.streams.size(), 4U);
  EXPECT_EQ(b.closed.size(), 3U);
  EXPECT_EQ(b.drops(DropReason::tcp_limit), 3U);
}

TEST_F(TcpStreamsTest, proven_peers_are_not_closed_for_newcomers) {
  TcpLimits limits;
  limits.accepted_max = 2;
  Side b{loop, limits};
  const ByteVec says = bytes_of(std::string_view{"IKETCP\0\5abc", 11});
  const Fd first = stranger(b, says);
  const Fd second = stranger(b, says);
  ASSERT_TRUE(run_until([&] { return b.received.size() == 2; }));
  for (const Side::Message& message : b.received) b.streams.prove(message.path);
  const Fd third = stranger(b, says);
  ASSERT_TRUE(run_until([&] { return b.drops(DropReason::tcp_limit) == 1; }));
  EXPECT_EQ(b.streams.size(), 2U);
  EXPECT_TRUE(b.closed.empty());
}

TEST_F(TcpStreamsTest, streams_of_our_own_have_a_limit) {
  TcpLimits limits;
  limits.opened_max = 1;
  Side a{loop, limits};
  Side b{loop};
  a.streams.send(path_to(b), bytes_of("hello"), Content::ike);
  const Path refused = path_to(b);
  a.streams.send(refused, bytes_of("hello"), Content::ike);
  EXPECT_EQ(a.closed, std::vector<Path>{refused});
  EXPECT_EQ(a.drops(DropReason::tcp_limit), 1U);
}

TEST_F(TcpStreamsTest, a_peer_that_does_not_read_costs_a_bounded_queue_in_which_ike_has_room) {
  TcpLimits limits;
  limits.unsent_max = 10'000;
  limits.unsent_ike_max = 12'000;
  Side b{loop, limits};
  const Fd fd = stranger(b, bytes_of(std::string_view{"IKETCP\0\5abc", 11}));
  ASSERT_TRUE(run_until([&] { return b.received.size() == 1; }));
  const Path path = b.received.front().path;
  const ByteVec packet(1400, std::byte{1});
  for (int i = 0; i < 10'000 && b.drops(DropReason::tcp_limit) == 0; ++i) {
    b.streams.send(path, packet, Content::esp);
    b.streams.flush();
  }
  EXPECT_EQ(b.drops(DropReason::tcp_limit), 1U);
  b.streams.send(path, packet, Content::ike);
  EXPECT_EQ(b.drops(DropReason::tcp_limit), 1U);
  b.streams.send(path, packet, Content::ike);
  b.streams.send(path, packet, Content::ike);
  EXPECT_GE(b.drops(DropReason::tcp_limit), 2U);
}

TEST_F(TcpStreamsTest, a_connection_that_does_not_come_about_is_given_up) {
  TcpLimits limits;
  limits.connect_timeout = 0s;
  Side a{loop, limits};
  Side b{loop};
  const Path path = path_to(b);
  a.streams.send(path, bytes_of("hello"), Content::ike);
  a.streams.handle_deadline(monotonic_now() + 2s);
  EXPECT_EQ(a.closed, std::vector<Path>{path});
}

TEST_F(TcpStreamsTest, a_port_that_is_taken_is_a_notice) {
  Side a{loop};
  const Side b{loop, {}, {a.port()}};
  ASSERT_EQ(b.notices.size(), 1U);
  EXPECT_NE(b.notices.front().find("tcp_ports"), std::string::npos);
  EXPECT_TRUE(b.streams.ports().empty());
}

}  // namespace
}  // namespace caponier::io
