// Single UDP datagrams at a chosen rate, and how many of them arrive: what iperf3 cannot do at
// small sizes.
//
//   udp_load send ADDRESS PORT SIZE RATE SECONDS   prints how many left
//   udp_load receive PORT                          prints how many came, once they have ended
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <thread>

namespace {

constexpr std::size_t burst = 32;
constexpr int buffer_bytes = 8 << 20;
constexpr timeval silence{0, 500'000};

struct Batch {
  std::array<std::array<char, 2048>, burst> bytes{};
  std::array<iovec, burst> parts{};
  std::array<mmsghdr, burst> messages{};

  explicit Batch(std::size_t size) {
    for (std::size_t i = 0; i < burst; ++i) {
      parts[i] = {bytes[i].data(), std::min(size, bytes[i].size())};
      messages[i].msg_hdr.msg_iov = &parts[i];
      messages[i].msg_hdr.msg_iovlen = 1;
    }
  }
};

double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

int fail(const char* what) {
  std::perror(what);
  return 1;
}

int send_all(const char* address, std::uint16_t port, std::size_t size, double rate,
             double seconds) {
  const int fd = ::socket(AF_INET, SOCK_DGRAM, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  if (::inet_pton(AF_INET, address, &to.sin_addr) != 1) return fail(address);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) return fail("connect");
  Batch batch{size};
  const double start = seconds_now();
  double sent = 0;
  for (double elapsed = 0; elapsed < seconds; elapsed = seconds_now() - start) {
    const double due = rate * elapsed - sent;
    if (due < 1) {
      std::this_thread::sleep_for(std::chrono::microseconds{20});
      continue;
    }
    const auto count = static_cast<unsigned>(std::min<double>(due, burst));
    const int done = ::sendmmsg(fd, batch.messages.data(), count, 0);
    if (done < 0) return fail("sendmmsg");
    sent += done;
  }
  std::printf("%.0f %.6f\n", sent, seconds_now() - start);
  return 0;
}

int receive_all(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_DGRAM, 0);
  ::setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer_bytes, sizeof buffer_bytes);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(port);
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0) return fail("bind");
  std::puts("ready");
  std::fflush(stdout);
  Batch batch{2048};
  std::uint64_t received = 0;
  for (;;) {
    const int count = ::recvmmsg(fd, batch.messages.data(), burst, MSG_WAITFORONE, nullptr);
    if (count < 0) break;
    if (received == 0) ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &silence, sizeof silence);
    received += static_cast<std::uint64_t>(count);
  }
  std::printf("%llu\n", static_cast<unsigned long long>(received));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view what{argc > 1 ? argv[1] : ""};
  const auto number = [&](int i) { return std::strtod(argv[i], nullptr); };
  if (what == "send" && argc == 7) {
    return send_all(argv[2], static_cast<std::uint16_t>(number(3)),
                    static_cast<std::size_t>(number(4)), number(5), number(6));
  }
  if (what == "receive" && argc == 3) return receive_all(static_cast<std::uint16_t>(number(2)));
  std::fputs("usage: udp_load send ADDRESS PORT SIZE RATE SECONDS | udp_load receive PORT\n",
             stderr);
  return 2;
}
