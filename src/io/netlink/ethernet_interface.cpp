#include "io/netlink/ethernet_interface.h"

#include <fmt/format.h>
#include <net/if.h>

#include <optional>

namespace caponier::io {

Io<EthernetLink> find_ethernet(const std::string& name, std::string_view key, Netlink& netlink) {
  const auto refused = [&](std::string message, std::string fix) {
    return std::unexpected{IoError{IoFault::network, std::move(message), std::move(fix)}};
  };
  const unsigned index = ::if_nametoindex(name.c_str());
  if (index == 0) {
    return refused(
        fmt::format("{}: there is no interface {}", key, name),
        fmt::format("create {} before caponierd starts, or take it out of {} in [daemon]", name,
                    key));
  }
  std::optional<EthernetLink> link;
  auto question = make_link_query(index);
  static_cast<void>(netlink.query(question, [&](base::Bytes answer) {
    if (const auto found = read_ethernet_link(answer)) link = found;
  }));
  if (!link) {
    return refused(
        fmt::format("{}: {} is no Ethernet interface", key, name),
        fmt::format("take {} out of {} in [daemon]; what it carries needs no entry", name, key));
  }
  if (link->has_master) {
    return refused(fmt::format("{}: {} is part of a bridge, a bond or a VRF", key, name),
                   fmt::format("name that instead of {} in {} in [daemon]", name, key));
  }
  return *link;
}

}  // namespace caponier::io
