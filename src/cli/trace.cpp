// `caponier debug trace`: one line for each sampled packet.

#include <fmt/format.h>

#include <array>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "cli/verbs.h"

namespace caponier::cli {
namespace {

std::string protocol_name(double number_of) {
  switch (static_cast<int>(number_of)) {
    case 1: return "icmp";
    case 6: return "tcp";
    case 17: return "udp";
    case 58: return "icmpv6";
    case 132: return "sctp";
    default: break;
  }
  return fmt::format("protocol {:.0f}", number_of);
}

std::string end_of(const Json& inner, const char* address, const char* port) {
  std::string host = text(inner, address);
  if (!at(inner, port).is_number()) return host;
  const bool v6 = host.contains(':');
  return fmt::format("{}{}{}:{:.0f}", v6 ? "[" : "", host, v6 ? "]" : "", number(inner, port));
}

std::string inner_text(const Json& inner) {
  if (!inner.is_object()) return {};
  std::string out = fmt::format("{} {} -> {}", protocol_name(number(inner, "protocol")),
                                end_of(inner, "source", "source_port"),
                                end_of(inner, "destination", "destination_port"));
  if (at(inner, "icmp_type").is_number()) {
    out += fmt::format(" type {:.0f} code {:.0f}", number(inner, "icmp_type"),
                       number(inner, "icmp_code"));
  }
  return out + (flag(inner, "fragment") ? " fragment" : "");
}

std::string outer_text(const Json& outer, bool is_inbound) {
  if (!outer.is_object()) return {};
  return fmt::format(" {} {}", is_inbound ? "from" : "to", text(outer, "remote"));
}

std::string policy_text(const Json& trace) {
  const std::string action = text(trace, "policy");
  if (action.empty()) return at(trace, "inner").is_object() ? "no policy" : "policy not asked";
  const std::string peer = text(trace, "peer");
  return fmt::format("policy {}{}{}", action, peer.empty() ? "" : " ", peer);
}

std::string sa_text(const Json& trace) {
  const Json& sequence = at(trace, "sequence");
  const std::string spi = text(trace, "spi");
  if (spi.empty()) return flag(trace, "sa") ? fmt::format("sa {}", text(trace, "peer")) : "no sa";
  return fmt::format("{}{} spi {} seq {}", flag(trace, "sa") ? "sa " : "no sa", text(trace, "peer"),
                     spi, dump(sequence, -1));
}

std::string crypto_text(const Json& trace, bool is_inbound) {
  const std::string outcome = text(trace, "crypto");
  if (outcome == "done") return is_inbound ? "icv right, decrypted" : "sealed";
  if (outcome == "failed") return is_inbound ? "icv wrong" : "cipher failed";
  return "no crypto";
}

}  // namespace

std::string trace_line(const Json& trace, const Style& style) {
  const bool is_inbound = text(trace, "direction") == "in";
  const std::string inner = inner_text(at(trace, "inner"));
  const std::string drop = text(trace, "drop");
  const std::string verdict =
      drop.empty() ? text(trace, "verdict")
                   : fmt::format("{}drop {}{}: {}", style.colour ? "\x1b[33m" : "", drop,
                                 style.colour ? "\x1b[0m" : "", text(trace, "meaning"));
  return fmt::format("{:9.3f} {:<3} {}{}, {:.0f} bytes | {} | {} | {} | {}\n",
                     number(trace, "seconds"), text(trace, "direction"),
                     inner.empty() ? "esp" : inner, outer_text(at(trace, "outer"), is_inbound),
                     number(trace, "bytes"), policy_text(trace), sa_text(trace),
                     crypto_text(trace, is_inbound), verdict);
}

Outcome<ExitCode> run_trace(const Session& session, const TraceVerb& verb) {
  install_interrupt_handler();
  auto connection = TRY(Connection::open(session.socket));
  Json arguments{{"sample", verb.sample}, {"count", verb.count}};
  if (!verb.name.empty()) arguments["name"] = verb.name;
  static_cast<void>(TRY(connection.ask("trace", std::move(arguments))));
  bool stopping = false;
  for (;;) {
    if (is_interrupted() && !std::exchange(stopping, true)) TRY_VOID(connection.send("stop"));
    const std::optional<Json> next = TRY(connection.receive());
    if (!next) continue;
    if (!flag(*next, "end")) {
      const Json& trace = at(*next, "trace");
      print(session.json ? dump(trace, -1) + "\n" : trace_line(trace, session.style));
      continue;
    }
    const Json& result = at(*next, "result");
    remark(fmt::format("{:.0f} packets, {:.0f} more found no room\n", number(result, "packets"),
                       number(result, "lost")));
    return ExitCode::ok;
  }
}

}  // namespace caponier::cli
