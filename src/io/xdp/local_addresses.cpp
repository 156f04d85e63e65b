#include "io/xdp/local_addresses.h"

#include "io/bpf/bpf.h"
#include "io/xdp/outer_program.h"

namespace caponier::io {
namespace {

using Value = std::array<std::byte, 4>;  // only whether it is there matters

}  // namespace

Io<LocalAddresses> LocalAddresses::open() {
  auto map = make_map({BPF_MAP_TYPE_HASH, sizeof(AddressKey), sizeof(Value), count_max});
  if (!map) {
    return std::unexpected{error_from_errno(
        "outer_side: cannot make a map for the XDP program", map.error(),
        "run as root or give the program CAP_BPF, CAP_NET_ADMIN and CAP_NET_RAW, or write "
        "outer_side = \"socket\" in [daemon]")};
  }
  return LocalAddresses{std::move(*map)};
}

void LocalAddresses::set(std::span<const base::IpAddress> addresses) {
  const std::set<base::IpAddress> wanted{addresses.begin(), addresses.end()};
  std::erase_if(held_, [&](const base::IpAddress& address) {
    return !wanted.contains(address) && remove_entry(map_, address_key(address));
  });
  for (const base::IpAddress& address : wanted) {
    if (set_entry(map_, address_key(address), Value{})) held_.insert(address);
  }
}

}  // namespace caponier::io
