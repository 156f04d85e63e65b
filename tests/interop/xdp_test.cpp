// What the XDP program makes of packets: the kernel runs it, no interface is needed.

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "io/bpf/bpf.h"
#include "io/xdp/local_addresses.h"
#include "io/xdp/outer_frame.h"
#include "io/xdp/outer_program.h"
#include "wire/ip.h"
#include "wire/ip_packet.h"

namespace caponier::io {
namespace {

using base::ByteVec;

constexpr std::uint16_t natt_port = 4500;
constexpr std::size_t frame_max = 1792;

base::IpAddress address(const char* text) { return *base::IpAddress::parse(text); }

/// The program with a socket for queue 0.
class OuterProgram : public testing::TestWithParam<base::Family> {
 protected:
  void SetUp() override {
    auto addresses = LocalAddresses::open();
    auto sockets = make_map({BPF_MAP_TYPE_XSKMAP, 4, 4, 1});
    socket_ = Fd{::socket(AF_XDP, SOCK_RAW, 0)};
    if (!addresses || !sockets || !socket_.is_open()) {
      GTEST_SKIP() << "skipped: needs CAP_BPF, CAP_NET_ADMIN, CAP_NET_RAW and XDP sockets";
    }
    addresses_.emplace(std::move(*addresses));
    sockets_ = std::move(*sockets);
    addresses_->set(std::vector{here(), address("192.0.2.9")});
    serve();
    auto program =
        load_program(BPF_PROG_TYPE_XDP,
                     make_outer_program({natt_port, frame_max, addresses_->map(), sockets_.get()}));
    ASSERT_TRUE(program) << std::strerror(program.error());
    program_ = std::move(*program);
  }

  void serve() {
    const std::uint32_t queue = 0;
    const int fd = socket_.get();
    ASSERT_TRUE(
        set_entry(sockets_, std::as_bytes(std::span{&queue, 1}), std::as_bytes(std::span{&fd, 1})));
  }
  [[nodiscard]] bool is_v4() const { return GetParam() == base::Family::v4; }
  [[nodiscard]] base::IpAddress here() const {
    return address(is_v4() ? "203.0.113.1" : "2001:db8::1");
  }
  [[nodiscard]] base::IpAddress there() const {
    return address(is_v4() ? "198.51.100.2" : "2001:db8::2");
  }
  /// From the peer to us; ports 0: native.
  [[nodiscard]] ByteVec frame(base::Bytes payload, std::uint16_t port) const {
    const Outgoing item{payload, {{there(), port}, {here(), port}}};
    ByteVec bytes(ethernet_header_size + outer_packet_size(item));
    write_outer_frame(bytes, {}, item, 1, {});
    return bytes;
  }
  [[nodiscard]] ByteVec esp_frame(std::uint16_t port, std::size_t size = 60) const {
    return frame(ByteVec(size, std::byte{0x51}), port);
  }
  [[nodiscard]] int decide(const ByteVec& bytes) const {
    bpf_attr attributes{};
    attributes.test.prog_fd = static_cast<std::uint32_t>(program_.get());
    attributes.test.data_in = reinterpret_cast<std::uint64_t>(bytes.data());
    attributes.test.data_size_in = static_cast<std::uint32_t>(bytes.size());
    attributes.test.repeat = 1;
    EXPECT_EQ(::syscall(SYS_bpf, BPF_PROG_TEST_RUN, &attributes, sizeof attributes), 0)
        << std::strerror(errno);
    return static_cast<int>(attributes.test.retval);
  }

  std::optional<LocalAddresses> addresses_;
  Fd sockets_;
  Fd socket_;
  Fd program_;
};

TEST_P(OuterProgram, takes_esp_native_and_in_udp) {
  EXPECT_EQ(decide(esp_frame(0)), XDP_REDIRECT);
  EXPECT_EQ(decide(esp_frame(natt_port)), XDP_REDIRECT);
  EXPECT_EQ(decide(esp_frame(0, 8)), XDP_REDIRECT);
  EXPECT_EQ(decide(esp_frame(natt_port, 8)), XDP_REDIRECT);
}

TEST_P(OuterProgram, leaves_ike_and_keepalives_to_the_kernel) {
  ByteVec ike(100, std::byte{0x51});
  std::fill_n(ike.begin(), 4, std::byte{0});
  EXPECT_EQ(decide(frame(ike, natt_port)), XDP_PASS);
  EXPECT_EQ(decide(esp_frame(500)), XDP_PASS);
  EXPECT_EQ(decide(esp_frame(4501)), XDP_PASS);
  ByteVec keepalive = frame(ByteVec(1, std::byte{0xff}), natt_port);
  keepalive.resize(80);
  EXPECT_EQ(decide(keepalive), XDP_PASS);
  EXPECT_EQ(decide(frame(ByteVec(60), 0)), XDP_PASS) << "SPI 0";
}

TEST_P(OuterProgram, leaves_other_protocols_to_the_kernel) {
  constexpr std::size_t v4_protocol_at = ethernet_header_size + 9;
  constexpr std::size_t v6_protocol_at = ethernet_header_size + 6;
  ByteVec bytes = esp_frame(natt_port);
  for (unsigned protocol = 0; protocol < 256; ++protocol) {
    bytes[is_v4() ? v4_protocol_at : v6_protocol_at] = std::byte(protocol);
    const bool is_ours = protocol == wire::ip_protocol::esp || protocol == wire::ip_protocol::udp;
    EXPECT_EQ(decide(bytes), is_ours ? XDP_REDIRECT : XDP_PASS) << protocol;
  }
}

TEST_P(OuterProgram, takes_only_what_is_for_this_host) {
  addresses_->set(std::vector{address("192.0.2.9"), address("2001:db8::9")});
  EXPECT_EQ(decide(esp_frame(0)), XDP_PASS);
  EXPECT_EQ(decide(esp_frame(natt_port)), XDP_PASS);
  addresses_->set(std::vector{here()});
  EXPECT_EQ(decide(esp_frame(0)), XDP_REDIRECT);
}

TEST_P(OuterProgram, without_a_socket_takes_nothing) {
  socket_.reset();
  EXPECT_EQ(decide(esp_frame(0)), XDP_PASS);
}

TEST_P(OuterProgram, leaves_what_is_no_plain_packet_to_the_kernel) {
  const auto changed = [&](std::size_t at, unsigned value) {
    ByteVec bytes = esp_frame(0);
    bytes[at] = std::byte(value);
    return bytes;
  };
  EXPECT_EQ(decide(changed(12, 0x81)), XDP_PASS) << "a VLAN's";
  EXPECT_EQ(decide(changed(14, 0x55)), XDP_PASS) << "of another version";
  EXPECT_EQ(decide(esp_frame(0, frame_max)), XDP_PASS) << "too large";
  if (is_v4()) {
    EXPECT_EQ(decide(changed(14, 0x46)), XDP_PASS) << "with options";
    EXPECT_EQ(decide(changed(20, 0x20)), XDP_PASS) << "more fragments";
    EXPECT_EQ(decide(changed(21, 0x01)), XDP_PASS) << "a later fragment";
    EXPECT_EQ(decide(changed(20, 0x40)), XDP_REDIRECT) << "DF";
  } else {
    EXPECT_EQ(decide(changed(14, 0x6f)), XDP_REDIRECT) << "a traffic class";
    ByteVec without_checksum = esp_frame(natt_port);
    without_checksum[ethernet_header_size + 46] = without_checksum[ethernet_header_size + 47] =
        std::byte{0};
    EXPECT_EQ(decide(without_checksum), XDP_PASS) << "UDP without a checksum";
  }
}

TEST_P(OuterProgram, passes_what_ends_early) {
  for (const std::uint16_t port : {std::uint16_t{0}, natt_port}) {
    ByteVec whole = esp_frame(port, 8);
    // The kernel tries no shorter ones than an Ethernet header.
    for (std::size_t size = ethernet_header_size; size < whole.size(); ++size) {
      EXPECT_EQ(decide({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)}),
                XDP_PASS)
          << size;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Family, OuterProgram, testing::Values(base::Family::v4, base::Family::v6),
                         [](const auto& each) {
                           return each.param == base::Family::v4 ? "v4" : "v6";
                         });

}  // namespace
}  // namespace caponier::io
