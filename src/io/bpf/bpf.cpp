#include "io/bpf/bpf.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

namespace caponier::io {
namespace {

std::uint64_t address_of(const void* pointer) { return reinterpret_cast<std::uint64_t>(pointer); }

long call(int command, bpf_attr& attributes) {
  return ::syscall(SYS_bpf, command, &attributes, sizeof attributes);
}

std::expected<Fd, int> make(int command, bpf_attr& attributes) {
  const long fd = call(command, attributes);
  if (fd < 0) return std::unexpected{errno};
  return Fd{static_cast<int>(fd)};
}

}  // namespace

std::expected<Fd, int> load_program(bpf_prog_type type, std::span<const bpf_insn> code) {
  const char license[] = "Apache-2.0";
  bpf_attr attributes{};
  attributes.prog_type = type;
  attributes.insns = address_of(code.data());
  attributes.insn_cnt = static_cast<std::uint32_t>(code.size());
  attributes.license = address_of(&license[0]);
  return make(BPF_PROG_LOAD, attributes);
}

std::expected<Fd, int> make_map(const BpfMapShape& shape) {
  bpf_attr attributes{};
  attributes.map_type = shape.type;
  attributes.key_size = shape.key_size;
  attributes.value_size = shape.value_size;
  attributes.max_entries = shape.entries_max;
  return make(BPF_MAP_CREATE, attributes);
}

std::expected<void, int> set_entry(const Fd& map, base::Bytes key, base::Bytes value) {
  bpf_attr attributes{};
  attributes.map_fd = static_cast<std::uint32_t>(map.get());
  attributes.key = address_of(key.data());
  attributes.value = address_of(value.data());
  if (call(BPF_MAP_UPDATE_ELEM, attributes) < 0) return std::unexpected{errno};
  return {};
}

std::expected<void, int> remove_entry(const Fd& map, base::Bytes key) {
  bpf_attr attributes{};
  attributes.map_fd = static_cast<std::uint32_t>(map.get());
  attributes.key = address_of(key.data());
  if (call(BPF_MAP_DELETE_ELEM, attributes) < 0) return std::unexpected{errno};
  return {};
}

std::expected<Fd, int> attach_xdp(const Fd& program, unsigned interface, std::uint32_t mode) {
  bpf_attr attributes{};
  attributes.link_create.prog_fd = static_cast<std::uint32_t>(program.get());
  attributes.link_create.target_ifindex = interface;
  attributes.link_create.attach_type = BPF_XDP;
  attributes.link_create.flags = mode;
  return make(BPF_LINK_CREATE, attributes);
}

}  // namespace caponier::io
