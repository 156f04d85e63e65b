#include "io/tun/flow_steering.h"

#include <netinet/in.h>

#include <cstdint>
#include <utility>

#include "io/bpf/assembler.h"
#include "io/bpf/bpf.h"

namespace caponier::io {
namespace {

using Assembler = BpfAssembler;

constexpr auto loaded = Assembler::r0;
constexpr auto context = Assembler::r6;
constexpr auto hash = Assembler::r7;
constexpr auto protocol = Assembler::r8;
constexpr auto header_size = Assembler::r9;

/// Knuth's: 2^32 divided by the golden ratio.
constexpr std::int32_t multiplier = static_cast<std::int32_t>(0x9e3779b1U);

void mix_in_loaded(Assembler& program) {
  program.alu_register(BPF_ADD, hash, loaded);
  program.alu(BPF_MUL, hash, multiplier);
}

void load_and_mix(Assembler& program, std::int32_t at) {
  program.load_packet(BPF_W, at);
  mix_in_loaded(program);
}

void hash_ipv4(Assembler& program, Assembler::Label end) {
  constexpr int protocol_at = 9;
  constexpr int fragment_at = 6;
  constexpr int is_fragment = 0x3fff;
  program.alu(BPF_AND, header_size, 0xf);
  program.alu(BPF_LSH, header_size, 2);
  load_and_mix(program, 12);
  load_and_mix(program, 16);
  program.load_packet(BPF_H, fragment_at);
  program.jump_if(BPF_JSET, loaded, is_fragment, end);
  program.load_packet(BPF_B, protocol_at);
  program.alu_register(BPF_MOV, protocol, loaded);
}

void hash_ipv6(Assembler& program) {
  constexpr int protocol_at = 6;
  constexpr int size = 40;
  for (int at = 8; at <= 36; at += 4) load_and_mix(program, at);
  program.alu(BPF_MOV, header_size, size);
  program.load_packet(BPF_B, protocol_at);
  program.alu_register(BPF_MOV, protocol, loaded);
}

std::vector<bpf_insn> make_program() {
  Assembler program;
  const auto ipv6 = program.make_label();
  const auto judge_protocol = program.make_label();
  const auto take_ports = program.make_label();
  const auto end = program.make_label();

  program.move(context, Assembler::r1);
  program.alu(BPF_MOV, hash, 0);
  program.load_packet(BPF_B, 0);
  program.alu_register(BPF_MOV, header_size, loaded);
  program.alu_register(BPF_MOV, protocol, loaded);
  program.alu(BPF_RSH, protocol, 4);
  program.jump_if(BPF_JEQ, protocol, 6, ipv6);
  hash_ipv4(program, end);
  program.jump(judge_protocol);

  program.place(ipv6);
  hash_ipv6(program);

  program.place(judge_protocol);
  program.jump_if(BPF_JEQ, protocol, IPPROTO_TCP, take_ports);
  program.jump_if(BPF_JEQ, protocol, IPPROTO_UDP, take_ports);
  program.jump(end);

  program.place(take_ports);
  program.load_packet_behind(BPF_W, header_size);
  mix_in_loaded(program);

  program.place(end);
  program.alu(BPF_MUL, hash, multiplier);
  program.alu_register(BPF_MOV, loaded, hash);
  program.alu(BPF_RSH, loaded, 16);
  program.exit();
  return std::move(program).take();
}

}  // namespace

std::expected<Fd, int> load_flow_steering() {
  return load_program(BPF_PROG_TYPE_SOCKET_FILTER, make_program());
}

}  // namespace caponier::io
