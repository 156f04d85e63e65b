// Datagrams through real UDP sockets, in a network namespace of this program's own: the kernel
// merges and splits them on the way, and each must arrive as it was sent.
#include <gtest/gtest.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cstring>
#include <deque>

#include "base/rng.h"
#include "io/os/fd.h"
#include "io/socket/ip_socket.h"

namespace caponier::io {
namespace {

using base::ByteVec;
using base::IpAddress;

/// A namespace with nothing but a loopback device.
bool enter_namespace() {
  if (::unshare(CLONE_NEWNET) != 0) return false;
  const Fd fd{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  ifreq request{};
  std::strcpy(request.ifr_name, "lo");
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  return ::ioctl(fd.get(), SIOCSIFFLAGS, &request) == 0;
}

class Sockets : public testing::TestWithParam<base::Family> {
 protected:
  static void SetUpTestSuite() { is_ready_ = enter_namespace(); }
  void SetUp() override {
    if (!is_ready_) GTEST_SKIP() << "skipped: network namespaces need root";
    auto sender = IpSocket::open({IpSocketKind::udp, GetParam(), loopback(), 7001});
    auto receiver = IpSocket::open({IpSocketKind::udp, GetParam(), loopback(), 7002});
    ASSERT_TRUE(sender && receiver);
    sender_.emplace(std::move(*sender));
    receiver_.emplace(std::move(*receiver));
  }
  static IpAddress loopback() {
    return GetParam() == base::Family::v4 ? *IpAddress::parse("127.0.0.1")
                                          : *IpAddress::parse("::1");
  }
  static Outgoing to_receiver(const ByteVec& bytes) {
    Outgoing item;
    item.bytes = bytes;
    item.path = {{loopback(), 7001}, {loopback(), 7002}};
    return item;
  }
  /// Numbered, so that order and contents show.
  ByteVec packet(std::size_t size) {
    ByteVec bytes(size);
    rng_.fill_public(bytes);
    return bytes;
  }
  void send(const std::vector<ByteVec>& packets) {
    std::vector<Outgoing> batch;
    for (const ByteVec& bytes : packets) {
      batch.push_back(to_receiver(bytes));
      expected_.push_back(bytes);
    }
    EXPECT_EQ(sender_->send(batch).sent, packets.size());
  }
  void expect_all() {
    while (!expected_.empty()) {
      (void)receiver_->receive(batch_);
      ASSERT_FALSE(batch_.packets().empty()) << expected_.size() << " never came";
      for (const Received& item : batch_.packets()) {
        ASSERT_FALSE(expected_.empty());
        const base::Bytes bytes = item.packet->bytes();
        ASSERT_EQ(ByteVec(bytes.begin(), bytes.end()), expected_.front());
        EXPECT_EQ(item.path.remote, (base::Endpoint{loopback(), 7001}));
        EXPECT_EQ(item.path.local, (base::Endpoint{loopback(), 7002}));
        EXPECT_GE(item.packet->front_space(), ipsec::PacketBuffer::headroom);
        expected_.pop_front();
      }
    }
    (void)receiver_->receive(batch_);
    EXPECT_TRUE(batch_.packets().empty());
  }

  static inline bool is_ready_ = false;
  base::SeededRng rng_{1};
  std::optional<IpSocket> sender_;
  std::optional<IpSocket> receiver_;
  ReceiveBatch batch_{65535};
  std::deque<ByteVec> expected_;
};

TEST_P(Sockets, a_run_of_equal_datagrams_and_a_shorter_one_arrive_as_they_were) {
  for (int round = 0; round < 3; ++round) {
    std::vector<ByteVec> packets;
    for (int i = 0; i < 40; ++i) packets.push_back(packet(1400));
    packets.push_back(packet(77));
    send(packets);
    expect_all();
  }
}

TEST_P(Sockets, the_size_of_the_segments_may_change_at_any_time) {
  for (const std::size_t size : {1000U, 1400U, 100U, 1400U, 33U, 9000U, 1U}) {
    std::vector<ByteVec> packets;
    for (int i = 0; i < 7; ++i) packets.push_back(packet(size));
    send(packets);
    send({packet(1300)});
    send({packet(20)});
    expect_all();
  }
}

TEST_P(Sockets, merged_datagrams_are_fewer_messages) {
  std::vector<ByteVec> packets;
  for (int i = 0; i < 64; ++i) packets.push_back(packet(500));
  send(packets);
  EXPECT_FALSE(receiver_->receive(batch_));  // fewer messages than there is room for
  EXPECT_EQ(batch_.packets().size(), 64u);
}

TEST_P(Sockets, what_is_empty_or_large_passes) {
  send({packet(0), packet(0), packet(60'000), packet(60'000), packet(0), packet(5)});
  expect_all();
}

TEST_P(Sockets, any_sequence_of_sizes_arrives) {
  for (int round = 0; round < 300; ++round) {
    std::vector<ByteVec> packets;
    while (packets.size() < 1 + rng_.public_below(60)) {
      const std::size_t size = rng_.public_below(4) == 0 ? rng_.public_below(2000) : 700;
      const std::size_t count = 1 + rng_.public_below(5);
      for (std::size_t i = 0; i < count; ++i) packets.push_back(packet(size));
    }
    send(packets);
    expect_all();
  }
}

INSTANTIATE_TEST_SUITE_P(Family, Sockets, testing::Values(base::Family::v4, base::Family::v6),
                         [](const auto& each) {
                           return each.param == base::Family::v4 ? "v4" : "v6";
                         });

}  // namespace
}  // namespace caponier::io
