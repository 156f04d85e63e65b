#include "io/bpf/assembler.h"

#include "base/error.h"

namespace caponier::io {
namespace {

constexpr std::size_t nowhere = SIZE_MAX;

constexpr unsigned code(unsigned kind, unsigned what, unsigned how) { return kind | what | how; }

}  // namespace

void BpfAssembler::add(unsigned code, Register to, Register from, std::int16_t offset,
                       std::int32_t value) {
  code_.push_back({static_cast<std::uint8_t>(code), static_cast<std::uint8_t>(to & 0xfU),
                   static_cast<std::uint8_t>(from & 0xfU), offset, value});
}

BpfAssembler::Label BpfAssembler::make_label() {
  places_.push_back(nowhere);
  return {places_.size() - 1};
}

void BpfAssembler::place(Label label) { places_[label.number] = code_.size(); }

void BpfAssembler::jump_if(std::uint8_t condition, Register what, std::int32_t value, Label to) {
  jumps_.push_back({code_.size(), to.number});
  add(code(BPF_JMP, condition, BPF_K), what, r0, 0, value);
}

void BpfAssembler::jump_if_register(std::uint8_t condition, Register what, Register other,
                                    Label to) {
  jumps_.push_back({code_.size(), to.number});
  add(code(BPF_JMP, condition, BPF_X), what, other, 0, 0);
}

void BpfAssembler::load(std::uint8_t size, Register to, Register base, std::int16_t at) {
  add(code(BPF_LDX, BPF_MEM, size), to, base, at, 0);
}

void BpfAssembler::store(std::uint8_t size, Register base, std::int16_t at, Register from) {
  add(code(BPF_STX, BPF_MEM, size), base, from, at, 0);
}

void BpfAssembler::store_constant(std::uint8_t size, Register base, std::int16_t at,
                                  std::int32_t value) {
  add(code(BPF_ST, BPF_MEM, size), base, r0, at, value);
}

void BpfAssembler::load_packet(std::uint8_t size, std::int32_t at) {
  add(code(BPF_LD, BPF_ABS, size), r0, r0, 0, at);
}

void BpfAssembler::load_packet_behind(std::uint8_t size, Register base) {
  add(code(BPF_LD, BPF_IND, size), r0, base, 0, 0);
}

void BpfAssembler::move(Register to, Register from) {
  add(code(BPF_ALU64, BPF_MOV, BPF_X), to, from, 0, 0);
}

void BpfAssembler::add64(Register to, std::int32_t value) {
  add(code(BPF_ALU64, BPF_ADD, BPF_K), to, r0, 0, value);
}

void BpfAssembler::alu(std::uint8_t operation, Register to, std::int32_t value) {
  add(code(BPF_ALU, operation, BPF_K), to, r0, 0, value);
}

void BpfAssembler::alu_register(std::uint8_t operation, Register to, Register from) {
  add(code(BPF_ALU, operation, BPF_X), to, from, 0, 0);
}

void BpfAssembler::from_network16(Register what) {
  constexpr std::int32_t bits = 16;
  add(code(BPF_ALU, BPF_END, BPF_TO_BE), what, r0, 0, bits);
}

void BpfAssembler::load_map(Register to, int map) {
  add(code(BPF_LD, BPF_DW, BPF_IMM), to, static_cast<Register>(BPF_PSEUDO_MAP_FD), 0, map);
  add(0, r0, r0, 0, 0);
}

void BpfAssembler::call(std::int32_t function) { add(BPF_JMP | BPF_CALL, r0, r0, 0, function); }

void BpfAssembler::exit() { add(BPF_JMP | BPF_EXIT, r0, r0, 0, 0); }

std::vector<bpf_insn> BpfAssembler::take() && {
  for (const Jump& jump : jumps_) {
    const std::size_t place = places_[jump.label];
    CAPONIER_ASSERT(place != nowhere);
    code_[jump.at].off = static_cast<std::int16_t>(static_cast<std::ptrdiff_t>(place) -
                                                   static_cast<std::ptrdiff_t>(jump.at) - 1);
  }
  return std::move(code_);
}

}  // namespace caponier::io
