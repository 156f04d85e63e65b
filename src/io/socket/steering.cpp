#include "io/socket/steering.h"

#include <linux/filter.h>
#include <sys/socket.h>

#include <vector>

namespace caponier::io {
namespace {

// A load beyond the packet's end ends a program with 0.
constexpr std::uint16_t load_word = BPF_LD | BPF_W | BPF_ABS;
constexpr std::uint16_t load_word_behind_x = BPF_LD | BPF_W | BPF_IND;
constexpr std::uint16_t x_is_ipv4_header_size = BPF_LDX | BPF_B | BPF_MSH;
constexpr std::uint16_t modulo = BPF_ALU | BPF_MOD | BPF_K;
constexpr std::uint16_t add = BPF_ALU | BPF_ADD | BPF_K;
constexpr std::uint16_t skip_if_equal = BPF_JMP | BPF_JEQ | BPF_K;
constexpr std::uint16_t result = BPF_RET | BPF_K;
constexpr std::uint16_t result_is_a = BPF_RET | BPF_A;

bool attach(int fd, int option, std::vector<sock_filter> program) {
  const sock_fprog given{static_cast<std::uint16_t>(program.size()), program.data()};
  return ::setsockopt(fd, SOL_SOCKET, option, &given, sizeof given) == 0;
}

}  // namespace

bool steer_udp(int fd, unsigned workers, bool is_natt_port) {
  if (!is_natt_port) return attach(fd, SO_ATTACH_REUSEPORT_CBPF, {{result, 0, 0, 0}});
  return attach(fd, SO_ATTACH_REUSEPORT_CBPF,
                {{load_word, 0, 0, 0},      // the SPI, or the non-ESP marker
                 {skip_if_equal, 3, 0, 0},  // IKE
                 {modulo, 0, 0, workers},
                 {add, 0, 0, 1},
                 {result_is_a, 0, 0, 0},
                 {result, 0, 0, 0}});
}

bool steer_raw(int fd, base::Family family, const WorkerShare& share, std::size_t spi_at) {
  const auto at = static_cast<std::uint32_t>(spi_at);
  std::vector<sock_filter> program;
  if (family == base::Family::v4) {  // the socket sees the IP header too
    program.push_back({x_is_ipv4_header_size, 0, 0, 0});
    program.push_back({load_word_behind_x, 0, 0, at});
  } else {
    program.push_back({load_word, 0, 0, at});
  }
  program.push_back({modulo, 0, 0, share.count});
  program.push_back({skip_if_equal, 0, 1, share.index});
  program.push_back({result, 0, 0, UINT32_MAX});
  program.push_back({result, 0, 0, 0});
  return attach(fd, SO_ATTACH_FILTER, std::move(program));
}

}  // namespace caponier::io
