#include "io/nft/taking.h"

#include <fmt/format.h>
#include <net/if.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/error.h"
#include "io/nft/nft_command.h"
#include "io/nft/nft_text.h"

namespace caponier::io {
namespace {

using gateway::AddressRange;
using Ranges = std::vector<AddressRange>;

/// Of one family, merged.
struct Destinations {
  Ranges taken;
  Ranges left;
};

Destinations destinations_of(const TakenRoutes& routes, base::Family family) {
  Destinations of;
  for (const auto& [prefix, exceptions] : routes) {
    if (prefix.address.family() != family) continue;
    of.taken.push_back({prefix.first(), prefix.last()});
    for (const base::Prefix& exception : exceptions) {
      if (exception.address.family() != family) continue;
      of.left.push_back({exception.first(), exception.last()});
    }
  }
  of.taken = gateway::merged(std::move(of.taken));
  of.left = gateway::merged(std::move(of.left));
  return of;
}

/// The kernel keeps fragments, options and extension headers, the last hop, and what is for this
/// host itself. The others are TCP and UDP, which come in super-packets.
std::string rules_of(const Destinations& of, base::Family family, std::uint32_t mark) {
  if (of.taken.empty()) return {};
  const bool is_v4 = family == base::Family::v4;
  const std::string_view to = is_v4 ? "ip daddr" : "ip6 daddr";
  std::string rules;
  if (!of.left.empty()) rules += fmt::format("    {} {} return\n", to, set_of(of.left));
  rules +=
      fmt::format("    {} {} {} fib daddr type unicast meta mark set {}\n", to, set_of(of.taken),
                  is_v4 ? "ip protocol { 6, 17 } ip hdrlength 5 ip ttl > 1 "
                          "ip frag-off & 0x3fff == 0"
                        : "ip6 nexthdr { 6, 17 } ip6 hoplimit > 1",
                  mark);
  return rules;
}

}  // namespace

std::string make_taking_commands(const TakingOptions& options, const TakenRoutes& routes) {
  const std::string table = table_name(options.instance) + "-taken";
  std::string commands;
  // Adding first makes the deletion work where there is none.
  for (const std::string_view family : {"netdev", "inet"}) {
    commands += fmt::format("add table {0} {1}\ndelete table {0} {1}\n", family, table);
  }
  std::string rules;
  for (const base::Family family : {base::Family::v4, base::Family::v6}) {
    rules += rules_of(destinations_of(routes, family), family, options.mark);
  }
  if (rules.empty() || options.interfaces.empty()) return commands;
  commands += fmt::format(
      "table netdev {} {{\n  chain mark_taken {{\n"
      "    meta pkttype != host return\n{}  }}\n",
      table, rules);
  // Before anybody's connection tracking, which would wait for answers it never sees.
  std::string drops;
  for (const auto& [name, index] : options.interfaces) {
    commands += fmt::format(
        "  chain from_{} {{\n    type filter hook ingress device \"{}\" priority 0; policy "
        "accept;\n"
        "    jump mark_taken\n  }}\n",
        index, name);
    drops += fmt::format("    iif {} meta mark {} drop\n", index, options.mark);
  }
  commands += fmt::format(
      "}}\ntable inet {} {{\n  chain drop_taken {{\n"
      "    type filter hook prerouting priority -450; policy accept;\n{}  }}\n}}\n",
      table, drops);
  return commands;
}

Taking::Taking(TakingOptions options) : options_(std::move(options)) {
  // Without nft nobody can have left anything.
  static_cast<void>(run_nft(make_taking_commands(options_, {})));
}

Taking::~Taking() {
  if (stands_) static_cast<void>(run_nft(make_taking_commands(options_, {})));
}

void Taking::add(const base::Prefix& prefix, const std::vector<base::Prefix>& local_nets) {
  std::vector<base::Prefix>& exceptions = routes_[prefix];
  exceptions.clear();
  std::ranges::copy_if(local_nets, std::back_inserter(exceptions), [&](const base::Prefix& net) {
    return net.length > prefix.length && prefix.contains(net.address);
  });
  is_settled_ = false;
}

void Taking::remove(const base::Prefix& prefix) {
  if (routes_.erase(prefix) != 0) is_settled_ = false;
}

std::expected<void, std::string> Taking::settle() {
  if (options_.interfaces.empty() || std::exchange(is_settled_, true)) return {};
  TakingOptions there = options_;
  std::erase_if(there.interfaces, [](const auto& interface) {
    return ::if_nametoindex(interface.first.c_str()) != interface.second;
  });
  TRY_VOID(run_nft(make_taking_commands(there, routes_)));
  stands_ = !routes_.empty();
  return {};
}

std::expected<void, std::string> Taking::renew() {
  is_settled_ = false;
  return settle();
}

std::expected<void, std::string> Taking::probe() {
  const base::Prefix nowhere{base::IpAddress::lowest(base::Family::v4), 32};
  const base::Prefix nowhere_v6{base::IpAddress::lowest(base::Family::v6), 128};
  TRY_VOID(run_nft(make_taking_commands(options_, {{nowhere, {}}, {nowhere_v6, {}}})));
  return run_nft(make_taking_commands(options_, {}));
}

}  // namespace caponier::io
