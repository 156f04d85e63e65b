#include "config/section.h"

#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/format.h>

#include "base/event.h"

namespace caponier::config {

namespace {

/// What other products call our keys.
struct Synonym {
  std::string_view theirs;
  std::string_view ours;
};

constexpr std::array synonyms = {
    Synonym{"secret", "psk"},
    Synonym{"key", "psk"},
    Synonym{"password", "psk"},
    Synonym{"preshared_key", "psk"},
    Synonym{"peer", "remote"},
    Synonym{"gateway", "remote"},
    Synonym{"address", "remote"},
    Synonym{"endpoint", "remote"},
    Synonym{"right", "remote"},
    Synonym{"remote_addrs", "remote"},
    Synonym{"left", "local"},
    Synonym{"local_addrs", "local"},
    Synonym{"leftid", "local_id"},
    Synonym{"rightid", "remote_id"},
    Synonym{"leftsubnet", "local_nets"},
    Synonym{"local_ts", "local_nets"},
    Synonym{"rightsubnet", "remote_nets"},
    Synonym{"remote_ts", "remote_nets"},
    Synonym{"allowed_ips", "remote_nets"},
    Synonym{"proposals", "ike"},
    Synonym{"esp_proposals", "esp"},
    Synonym{"auto", "start"},
    Synonym{"start_action", "start"},
    Synonym{"dpd_delay", "dpd"},
    Synonym{"rekey_time", "lifetime"},
    Synonym{"forceencaps", "encap"},
    Synonym{"port", "ike_port"},
};

/// The value as a whole line of TOML that would be right, where that can be told.
std::string fix_for_kind(std::string_view key, const Node& got, NodeKind expected,
                         std::string_view example) {
  if (got.kind == NodeKind::string && expected == NodeKind::array) {
    return fmt::format("put it in brackets: {} = [\"{}\"]", key, base::printable(got.text));
  }
  if (got.kind == NodeKind::string && expected == NodeKind::integer && !got.text.empty() &&
      got.text.find_first_not_of("0123456789") == std::string::npos) {
    return fmt::format("leave out the quotes: {} = {}", key, base::printable(got.text));
  }
  if (got.kind == NodeKind::string && expected == NodeKind::boolean &&
      (got.text == "true" || got.text == "false")) {
    return fmt::format("leave out the quotes: {} = {}", key, got.text);
  }
  const bool is_duration = example == "\"30s\"" || example == "\"1h\"";
  if (got.kind == NodeKind::integer && is_duration && got.integer >= 0) {
    return fmt::format("add a unit: {0} = \"{1}s\" for seconds, \"{1}m\" for minutes", key,
                       got.integer);
  }
  return fmt::format("write for example {} = {}", key, example);
}

}  // namespace

UnknownKey explain_unknown_key(std::string_view key, std::string_view title,
                               std::span<const KeySpec> schema) {
  std::vector<std::string_view> names;
  for (const KeySpec& spec : schema) names.push_back(spec.name);
  std::string_view meant = nearest(key, names);
  const auto* synonym = std::ranges::find(synonyms, key, &Synonym::theirs);
  if (synonym != synonyms.end() && std::ranges::find(names, synonym->ours) != names.end()) {
    meant = synonym->ours;
  }
  std::string message = fmt::format("unknown key {} in {}", quoted(key), title);
  if (title.starts_with("[host.") && (key == "local_nets" || key == "remote_nets")) {
    return {{std::move(message), "a host tunnel has no networks: remove it, or write [site.NAME]"},
            {}};
  }
  if (title.starts_with("[site.") && key == "ports") {
    return {{std::move(message), "only [host.NAME] narrows to ports: remove it"}, {}};
  }
  return {
      {std::move(message), meant.empty() ? fmt::format("the keys here are {}", join(names, "and"))
                                         : fmt::format("did you mean '{}'?", meant)},
      meant};
}

Section::Section(const Node& table, std::string title, std::span<const KeySpec> schema,
                 Errors& errors)
    : table_(table), title_(std::move(title)), schema_(schema), errors_(errors) {
  check_keys();
}

void Section::check_keys() {
  std::set<std::string_view> meant;
  for (const Entry& entry : table_.entries) {
    if (std::ranges::find(schema_, entry.key, &KeySpec::name) != schema_.end()) continue;
    UnknownKey unknown = explain_unknown_key(entry.key, title_, schema_);
    errors_.add(entry.where, std::move(unknown.fault.message), std::move(unknown.fault.fix));
    meant.insert(unknown.meant);
  }
  for (const KeySpec& spec : schema_) {
    // A misspelt key is one mistake, not two.
    if (!spec.required || has(spec.name) || meant.contains(spec.name)) continue;
    errors_.add(table_.where, fmt::format("{} lacks '{}'", title_, spec.name),
                fmt::format("add for example {} = {}", spec.name, spec.example));
  }
}

void Section::note(const Place& where, std::string_view key, const Fault& fault) {
  errors_.add(where, fmt::format("{}: {}", key, fault.message), fault.fix);
}

void Section::note_kind(std::string_view key, const Node& got, NodeKind expected) {
  const auto spec = std::ranges::find(schema_, key, &KeySpec::name);
  const std::string_view example = spec == schema_.end() ? "" : spec->example;
  errors_.add(got.where,
              fmt::format("{}: expected {}, got {}", key, name_of(expected), name_of(got.kind)),
              fix_for_kind(key, got, expected, example));
}

void Section::note_twice(const Node& item, std::string_view key, const Place& first) {
  errors_.add(
      item.where,
      fmt::format("{}: {} is already listed at {}", key, quoted(item.text), first.to_string()),
      "remove one of the two");
}

const Node* Section::value(std::string_view key, NodeKind kind) {
  const Entry* entry = table_.find(key);
  if (entry == nullptr) return nullptr;
  if (entry->value.kind != kind) {
    note_kind(key, entry->value, kind);
    return nullptr;
  }
  return &entry->value;
}

std::vector<const Node*> Section::strings(std::string_view key) {
  std::vector<const Node*> items;
  const Node* array = value(key, NodeKind::array);
  if (array == nullptr) return items;
  const auto spec = std::ranges::find(schema_, key, &KeySpec::name);
  if (array->items.empty()) {
    const bool required = spec != schema_.end() && spec->required;
    note(array->where, key,
         {"the list is empty", fmt::format("write for example {} = {}{}", key,
                                           spec == schema_.end() ? "" : spec->example,
                                           required ? "" : ", or leave the key out")});
  }
  if (array->items.size() > list_size_max) {
    note(array->where, key,
         {fmt::format("the list has {} elements, more than {}", array->items.size(), list_size_max),
          "combine some of them, or spread them over several sections"});
    return items;
  }
  for (const Node& item : array->items) {
    if (item.kind == NodeKind::string) {
      items.push_back(&item);
      continue;
    }
    note(item.where, key,
         {fmt::format("expected a list of strings, got {} in it", name_of(item.kind)),
          fmt::format("write for example {} = {}", key,
                      spec == schema_.end() ? "" : spec->example)});
  }
  return items;
}

std::optional<Located<bool>> Section::boolean(std::string_view key) {
  const Node* node = value(key, NodeKind::boolean);
  if (node == nullptr) return std::nullopt;
  return Located<bool>{node->boolean, node->where};
}

std::optional<Located<std::int64_t>> Section::integer(std::string_view key) {
  const Node* node = value(key, NodeKind::integer);
  if (node == nullptr) return std::nullopt;
  return Located<std::int64_t>{node->integer, node->where};
}

std::optional<std::int64_t> Section::integer(std::string_view key, std::int64_t min,
                                             std::int64_t max) {
  const auto number = integer(key);
  if (!number) return std::nullopt;
  if (number->value < min || number->value > max) {
    note(number->where, key,
         {fmt::format("{} is outside {} to {}", number->value, min, max),
          fmt::format("write a number from {} to {}", min, max)});
    return std::nullopt;
  }
  return number->value;
}

std::vector<std::int64_t> Section::integers(std::string_view key, std::int64_t min,
                                            std::int64_t max) {
  std::vector<std::int64_t> values;
  const Node* array = value(key, NodeKind::array);
  if (array == nullptr) return values;
  for (const Node& item : array->items) {
    if (item.kind != NodeKind::integer || item.integer < min || item.integer > max) {
      note(item.where, key,
           {fmt::format("expected numbers from {} to {}", min, max),
            fmt::format("write for example {} = {}", key,
                        std::ranges::find(schema_, key, &KeySpec::name)->example)});
    } else if (std::ranges::find(values, item.integer) != values.end()) {
      note(item.where, key,
           {fmt::format("{} is already listed", item.integer), "remove one of the two"});
    } else {
      values.push_back(item.integer);
    }
  }
  return values;
}

}  // namespace caponier::config
