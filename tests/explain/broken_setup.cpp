#include "explain/broken_setup.h"

#include <algorithm>
#include <filesystem>
#include <sstream>
#include <stdexcept>

#include <fmt/format.h>
#include <toml++/toml.h>

namespace caponier::explain::test {
namespace {

const std::filesystem::path& folder() {
  static const std::filesystem::path path =
      std::filesystem::path{CAPONIER_SOURCE_DIR} / "tests/explain/cases";
  return path;
}

std::string as_toml(const toml::node& node) {
  std::ostringstream out;
  node.visit([&](const auto& value) { out << toml::toml_formatter{toml::table{{"v", value}}}; });
  std::string text = out.str();
  const std::size_t at = text.find('=');
  if (at == std::string::npos) throw std::runtime_error{"not a value: " + text};
  text.erase(0, at + 2);
  std::ranges::replace(text, '\n', ' ');
  return text;
}

Keys keys_of(const toml::table* table) {
  Keys keys;
  if (table == nullptr) return keys;
  for (const auto& [key, value] : *table) {
    if (!value.is_table()) keys.emplace(std::string{key.str()}, as_toml(value));
  }
  return keys;
}

std::vector<std::string> strings_of(const toml::node_view<const toml::node> node) {
  std::vector<std::string> strings;
  if (const auto* const array = node.as_array()) {
    for (const auto& item : *array) strings.push_back(item.value_or(std::string{}));
  }
  return strings;
}

/// Everything in the file must be known: a case that means nothing proves nothing.
void refuse_others(const toml::table& table, std::initializer_list<std::string_view> known) {
  for (const auto& [key, value] : table) {
    if (std::ranges::find(known, key.str()) == known.end()) {
      throw std::runtime_error{fmt::format("unknown key '{}'", key.str())};
    }
  }
}

Half half_of(const toml::table& file, const std::string& name) {
  Half half;
  half.keys = keys_of(file[name].as_table());
  if (const auto* const children = file[name]["children"].as_table()) {
    for (const auto& [child, table] : *children) {
      half.children.emplace(std::string{child.str()}, keys_of(table.as_table()));
    }
  }
  half.table = file["table_" + name].value_or(half.table);
  half.secret = file["secret_" + name].value_or(half.secret);
  half.certificate = file["certificate_" + name].value_or(std::string{});
  half.is_down = file["down_" + name].value_or(false);
  half.repair = keys_of(file["repair_" + name].as_table());
  half.repair_secret = file["repair_secret_" + name].value_or(std::string{});
  half.repair_certificate = file["repair_certificate_" + name].value_or(std::string{});
  return half;
}

std::optional<Expected> expected_of(const toml::table& file, std::string_view who) {
  const auto* const table = file[who].as_table();
  if (table == nullptr) return std::nullopt;
  refuse_others(*table, {"code", "certainty", "cause", "values", "fixes"});
  const toml::table& in = *table;
  return Expected{in["code"].value_or(std::string{}), in["certainty"].value_or(std::string{}),
                  in["cause"].value_or(std::string{}), strings_of(in["values"]),
                  strings_of(in["fixes"])};
}

}  // namespace

std::vector<std::string> names_of_catalogue() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator{folder()}) {
    if (entry.path().extension() == ".toml") names.push_back(entry.path().stem().string());
  }
  std::ranges::sort(names);
  return names;
}

BrokenSetup read_setup(const std::string& name) {
  const toml::table file = toml::parse_file((folder() / (name + ".toml")).string());
  refuse_others(file, {"why",
                       "begins",
                       "nat",
                       "blocked_ports",
                       "blocks_udp",
                       "blocks_tcp",
                       "blocks_esp",
                       "mtu",
                       "seconds",
                       "traffic",
                       "fix_is_network",
                       "also_proven",
                       "golden",
                       "a",
                       "b",
                       "table_a",
                       "table_b",
                       "secret_a",
                       "secret_b",
                       "certificate_a",
                       "certificate_b",
                       "down_a",
                       "down_b",
                       "repair_a",
                       "repair_b",
                       "repair_secret_a",
                       "repair_secret_b",
                       "repair_certificate_a",
                       "repair_certificate_b",
                       "initiator",
                       "responder",
                       "at_a",
                       "at_b"});
  BrokenSetup setup;
  setup.name = name;
  setup.why = file["why"].value_or(std::string{});
  setup.a = half_of(file, "a");
  setup.b = half_of(file, "b");
  setup.begins = file["begins"].value_or(setup.begins);
  setup.a_behind_nat = file["nat"].value_or(false);
  if (const auto* const ports = file["blocked_ports"].as_array()) {
    for (const auto& port : *ports) {
      setup.blocked_ports.push_back(static_cast<std::uint16_t>(port.value_or(0)));
    }
  }
  setup.blocks_udp = file["blocks_udp"].value_or(false);
  setup.blocks_tcp = file["blocks_tcp"].value_or(false);
  setup.blocks_esp = file["blocks_esp"].value_or(false);
  setup.mtu = static_cast<std::size_t>(file["mtu"].value_or(0));
  setup.seconds = file["seconds"].value_or(setup.seconds);
  setup.has_traffic = file["traffic"].value_or(false);
  setup.fix_is_network = file["fix_is_network"].value_or(false);
  setup.initiator = expected_of(file, "initiator");
  setup.responder = expected_of(file, "responder");
  setup.at_a = expected_of(file, "at_a");
  setup.at_b = expected_of(file, "at_b");
  setup.also_proven = strings_of(file["also_proven"]);
  setup.is_golden = file["golden"].value_or(false);
  return setup;
}

}  // namespace caponier::explain::test
