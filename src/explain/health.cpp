#include "explain/health.h"

#include <fmt/format.h>

namespace caponier::explain {

namespace {

bool is_notable(std::uint64_t lost, std::uint64_t passed) {
  return lost > 0 && lost * 100 >= (lost + passed) * lost_percent_min;
}

Fix to_do(Side side, std::string sentence) { return {side, std::move(sentence), {}, {}}; }

std::optional<Diagnosis> one_way(const Flow& flow) {
  const bool sends = flow.packets_out >= one_way_packets_min && flow.sent_ago &&
                     *flow.sent_ago < one_way_patience && flow.age >= one_way_patience;
  const bool hears = flow.silent_for && *flow.silent_for < one_way_patience;
  if (!sends || hears) return std::nullopt;
  Diagnosis diagnosis{Code::esp_lost, Certainty::possible, {}, {}, {}, {}};
  diagnosis.cause =
      flow.packets_in == 0
          ? fmt::format("{} packets have left through {}, and none ever came back",
                        flow.packets_out, flow.child)
          : fmt::format("packets leave through {}, and nothing has come back for {:.0f} s",
                        flow.child, base::seconds_of(*flow.silent_for));
  diagnosis.values = {{"packets", fmt::format("{} sent", flow.packets_out),
                       fmt::format("{} received", flow.packets_in)}};
  diagnosis.others = {
      {Code::esp_lost,
       flow.in_udp ? "a firewall drops ESP in UDP" : "a firewall drops ESP (IP 50)"},
      {Code::esp_lost, "the hosts behind the peer have no route back, or do not answer"},
      {Code::esp_lost, "the peer's own firewall or forwarding stops what comes out of the tunnel"}};
  if (!flow.in_udp) {
    diagnosis.fixes.push_back({Side::ours, "put ESP into UDP", {{{}, "encap", "\"always\""}}, {}});
  }
  diagnosis.fixes.push_back(
      to_do(Side::theirs, "see there whether its counters of received packets grow"));
  return diagnosis;
}

std::optional<Diagnosis> replayed(const Flow& flow) {
  if (!is_notable(flow.replayed, flow.packets_in)) return std::nullopt;
  Diagnosis diagnosis{Code::replayed, Certainty::proven, {}, {}, {}, {}};
  diagnosis.cause =
      fmt::format("{} packets of {} came twice, or later than the replay window allows",
                  flow.replayed, flow.child);
  diagnosis.values = {{"packets", fmt::format("{} taken", flow.packets_in),
                       fmt::format("{} too late or twice", flow.replayed)}};
  diagnosis.fixes = {{Side::ours, "a larger window", {{{}, "replay_window", "32768"}}, {}},
                     to_do(Side::between, "whatever reorders packets on the way (QoS, bonding)")};
  return diagnosis;
}

std::optional<Diagnosis> corrupted(const Flow& flow) {
  if (!is_notable(flow.corrupted, flow.packets_in)) return std::nullopt;
  Diagnosis diagnosis{Code::corrupted, Certainty::proven, {}, {}, {}, {}};
  diagnosis.cause =
      fmt::format("{} packets for {} failed their integrity check", flow.corrupted, flow.child);
  diagnosis.others = {
      {Code::corrupted, "something on the way changes packets, or somebody forges"}};
  diagnosis.fixes = {to_do(Side::between, "look for devices on the way that rewrite packets")};
  return diagnosis;
}

std::optional<Diagnosis> narrow(const Flow& flow) {
  if (flow.path_mtu == 0 || flow.path_mtu >= usual_path_mtu) return std::nullopt;
  Diagnosis diagnosis{Code::path_narrow, Certainty::proven, {}, {}, {}, {}};
  diagnosis.cause =
      fmt::format("the path carries packets of {} octets, {} of them inside the tunnel",
                  flow.path_mtu, flow.inner_mtu);
  diagnosis.values = {{"path MTU", std::to_string(flow.path_mtu), {}},
                      {"tunnel MTU", std::to_string(flow.inner_mtu), {}}};
  diagnosis.fixes = {to_do(Side::between, "nothing: the tunnel's MTU and TCP's MSS follow")};
  return diagnosis;
}

std::optional<Diagnosis> unused(const Flow& flow) {
  if (flow.packets_out > 0 || flow.packets_in == 0 || flow.age < one_way_patience) {
    return std::nullopt;
  }
  Diagnosis diagnosis{Code::nothing_sent, Certainty::possible, {}, {}, {}, {}};
  diagnosis.cause =
      fmt::format("packets come in through {}, and nothing of ours goes out", flow.child);
  diagnosis.values = {{"packets", "0 sent", fmt::format("{} received", flow.packets_in)}};
  diagnosis.others = {
      {Code::nothing_sent, "the hosts here route elsewhere, or do not answer"},
      {Code::nothing_sent, "forwarding is off, or a firewall of this host drops them"}};
  diagnosis.fixes = {to_do(Side::ours, "see routes, net.ipv4.ip_forward and nftables here")};
  return diagnosis;
}

}  // namespace

std::vector<Diagnosis> judge(const Flow& flow) {
  std::vector<Diagnosis> found;
  for (const auto rule : {one_way, corrupted, replayed, unused, narrow}) {
    if (auto diagnosis = rule(flow)) found.push_back(std::move(*diagnosis));
  }
  return found;
}

}  // namespace caponier::explain
