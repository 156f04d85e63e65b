#include "cli/render.h"

#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

namespace caponier::cli {
namespace {

constexpr std::size_t peer_column_max = 24;
constexpr std::size_t crypto_column_max = 24;

std::string painted(std::string_view words, std::string_view code, const Style& style) {
  return style.colour ? fmt::format("\x1b[{}m{}\x1b[0m", code, words) : std::string{words};
}

std::string_view state_colour(std::string_view state) {
  if (state == "up") return "32";
  if (state == "down") return "1;31";
  if (state == "off") return "2";
  return "33";
}

std::string_view severity_colour(std::string_view severity) {
  if (severity == "error") return "1;31";
  if (severity == "warning") return "33";
  return "0";
}

std::string shown_state(const std::string& state) { return state == "down" ? "DOWN" : state; }

std::string address_of(const std::string& endpoint) {
  return endpoint.substr(0, endpoint.rfind(':'));
}

std::string cut(std::string words, std::size_t most) {
  if (words.size() > most) words = words.substr(0, most - 1) + "~";
  return words;
}

std::string age_or_dash(const Json& peer, const char* key) {
  const Json& value = at(peer, key);
  return value.is_number() ? human_age(value.get<double>()) : "-";
}

/// Why it is not as it should be, with the code that `caponier why` tells more about.
std::string note_of(const Json& peer) {
  const Json& why = at(peer, "why");
  if (!why.is_object()) return text(peer, "note");
  return text(why, "code") + " " + text(why, "cause");
}

using Row = std::array<std::string, 8>;

Row row_of(const Json& peer) {
  const bool negotiated = at(peer, "ike").is_object();
  std::string address = text(peer, "remote");
  if (negotiated) {
    address = address_of(text(peer, "remote_endpoint"));
    if (text(peer, "nat") != "none") address += " nat";
  }
  const std::string crypto = text(peer, "crypto");
  return {text(peer, "name"),
          shown_state(text(peer, "state")),
          cut(std::move(address), peer_column_max),
          crypto.empty() ? "-" : cut(crypto, crypto_column_max),
          negotiated ? human_bytes(number(peer, "bytes_in")) : "-",
          negotiated ? human_bytes(number(peer, "bytes_out")) : "-",
          age_or_dash(peer, "last_in_seconds"),
          note_of(peer)};
}

std::string row_text(const Row& row, const std::array<std::size_t, 8>& widths) {
  std::string line;
  for (std::size_t i = 0; i < row.size(); ++i) {
    const bool right = i == 4 || i == 5;
    if (i > 0) line += "  ";
    line += right ? fmt::format("{:>{}}", row[i], widths[i])
                  : fmt::format("{:<{}}", row[i], i + 1 == row.size() ? 0 : widths[i]);
  }
  while (line.ends_with(' ')) line.pop_back();
  return line;
}

/// Paints the state inside an already aligned line.
std::string with_state_painted(std::string line, std::size_t from, const std::string& state,
                               const Style& style) {
  std::string lower = state;
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return line.replace(from, state.size(), painted(state, state_colour(lower), style));
}

void add_line(std::string& out, std::string_view label, const std::string& value) {
  if (!value.empty()) out += fmt::format("  {:<12} {}\n", label, value);
}

/// The identities that the peer has proved before (RFC 4739): " after pc.example".
std::string earlier_text(const Json& ike) {
  std::string all;
  for (const Json& id : at(ike, "earlier_ids")) {
    all += (all.empty() ? " after " : ", ") + id.get<std::string>();
  }
  return all;
}

/// Nothing when it does not show what it is.
std::string product_text(const Json& ike) {
  const std::string name = text(ike, "product_name");
  if (name.empty()) return {};
  return name + (at(ike, "product_configured") == true ? ", as configured" : ", as it looks");
}

std::string on_product(const Json& user) {
  const std::string name = text(user, "product_name");
  return name.empty() ? name : fmt::format(" ({})", name);
}

std::string joined(const Json& list) {
  std::string out;
  for (const Json& entry : list) {
    const auto* value = entry.get_ptr<const Json::string_t*>();
    if (value != nullptr) out += (out.empty() ? "" : ", ") + *value;
  }
  return out;
}

/// One line for each reason that has happened; `meanings` is the daemon's drop table.
void add_drops(std::string& out, const Json& drops, const Json& meanings,
               std::string_view indentation) {
  if (!drops.is_object()) return;
  for (const auto& [name, count] : drops.items()) {
    std::string meaning;
    for (const Json& row : meanings) {
      if (text(row, "name") == name) {
        meaning = fmt::format(" {}: {}", text(row, "unit"), text(row, "meaning"));
      }
    }
    out += fmt::format("{}dropped {} {}{}\n", indentation, dump(count, -1), name, meaning);
  }
}

std::string notes_text(const Json& result) {
  std::string out;
  for (const Json& note : at(result, "notes")) {
    const auto* value = note.get_ptr<const Json::string_t*>();
    if (value != nullptr) out += fmt::format("note: {}\n", *value);
  }
  return out;
}

std::string traffic_text(const Json& child, const char* packets, const char* bytes,
                         const char* last) {
  return fmt::format("{:.0f} packets, {}, last {}", number(child, packets),
                     human_bytes(number(child, bytes)),
                     at(child, last).is_number() ? age_or_dash(child, last) + " ago" : "never");
}

/// How the packets of a child travel below a peer of this `transport`.
std::string_view carriage(const Json& child, const std::string& transport) {
  if (text(child, "protocol") == "ah") return "AH";
  if (!flag(child, "udp_encap")) return "native ESP";
  return transport == "tcp" ? "ESP in TCP" : "ESP in UDP";
}

void add_child(std::string& out, const Json& child, const std::string& transport,
               const Json& meanings) {
  const std::string worker = at(child, "worker").is_number()
                                 ? fmt::format(", for worker {:.0f}", number(child, "worker"))
                                 : "";
  out += fmt::format("  child {}: {}, {}, {}, {} old{}\n", text(child, "name"), text(child, "mode"),
                     text(child, "suite"), carriage(child, transport),
                     age_or_dash(child, "established_seconds"), worker);
  out += fmt::format("    {} === {}\n", joined(at(child, "local")), joined(at(child, "remote")));
  out += fmt::format("    in   spi {}  {}\n", text(child, "spi_in"),
                     traffic_text(child, "packets_in", "bytes_in", "last_in_seconds"));
  out += fmt::format("    out  spi {}  {}\n", text(child, "spi_out"),
                     traffic_text(child, "packets_out", "bytes_out", "last_out_seconds"));
  out += fmt::format("    inner mtu {:.0f}\n", number(child, "inner_mtu_bytes"));
  add_drops(out, at(child, "drops"), meanings, "    ");
}

std::string peer_block(const Json& peer, const Json& meanings, const Style& style) {
  const std::string state = text(peer, "state");
  std::string out = fmt::format("{}: {} for {}\n", text(peer, "name"),
                                painted(shown_state(state), state_colour(state), style),
                                age_or_dash(peer, "since_seconds"));
  add_line(out, "note", text(peer, "note"));
  if (number(peer, "attempts_failed") > 0) {
    const Json& next = at(peer, "next_attempt_seconds");
    add_line(
        out, "attempts",
        fmt::format(
            "{:.0f} failed{}", number(peer, "attempts_failed"),
            next.is_number() ? fmt::format(", next in {}", human_age(next.get<double>())) : ""));
  }
  add_line(out, "kind", text(peer, "kind"));
  add_line(out, "remote", text(peer, "remote"));
  const Json& ike = at(peer, "ike");
  // Of a server it is any of its users'.
  if (ike.is_object() && !at(peer, "users").is_array()) {
    add_line(out, "path",
             fmt::format("{} - {}{}", text(peer, "local_endpoint"), text(peer, "remote_endpoint"),
                         text(peer, "transport") == "tcp" ? " over TCP" : ""));
    const std::string nat = text(peer, "nat");
    add_line(out, "nat",
             nat == "local"  ? "in front of us"
             : nat == "both" ? "on both sides"
             : nat == "none" ? "none"
                             : "in front of the peer");
    add_line(out, "identity", text(ike, "remote_id") + earlier_text(ike));
    add_line(out, "peer", product_text(ike));
    add_line(out, "ike",
             fmt::format("{}, {}, {}, {} old", text(ike, "state"), text(ike, "role"),
                         text(ike, "suite"), age_or_dash(ike, "established_seconds")));
    add_line(out, "ike spis", fmt::format("{} {}", text(ike, "spi_i"), text(ike, "spi_r")));
    const Json& round_trip = at(peer, "rtt_ms");
    if (round_trip.is_number()) {
      add_line(out, "rtt", fmt::format("{:.2f} ms", round_trip.get<double>()));
    }
  }
  for (const Json& user : at(peer, "users")) {
    const std::string name = text(user, "user");
    const std::string group = text(user, "group");
    add_line(out, "user",
             fmt::format("{}{}{} has {}, from {}{}, for {}",
                         name.empty() ? text(user, "identity") : name, earlier_text(user),
                         group.empty() ? group : " of " + group, joined(at(user, "inner")),
                         text(user, "remote_endpoint"), on_product(user),
                         age_or_dash(user, "established_seconds")));
  }
  const Json& inner = at(peer, "inner");
  if (inner.is_array() && !inner.empty()) add_line(out, "inner", joined(inner));
  for (const Json& child : at(peer, "children")) {
    add_child(out, child, text(peer, "transport"), meanings);
  }
  return out;
}

}  // namespace

std::string human_bytes(double bytes) {
  constexpr std::array<std::string_view, 6> units{"B", "kB", "MB", "GB", "TB", "PB"};
  std::size_t unit = 0;
  while (bytes >= 999.5 && unit + 1 < units.size()) {
    bytes /= 1000;
    ++unit;
  }
  const bool whole = unit == 0 || bytes >= 99.95;
  return whole ? fmt::format("{:.0f} {}", bytes, units[unit])
               : fmt::format("{:.1f} {}", bytes, units[unit]);
}

std::string human_age(double seconds) {
  if (seconds < 120) return fmt::format("{:.0f}s", seconds);
  if (seconds < 7200) return fmt::format("{:.0f}m", seconds / 60);
  if (seconds < 172800) return fmt::format("{:.0f}h", seconds / 3600);
  return fmt::format("{:.0f}d", seconds / 86400);
}

std::string status_table(const Json& result, const Style& style) {
  const Row head{"NAME", "STATE", "PEER", "CRYPTO", "RX", "TX", "LAST", "NOTE"};
  std::vector<Row> rows{head};
  for (const Json& peer : at(result, "peers")) rows.push_back(row_of(peer));
  if (rows.size() == 1) return "nothing is configured\n" + notes_text(result);
  std::array<std::size_t, 8> widths{};
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string out;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    std::string line = row_text(rows[i], widths);
    if (style.width > 0) line = cut(std::move(line), style.width);
    if (i > 0) line = with_state_painted(std::move(line), widths[0] + 2, rows[i][1], style);
    out += line + "\n";
  }
  return out + notes_text(result);
}

std::string status_blocks(const Json& result, const Style& style) {
  const Json& meanings = at(result, "drop_table");
  std::string out;
  for (const Json& peer : at(result, "peers")) {
    if (!out.empty()) out += "\n";
    out += peer_block(peer, meanings, style);
  }
  std::string drops;
  add_drops(drops, at(result, "drops"), meanings, "  ");
  if (!drops.empty()) out += "all of the gateway:\n" + drops;
  const Json& workers = at(result, "workers");
  for (const Json& worker : workers) {
    drops.clear();
    add_drops(drops, at(worker, "drops"), {}, "  ");
    if (workers.size() < 2 || drops.empty()) continue;
    out += fmt::format("worker {:.0f}:\n{}", number(worker, "worker"), drops);
  }
  return out + notes_text(result);
}

std::string event_line(const Json& event, const Style& style) {
  const auto microseconds = static_cast<std::int64_t>(number(event, "unix_us"));
  const time_t seconds = microseconds / 1'000'000;
  tm local{};
  ::localtime_r(&seconds, &local);
  const std::string peer = text(event, "caponier_peer");
  const std::string severity = text(event, "severity");
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02}.{:03} {:<7} {}{}{}\n",
                     local.tm_year + 1900, local.tm_mon + 1, local.tm_mday, local.tm_hour,
                     local.tm_min, local.tm_sec, microseconds / 1000 % 1000,
                     painted(severity, severity_colour(severity), style), peer,
                     peer.empty() ? "" : ": ", text(event, "message"));
}

}  // namespace caponier::cli
