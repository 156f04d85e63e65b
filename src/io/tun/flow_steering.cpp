#include "io/tun/flow_steering.h"

#include <linux/bpf.h>
#include <netinet/in.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <utility>
#include <vector>

namespace caponier::io {
namespace {

// Registers: loads from the packet read through R6, give R0 and spoil R1 to R5.
constexpr std::uint8_t loaded = BPF_REG_0;
constexpr std::uint8_t context = BPF_REG_6;
constexpr std::uint8_t hash = BPF_REG_7;
constexpr std::uint8_t protocol = BPF_REG_8;
constexpr std::uint8_t header_size = BPF_REG_9;

/// Knuth's: 2^32 divided by the golden ratio.
constexpr std::int32_t multiplier = static_cast<std::int32_t>(0x9e3779b1U);

/// Writes a program from its end: jumps only go forward, to labels that are known by then.
class Program {
 public:
  using Label = std::size_t;

  /// What has been added last, which is what runs next.
  [[nodiscard]] Label here() const { return reversed_.size(); }

  void exit() { add(BPF_JMP | BPF_EXIT, 0, 0, 0); }
  void alu(std::uint8_t operation, std::uint8_t to, std::int32_t value) {
    add(static_cast<std::uint8_t>(BPF_ALU | operation | BPF_K), to, 0, value);
  }
  void alu_register(std::uint8_t operation, std::uint8_t to, std::uint8_t from) {
    add(static_cast<std::uint8_t>(BPF_ALU | operation | BPF_X), to, from, 0);
  }
  void move64(std::uint8_t to, std::uint8_t from) { add(BPF_ALU64 | BPF_MOV | BPF_X, to, from, 0); }
  /// A load beyond the packet's end ends the program with 0.
  void load(std::uint8_t size, std::int32_t at) {
    add(static_cast<std::uint8_t>(BPF_LD | BPF_ABS | size), 0, 0, at);
  }
  void load_behind(std::uint8_t size, std::uint8_t base) {
    add(static_cast<std::uint8_t>(BPF_LD | BPF_IND | size), 0, base, 0);
  }
  void jump_if(std::uint8_t condition, std::uint8_t what, std::int32_t value, Label to) {
    const auto distance = static_cast<std::int16_t>(here() - to);
    reversed_.push_back({static_cast<std::uint8_t>(BPF_JMP | condition | BPF_K),
                         static_cast<std::uint8_t>(what & 0xfU), 0, distance, value});
  }
  void jump(Label to) { jump_if(BPF_JA, 0, 0, to); }
  /// Mixes `loaded` in.
  void mix() {
    alu_register(BPF_ADD, hash, loaded);
    alu(BPF_MUL, hash, multiplier);
  }
  void load_and_mix(std::int32_t at) {
    mix();
    load(BPF_W, at);
  }

  [[nodiscard]] std::vector<bpf_insn> take() && { return {reversed_.rbegin(), reversed_.rend()}; }

 private:
  void add(std::uint8_t code, std::uint8_t to, std::uint8_t from, std::int32_t value) {
    reversed_.push_back({code, static_cast<std::uint8_t>(to & 0xfU),
                         static_cast<std::uint8_t>(from & 0xfU), 0, value});
  }

  std::vector<bpf_insn> reversed_;
};

/// Read it from the bottom: that is where it begins to run.
std::vector<bpf_insn> make_program() {
  constexpr int ipv4_protocol_at = 9;
  constexpr int ipv4_fragment_at = 6;
  constexpr int ipv4_is_fragment = 0x3fff;
  constexpr int ipv6_protocol_at = 6;
  constexpr int ipv6_size = 40;
  Program program;
  program.exit();
  program.alu(BPF_RSH, loaded, 16);
  program.alu_register(BPF_MOV, loaded, hash);
  program.alu(BPF_MUL, hash, multiplier);
  const auto end = program.here();
  program.mix();
  program.load_behind(BPF_W, header_size);
  const auto take_ports = program.here();
  program.jump(end);
  program.jump_if(BPF_JEQ, protocol, IPPROTO_UDP, take_ports);
  program.jump_if(BPF_JEQ, protocol, IPPROTO_TCP, take_ports);
  const auto judge_protocol = program.here();

  program.jump(judge_protocol);
  program.alu_register(BPF_MOV, protocol, loaded);
  program.load(BPF_B, ipv6_protocol_at);
  program.alu(BPF_MOV, header_size, ipv6_size);
  for (int at = 36; at >= 8; at -= 4) program.load_and_mix(at);
  const auto ipv6 = program.here();

  program.jump(judge_protocol);
  program.alu_register(BPF_MOV, protocol, loaded);
  program.load(BPF_B, ipv4_protocol_at);
  program.jump_if(BPF_JSET, loaded, ipv4_is_fragment, end);
  program.load(BPF_H, ipv4_fragment_at);
  program.load_and_mix(16);
  program.load_and_mix(12);
  program.alu(BPF_LSH, header_size, 2);
  program.alu(BPF_AND, header_size, 0xf);

  program.jump_if(BPF_JEQ, protocol, 6, ipv6);
  program.alu(BPF_RSH, protocol, 4);
  program.alu_register(BPF_MOV, protocol, loaded);
  program.alu_register(BPF_MOV, header_size, loaded);
  program.load(BPF_B, 0);
  program.alu(BPF_MOV, hash, 0);
  program.move64(context, BPF_REG_1);
  return std::move(program).take();
}

}  // namespace

std::expected<Fd, int> load_flow_steering() {
  const std::vector<bpf_insn> program = make_program();
  const char license[] = "Apache-2.0";
  bpf_attr attributes{};
  attributes.prog_type = BPF_PROG_TYPE_SOCKET_FILTER;
  attributes.insns = reinterpret_cast<std::uint64_t>(program.data());
  attributes.insn_cnt = static_cast<std::uint32_t>(program.size());
  attributes.license = reinterpret_cast<std::uint64_t>(&license[0]);
  const long fd = ::syscall(SYS_bpf, BPF_PROG_LOAD, &attributes, sizeof attributes);
  if (fd < 0) return std::unexpected{errno};
  return Fd{static_cast<int>(fd)};
}

}  // namespace caponier::io
