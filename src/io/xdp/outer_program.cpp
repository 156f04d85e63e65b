#include "io/xdp/outer_program.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>

#include <cstddef>
#include <utility>

#include "io/afpacket/frame.h"
#include "io/bpf/assembler.h"
#include "wire/ip.h"
#include "wire/udp.h"

namespace caponier::io {
namespace {

using Assembler = BpfAssembler;

constexpr auto scratch = Assembler::r1;
constexpr auto frame = Assembler::r2;
constexpr auto frame_end = Assembler::r3;
constexpr auto protocol = Assembler::r4;
constexpr auto context = Assembler::r6;
constexpr auto payload = Assembler::r7;  ///< of IP
constexpr auto stack_end = Assembler::r10;

constexpr int key_at = -static_cast<int>(sizeof(AddressKey));
constexpr int esp_size_min = 8;
constexpr int ethernet_size = static_cast<int>(ethernet_header_size);
constexpr int ipv4_size = static_cast<int>(wire::ipv4_header_size_min);
constexpr int ipv6_size = static_cast<int>(wire::ipv6_header_size);
constexpr int udp_size = static_cast<int>(wire::udp_header_size);

constexpr std::int16_t at(int offset) { return static_cast<std::int16_t>(offset); }

/// Passes what ends before `size` octets behind `from`; the kernel checks that we have looked.
void need(Assembler& program, Assembler::Register from, int size, Assembler::Label pass) {
  program.move(scratch, from);
  program.add64(scratch, size);
  program.jump_if_register(BPF_JGT, scratch, frame_end, pass);
}

void read_ipv4(Assembler& program, Assembler::Label pass) {
  constexpr int version_and_size = 0x45;
  constexpr int is_fragment = 0x3fff;
  program.load(BPF_B, scratch, frame, at(ethernet_size));
  program.jump_if(BPF_JNE, scratch, version_and_size, pass);
  program.load(BPF_H, scratch, frame, at(ethernet_size + 6));
  program.jump_if(BPF_JSET, scratch, htons(is_fragment), pass);
  program.load(BPF_B, protocol, frame, at(ethernet_size + 9));
  program.load(BPF_W, scratch, frame, at(ethernet_size + 16));
  program.store_constant(BPF_DW, stack_end, at(key_at), 0);
  program.store_constant(BPF_W, stack_end, at(key_at + 8),
                         static_cast<std::int32_t>(htonl(0xffff)));
  program.store(BPF_W, stack_end, at(key_at + 12), scratch);
  program.move(payload, frame);
  program.add64(payload, ethernet_size + ipv4_size);
}

void read_ipv6(Assembler& program, Assembler::Label pass, Assembler::Label read) {
  constexpr int version = 0x60;
  need(program, frame, ethernet_size + ipv6_size + esp_size_min, pass);
  program.load(BPF_B, scratch, frame, at(ethernet_size));
  program.alu(BPF_AND, scratch, 0xf0);
  program.jump_if(BPF_JNE, scratch, version, pass);
  program.load(BPF_B, protocol, frame, at(ethernet_size + 6));
  for (int offset = 0; offset < static_cast<int>(sizeof(AddressKey)); offset += 4) {
    program.load(BPF_W, scratch, frame, at(ethernet_size + 24 + offset));
    program.store(BPF_W, stack_end, at(key_at + offset), scratch);
  }
  program.move(payload, frame);
  program.add64(payload, ethernet_size + ipv6_size);
  // Only the kernel knows which sockets take UDP without a checksum (RFC 6935).
  program.jump_if(BPF_JNE, protocol, wire::ip_protocol::udp, read);
  program.load(BPF_H, scratch, payload, at(6));
  program.jump_if(BPF_JEQ, scratch, 0, pass);
}

/// Behind it, the packet is ESP.
void judge_payload(Assembler& program, std::uint16_t natt_port, Assembler::Label pass) {
  const auto esp = program.make_label();
  const auto end = program.make_label();
  program.jump_if(BPF_JEQ, protocol, wire::ip_protocol::esp, esp);
  program.jump_if(BPF_JNE, protocol, wire::ip_protocol::udp, pass);
  need(program, payload, udp_size + esp_size_min, pass);
  program.load(BPF_H, scratch, payload, at(2));
  program.jump_if(BPF_JNE, scratch, htons(natt_port), pass);
  // The frame may be filled up behind a keepalive.
  program.load(BPF_H, scratch, payload, at(4));
  program.from_network16(scratch);
  program.jump_if(BPF_JLT, scratch, udp_size + esp_size_min, pass);
  program.load(BPF_W, scratch, payload, at(udp_size));
  program.jump_if(BPF_JEQ, scratch, 0, pass);
  program.jump(end);
  program.place(esp);
  need(program, payload, esp_size_min, pass);
  program.load(BPF_W, scratch, payload, 0);
  program.jump_if(BPF_JEQ, scratch, 0, pass);
  program.place(end);
}

/// To our socket, if the destination is ours and there is one.
void redirect(Assembler& program, const OuterProgramOptions& options, Assembler::Label pass) {
  program.load_map(Assembler::r1, options.addresses);
  program.move(Assembler::r2, stack_end);
  program.add64(Assembler::r2, key_at);
  program.call(BPF_FUNC_map_lookup_elem);
  program.jump_if(BPF_JEQ, Assembler::r0, 0, pass);
  program.load_map(Assembler::r1, options.sockets);
  program.load(BPF_W, Assembler::r2, context, at(offsetof(xdp_md, rx_queue_index)));
  program.alu(BPF_MOV, Assembler::r3, XDP_PASS);
  program.call(BPF_FUNC_redirect_map);
  program.exit();
}

}  // namespace

AddressKey address_key(const base::IpAddress& address) {
  AddressKey key{};
  if (address.is_v4()) key[10] = key[11] = std::byte{0xff};
  base::copy_into(base::MutBytes{key}.last(address.bytes().size()), address.bytes());
  return key;
}

std::vector<bpf_insn> make_outer_program(const OuterProgramOptions& options) {
  Assembler program;
  const auto ipv6 = program.make_label();
  const auto read = program.make_label();
  const auto pass = program.make_label();

  program.move(context, Assembler::r1);
  program.load(BPF_W, frame, context, at(offsetof(xdp_md, data)));
  program.load(BPF_W, frame_end, context, at(offsetof(xdp_md, data_end)));
  program.move(scratch, frame);
  program.add64(scratch, static_cast<std::int32_t>(options.frame_max));
  program.jump_if_register(BPF_JLT, scratch, frame_end, pass);
  need(program, frame, ethernet_size + ipv4_size + esp_size_min, pass);
  program.load(BPF_H, scratch, frame, at(ethernet_size - 2));
  program.jump_if(BPF_JEQ, scratch, htons(ETH_P_IPV6), ipv6);
  program.jump_if(BPF_JNE, scratch, htons(ETH_P_IP), pass);
  read_ipv4(program, pass);
  program.jump(read);
  program.place(ipv6);
  read_ipv6(program, pass, read);
  program.place(read);
  judge_payload(program, options.natt_port, pass);
  redirect(program, options, pass);
  program.place(pass);
  program.alu(BPF_MOV, Assembler::r0, XDP_PASS);
  program.exit();
  return std::move(program).take();
}

}  // namespace caponier::io
