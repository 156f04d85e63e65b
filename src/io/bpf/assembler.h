#pragma once
// Programs for the kernel (BPF), written instruction by instruction: ours are short, and so nobody
// needs a compiler for them.

#include <linux/bpf.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace caponier::io {

class BpfAssembler {
 public:
  struct Label {
    std::size_t number = 0;
  };

  /// Calls hand over R1 to R5, give R0 and spoil R1 to R5; R10 is the end of the stack.
  enum Register : std::uint8_t { r0, r1, r2, r3, r4, r5, r6, r7, r8, r9, r10 };

  /// To jump to; place() says where it is.
  [[nodiscard]] Label make_label();
  void place(Label label);
  void jump(Label to) { jump_if(BPF_JA, r0, 0, to); }
  /// `condition`: BPF_JEQ, BPF_JSET and so on, of 64 bits.
  void jump_if(std::uint8_t condition, Register what, std::int32_t value, Label to);
  void jump_if_register(std::uint8_t condition, Register what, Register other, Label to);

  /// `size`: BPF_B, BPF_H, BPF_W or BPF_DW, in the host's order of octets.
  void load(std::uint8_t size, Register to, Register base, std::int16_t at);
  void store(std::uint8_t size, Register base, std::int16_t at, Register from);
  void store_constant(std::uint8_t size, Register base, std::int16_t at, std::int32_t value);
  /// From the packet of a socket filter, which R6 leads to, into R0 and in host order; a load
  /// beyond its end ends the program with 0.
  void load_packet(std::uint8_t size, std::int32_t at);
  void load_packet_behind(std::uint8_t size, Register base);

  void move(Register to, Register from);
  void add64(Register to, std::int32_t value);
  /// `operation`: BPF_ADD, BPF_MOV and so on, of 32 bits.
  void alu(std::uint8_t operation, Register to, std::int32_t value);
  void alu_register(std::uint8_t operation, Register to, Register from);
  /// The low 16 bits from network order; the others become 0.
  void from_network16(Register what);

  void load_map(Register to, int map);
  void call(std::int32_t function);
  void exit();

  /// Every label that is jumped to must have been placed.
  [[nodiscard]] std::vector<bpf_insn> take() &&;

 private:
  struct Jump {
    std::size_t at = 0;
    std::size_t label = 0;
  };

  void add(unsigned code, Register to, Register from, std::int16_t offset, std::int32_t value);

  std::vector<bpf_insn> code_;
  std::vector<std::size_t> places_;  ///< of labels
  std::vector<Jump> jumps_;
};

}  // namespace caponier::io
