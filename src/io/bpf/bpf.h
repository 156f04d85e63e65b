#pragma once
// The bpf() system call: programs, maps, and the link that holds a program at an interface. The
// errors are an errno; EPERM without CAP_BPF and, for XDP, CAP_NET_ADMIN.

#include <linux/bpf.h>

#include <cstdint>
#include <expected>
#include <span>

#include "base/bytes.h"
#include "io/os/fd.h"

namespace caponier::io {

[[nodiscard]] std::expected<Fd, int> load_program(bpf_prog_type type,
                                                  std::span<const bpf_insn> code);

struct BpfMapShape {
  bpf_map_type type{};
  std::uint32_t key_size = 0;
  std::uint32_t value_size = 0;
  std::uint32_t entries_max = 0;
};
[[nodiscard]] std::expected<Fd, int> make_map(const BpfMapShape& shape);
/// Sizes as the map's shape says.
[[nodiscard]] std::expected<void, int> set_entry(const Fd& map, base::Bytes key, base::Bytes value);
[[nodiscard]] std::expected<void, int> remove_entry(const Fd& map, base::Bytes key);

/// The XDP program is off the interface as soon as the link is closed, also when the kernel does it
/// for a process that was killed. `mode`: XDP_FLAGS_DRV_MODE or XDP_FLAGS_SKB_MODE.
[[nodiscard]] std::expected<Fd, int> attach_xdp(const Fd& program, unsigned interface,
                                                std::uint32_t mode);

}  // namespace caponier::io
