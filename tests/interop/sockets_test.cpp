// Datagrams through real UDP sockets, in a network namespace of this program's own: the kernel
// merges and splits them on the way, and each must arrive as it was sent.
#include <gtest/gtest.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <deque>
#include <map>

#include "base/rng.h"
#include "base/strong.h"
#include "io/os/fd.h"
#include "io/rawip/raw_sockets.h"
#include "io/socket/ip_socket.h"
#include "io/tun/flow_steering.h"
#include "io/udp/udp_sockets.h"
#include "wire/ip.h"
#include "wire/ip_packet.h"
#include "wire/udp.h"

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

/// The control side's sockets and those of three workers.
struct Shared {
  static constexpr unsigned workers = 3;
  explicit Shared(const IpAddress& address) {
    const UdpOptions options{{address}, 7500, 7501, 0, workers};
    std::vector<std::string> notices;
    auto control = UdpSockets::open(options, notices);
    if (!control) return;
    all.push_back(std::move(*control));
    for (unsigned i = 0; i < workers; ++i) {
      auto beside = UdpSockets::open_beside(options);
      if (beside) all.push_back(std::move(*beside));
    }
  }
  /// Which of them has got so many packets; the others none. Empty: it is not so.
  std::optional<std::size_t> taker(std::size_t packets) {
    std::optional<std::size_t> found;
    for (std::size_t i = 0; i < all.size(); ++i) {
      std::size_t got = 0;
      for (IpSocket& socket : all[i].all()) {
        static_cast<void>(socket.receive(batch));
        got += batch.packets().size();
      }
      if (got == packets && !found) {
        found = i;
      } else if (got != 0) {
        return std::nullopt;
      }
    }
    return found;
  }

  std::vector<UdpSockets> all;  ///< the control side's first
  ReceiveBatch batch{65535};
};

ByteVec esp_packet(std::uint32_t spi, std::size_t size) {
  ByteVec packet(size, std::byte{0x55});
  base::store_be(packet.data(), spi);
  return packet;
}

TEST_P(Sockets, esp_goes_to_the_worker_of_its_spi_and_all_else_to_the_control_side) {
  Shared shared{loopback()};
  ASSERT_EQ(shared.all.size(), 1u + Shared::workers);
  const auto send_to = [&](std::uint16_t port, const std::vector<ByteVec>& packets) {
    std::vector<Outgoing> batch;
    for (const ByteVec& bytes : packets) {
      Outgoing item = to_receiver(bytes);
      item.path.remote.port = port;
      batch.push_back(item);
    }
    EXPECT_EQ(sender_->send(batch).sent, packets.size());
  };
  for (const std::uint32_t spi : {256U, 257U, 258U, 0xffffffffU, 0x80000001U}) {
    // Twenty of one size: the kernel has merged them by then.
    send_to(7501, std::vector<ByteVec>(20, esp_packet(spi, 1000)));
    EXPECT_EQ(shared.taker(20), 1 + base::worker_of(base::Spi{spi}, Shared::workers)) << spi;
  }
  send_to(7501, {esp_packet(0, 100)});  // the non-ESP marker: IKE
  EXPECT_EQ(shared.taker(1), 0u);
  send_to(7501, {ByteVec(1, std::byte{0xff})});  // a NAT keepalive
  EXPECT_EQ(shared.taker(1), 0u);
  send_to(7501, {ByteVec{}});
  EXPECT_EQ(shared.taker(1), 0u);
  send_to(7500, {esp_packet(257, 100)});  // the IKE port has no marker
  EXPECT_EQ(shared.taker(1), 0u);
}

TEST_P(Sockets, a_port_of_ours_is_not_shared_with_another_process_of_us) {
  Shared first{loopback()};
  ASSERT_EQ(first.all.size(), 1u + Shared::workers);
  std::vector<std::string> notices;
  const auto second = UdpSockets::open({{loopback()}, 7500, 7501, 0, 1}, notices);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().fault, IoFault::in_use);
}

TEST_P(Sockets, native_esp_and_ah_go_to_one_worker_each) {
  std::vector<RawSockets> workers;
  for (const unsigned index : {0U, 1U, 2U}) {
    auto sockets = RawSockets::open({{loopback()}, 0, {index, 3}});
    ASSERT_TRUE(sockets) << sockets.error().message;
    workers.push_back(std::move(*sockets));
  }
  const auto received = [&](std::size_t index, IpSocketKind kind) {
    std::vector<std::uint32_t> spis;
    for (IpSocket& socket : workers[index].all()) {
      if (socket.options().kind != kind) continue;
      static_cast<void>(socket.receive(batch_));
      for (const Received& item : batch_.packets()) {
        // AH comes with its IP headers, which end 16 octets before the packet does.
        const base::Bytes bytes = std::as_const(*item.packet).bytes();
        const base::Bytes spi = kind == IpSocketKind::esp ? bytes : bytes.last(16).subspan(4);
        spis.push_back(base::load_be<std::uint32_t>(spi.data()));
      }
    }
    return spis;
  };
  IpSocket* const out = workers[0].find(loopback());
  ASSERT_NE(out, nullptr);
  std::vector<ByteVec> packets;
  std::vector<Outgoing> batch;
  for (std::uint32_t spi = 300; spi < 306; ++spi) packets.push_back(esp_packet(spi, 64));
  for (const ByteVec& packet : packets) {
    batch.push_back({packet, {{loopback(), 0}, {loopback(), 0}}, 0, 0, 0, false});
  }
  EXPECT_EQ(out->send(batch).sent, packets.size());
  for (const std::uint32_t spi : {300U, 301U, 302U}) {
    ByteVec ah = wire::make_ip_packet({loopback(), loopback(), wire::ip_protocol::ah}, 16);
    base::store_be(ah.data() + ah.size() - 12, spi);
    EXPECT_TRUE(workers[0].send_clear(ah));
  }
  for (const std::size_t index : {0u, 1u, 2u}) {
    const auto own = static_cast<std::uint32_t>(300 + index);
    EXPECT_EQ(received(index, IpSocketKind::esp), (std::vector<std::uint32_t>{own, own + 3}));
    EXPECT_EQ(received(index, IpSocketKind::ah), (std::vector<std::uint32_t>{own}));
  }
}

/// What the program that steers flows makes of an IP packet.
std::uint32_t steered(int program, const ByteVec& packet) {
  // A socket filter is tried with an Ethernet header in front that it does not see.
  ByteVec frame(14);
  frame[12] = std::byte{8};
  base::append(frame, packet);
  bpf_attr attributes{};
  attributes.test.prog_fd = static_cast<std::uint32_t>(program);
  attributes.test.data_in = reinterpret_cast<std::uint64_t>(frame.data());
  attributes.test.data_size_in = static_cast<std::uint32_t>(frame.size());
  attributes.test.repeat = 1;
  EXPECT_EQ(::syscall(SYS_bpf, BPF_PROG_TEST_RUN, &attributes, sizeof attributes), 0);
  return attributes.test.retval;
}

TEST_P(Sockets, a_flow_stays_with_its_queue_and_many_flows_share_them) {
  const auto program = load_flow_steering();
  if (!program && program.error() == EPERM) GTEST_SKIP() << "skipped: needs CAP_BPF";
  ASSERT_TRUE(program) << std::strerror(program.error());
  const bool is_v4 = GetParam() == base::Family::v4;
  const auto packet = [&](std::uint16_t port, std::size_t size) {
    const auto at = [&](const char* v4, const char* v6) {
      return *IpAddress::parse(is_v4 ? v4 : v6);
    };
    return wire::make_udp_packet({at("10.1.0.1", "fd01::1"), port}, {at("10.2.0.2", "fd02::2"), 53},
                                 ByteVec(size));
  };
  std::map<std::uint32_t, int> queues;
  for (std::uint16_t port = 1000; port < 2000; ++port) {
    const std::uint32_t queue = steered(program->get(), packet(port, 30));
    EXPECT_EQ(steered(program->get(), packet(port, 700)), queue);
    ++queues[queue % 4];
  }
  ASSERT_EQ(queues.size(), 4u);
  for (const auto& [queue, flows] : queues) EXPECT_GT(flows, 150);
  if (!is_v4) return;
  // Only the first fragment has ports: all must go where those without go.
  const auto fragment = [&](std::uint16_t port, std::uint16_t offset) {
    ByteVec bytes = packet(port, 100);
    base::store_be(bytes.data() + 6, offset);
    return bytes;
  };
  EXPECT_EQ(steered(program->get(), fragment(1000, 0x2000)),
            steered(program->get(), fragment(9999, 0x0010)));
}

INSTANTIATE_TEST_SUITE_P(Family, Sockets, testing::Values(base::Family::v4, base::Family::v6),
                         [](const auto& each) {
                           return each.param == base::Family::v4 ? "v4" : "v6";
                         });

}  // namespace
}  // namespace caponier::io
