#include "ike/mobility.h"

#include <algorithm>
#include <array>

#include "ike/messages.h"

namespace caponier::ike {

using base::IpAddress;
using wire::NotifyType;

namespace {

bool is_within(const IpAddress& address, std::span<const std::string_view> prefixes) {
  return std::ranges::any_of(prefixes, [&](std::string_view text) {
    const auto prefix = base::Prefix::parse(text);
    return prefix && prefix->contains(address);
  });
}

bool holds(std::span<const IpAddress> list, const IpAddress& address) {
  return std::ranges::find(list, address) != list.end();
}

base::ByteVec no_nats_data(const base::Endpoint& source, const base::Endpoint& destination) {
  base::ByteVec data;
  base::append(data, source.address.bytes());
  base::append(data, destination.address.bytes());
  std::array<std::byte, 4> ports{};
  base::store_be(ports.data(), source.port);
  base::store_be(ports.data() + 2, destination.port);
  base::append(data, ports);
  return data;
}

}  // namespace

bool is_host_address(const IpAddress& address) {
  static constexpr std::array<std::string_view, 6> impossible{
      "0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/3", "::/127", "ff00::/8", "fe80::/10"};
  return !is_within(address, impossible);
}

bool suspects_nat(const IpAddress& local, const IpAddress& remote) {
  static constexpr std::array<std::string_view, 4> translated{"10.0.0.0/8", "172.16.0.0/12",
                                                              "192.168.0.0/16", "100.64.0.0/10"};
  return is_within(local, translated) && !is_within(remote, translated);
}

void append_addresses(std::vector<wire::Payload>& payloads, std::span<const IpAddress> addresses) {
  for (const IpAddress& address : addresses) {
    payloads.emplace_back(make_notify(
        address.is_v4() ? NotifyType::additional_ip4_address : NotifyType::additional_ip6_address,
        base::to_vec(address.bytes())));
  }
}

std::optional<std::vector<IpAddress>> read_addresses(const std::vector<wire::Payload>& payloads,
                                                     std::size_t addresses_max) {
  std::optional<std::vector<IpAddress>> addresses;
  for (const wire::Payload& payload : payloads) {
    const auto* const notify = std::get_if<wire::NotifyPayload>(&payload);
    if (notify == nullptr) continue;
    const bool is_v4 = notify->type == NotifyType::additional_ip4_address;
    const bool is_v6 = notify->type == NotifyType::additional_ip6_address;
    if (!is_v4 && !is_v6 && notify->type != NotifyType::no_additional_addresses) continue;
    if (!addresses) addresses.emplace();
    if (notify->data.size() != (is_v4 ? 4U : 16U) || (!is_v4 && !is_v6)) continue;
    const IpAddress address = IpAddress::from_bytes(notify->data);
    const bool is_new = is_host_address(address) && !holds(*addresses, address);
    if (is_new && addresses->size() < addresses_max) addresses->push_back(address);
  }
  return addresses;
}

wire::NotifyPayload make_no_nats(const base::Path& path) {
  return make_notify(NotifyType::no_nats_allowed, no_nats_data(path.local, path.remote));
}

bool is_altered(const std::vector<wire::Payload>& payloads, const base::Path& path) {
  const wire::NotifyPayload* const notify =
      wire::find_notify(payloads, NotifyType::no_nats_allowed);
  return notify != nullptr && notify->data != no_nats_data(path.remote, path.local);
}

std::vector<base::Path> other_paths(const base::Path& current, std::span<const IpAddress> ours,
                                    std::span<const IpAddress> peers) {
  std::vector<base::Path> paths;
  const auto add = [&](const IpAddress& local, const IpAddress& remote) {
    if (local.family() != remote.family()) return;
    base::Path path = current;
    path.local.address = local;
    path.remote.address = remote;
    const bool is_known = is_same_addresses(path, current) ||
                          std::ranges::any_of(paths, [&](const base::Path& known) {
                            return is_same_addresses(known, path);
                          });
    if (!is_known) paths.push_back(path);
  };
  if (holds(ours, current.local.address)) {
    for (const IpAddress& peer : peers) add(current.local.address, peer);
  }
  for (const IpAddress& own : ours) add(own, current.remote.address);
  for (const IpAddress& own : ours) {
    for (const IpAddress& peer : peers) add(own, peer);
  }
  return paths;
}

bool is_same_addresses(const base::Path& a, const base::Path& b) {
  return a.local.address == b.local.address && a.remote.address == b.remote.address;
}

}  // namespace caponier::ike
