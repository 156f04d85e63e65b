#include "cli/top_render.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "cli/render.h"

namespace caponier::cli {
namespace {

constexpr std::size_t reasons_max = 3;
constexpr std::size_t name_column_max = 40;
constexpr std::size_t lines_above_tunnels = 5;

std::string shown_name(const TunnelName& name) {
  return name.child == name.peer ? name.peer : fmt::format("{}/{}", name.peer, name.child);
}

std::string cut(std::string line, std::size_t width) {
  if (width > 0 && line.size() > width) line = line.substr(0, width - 1) + "~";
  return line;
}

std::string row_text(const std::string& name, std::size_t width,
                     const std::array<std::string, 5>& cells) {
  return fmt::format("{:<{}}  {:>9}  {:>9}  {:>9}  {:>9}  {:>9}", cut(name, width), width, cells[0],
                     cells[1], cells[2], cells[3], cells[4]);
}

std::string rates_text(const std::string& name, std::size_t width, const TunnelRates& rates) {
  return row_text(
      name, width,
      {human_rate(rates.packets_in), human_rate(rates.bits_in), human_rate(rates.packets_out),
       human_rate(rates.bits_out), human_rate(rates.drops)});
}

std::string drops_text(const Rates& rates) {
  if (rates.drops.empty()) return "dropped nothing";
  std::string out = "dropped ";
  for (std::size_t i = 0; i < std::min(reasons_max, rates.drops.size()); ++i) {
    const auto& [reason, rate] = rates.drops[i];
    out += fmt::format("{}{} {}/s", i == 0 ? "" : ", ", reason, human_rate(rate));
  }
  if (rates.drops.size() > reasons_max) {
    out += fmt::format(" and {} other reasons", rates.drops.size() - reasons_max);
  }
  return out;
}

/// " (workers 40.1 %, 12.0 %)": where one of them has more to do than a CPU gives, more do not
/// help.
std::string workers_text(const Rates& rates) {
  if (rates.worker_cpu_percent.size() < 2) return {};
  std::string out;
  for (const double percent : rates.worker_cpu_percent) {
    out += fmt::format("{} {:.1f} %", out.empty() ? " (workers" : ",", percent);
  }
  return out + ")";
}

/// How many tunnels fit a window of this height.
std::size_t room_for(std::size_t tunnels, std::size_t height) {
  if (height == 0 || tunnels + lines_above_tunnels <= height) return tunnels;
  // One line says how many more there are.
  return height > lines_above_tunnels ? height - lines_above_tunnels - 1 : 0;
}

Json rates_json(const TunnelRates& rates) {
  return {{"packets_in_per_second", rates.packets_in},
          {"bits_in_per_second", rates.bits_in},
          {"packets_out_per_second", rates.packets_out},
          {"bits_out_per_second", rates.bits_out},
          {"drops_per_second", rates.drops}};
}

}  // namespace

std::string human_rate(double rate) {
  constexpr std::array<std::string_view, 6> units{"", "k", "M", "G", "T", "P"};
  std::size_t unit = 0;
  while (rate >= 999.5 && unit + 1 < units.size()) {
    rate /= 1000;
    ++unit;
  }
  const bool is_whole = rate >= 99.95 || rate < 0.05 || (unit == 0 && rate >= 9.95);
  return is_whole ? fmt::format("{:.0f}{}", rate, units[unit])
                  : fmt::format("{:.1f}{}", rate, units[unit]);
}

std::string top_text(const Rates& rates, const Window& window) {
  std::size_t name_width = std::string_view{"all tunnels"}.size();
  for (const TunnelRates& tunnel : rates.tunnels) {
    name_width = std::max(name_width, std::min(name_column_max, shown_name(tunnel.name).size()));
  }
  std::vector<std::string> lines{
      fmt::format("caponierd up {}, {:.1f} % of one CPU{}, mean of {:.1f} s",
                  human_age(rates.uptime_seconds), rates.cpu_percent, workers_text(rates),
                  rates.seconds),
      drops_text(rates), "",
      row_text("TUNNEL", name_width, {"IN pkt/s", "IN bit/s", "OUT pkt/s", "OUT bit/s", "DROP/s"}),
      rates_text("all tunnels", name_width, rates.total)};
  const std::size_t shown = room_for(rates.tunnels.size(), window.height);
  for (std::size_t i = 0; i < shown; ++i) {
    lines.push_back(rates_text(shown_name(rates.tunnels[i].name), name_width, rates.tunnels[i]));
  }
  if (shown < rates.tunnels.size()) {
    lines.push_back(fmt::format("and {} more", rates.tunnels.size() - shown));
  }
  if (window.height > 0 && lines.size() > window.height) lines.resize(window.height);
  std::string out;
  for (std::string& line : lines) out += cut(std::move(line), window.width) + "\n";
  return out;
}

std::string top_frame(std::string_view text) {
  constexpr std::string_view home = "\x1b[H";
  constexpr std::string_view erase_line = "\x1b[K";
  constexpr std::string_view erase_below = "\x1b[J";
  if (text.ends_with('\n')) text.remove_suffix(1);
  std::string out{home};
  for (const char c : text) {
    if (c == '\n') out += erase_line;
    out += c == '\n' ? std::string_view{"\r\n"} : std::string_view{&c, 1};
  }
  out += erase_line;
  out += erase_below;
  return out;
}

Json top_json(const Rates& rates) {
  Json out{{"seconds", rates.seconds},
           {"uptime_seconds", rates.uptime_seconds},
           {"cpu_percent", rates.cpu_percent},
           {"total", rates_json(rates.total)}};
  Json& workers = out["workers"] = Json::array();
  for (const double percent : rates.worker_cpu_percent) {
    workers.push_back({{"worker", workers.size()}, {"cpu_percent", percent}});
  }
  Json& drops = out["drops"] = Json::object();
  for (const auto& [reason, rate] : rates.drops) drops[reason] = rate;
  Json& tunnels = out["tunnels"] = Json::array();
  for (const TunnelRates& tunnel : rates.tunnels) {
    Json entry{{"peer", tunnel.name.peer}, {"child", tunnel.name.child}};
    entry.update(rates_json(tunnel));
    tunnels.push_back(std::move(entry));
  }
  return out;
}

}  // namespace caponier::cli
