#include "swan/document.h"

#include <fmt/format.h>

#include "config/durations.h"
#include "config/edit.h"
#include "config/values.h"

namespace caponier::swan {

void Document::line(std::string text, const Origin& origin) {
  text_ += std::move(text) + "\n";
  origins_.push_back(origin);
}

void Document::comment(std::string_view words) {
  if (!text_.empty()) line("", {});
  line(fmt::format("# {}", words), {});
}

void Document::table(std::string_view title, const Origin& origin) {
  const bool is_commented = text_.size() > 1 && origins_.back().path.empty();
  if (!text_.empty() && !is_commented) line("", {});
  line(fmt::format("[{}]", title), origin);
}

void Document::list_table(std::string_view title, const Origin& origin) {
  if (!text_.empty()) line("", {});
  line(fmt::format("[[{}]]", title), origin);
}

void Document::add(std::string_view key, const std::string& value, const Origin& origin) {
  line(fmt::format("{} = {}", key, value), origin);
}

void Document::add_text(std::string_view key, std::string_view text, const Origin& origin) {
  add(key, config::toml_string(text), origin);
}

void Document::add_list(std::string_view key, const std::vector<std::string>& items,
                        const Origin& origin) {
  add(key, config::toml_strings(items), origin);
}

void Document::append(const Document& other) {
  if (!text_.empty() && !other.text_.empty()) line("", {});
  text_ += other.text_;
  origins_.insert(origins_.end(), other.origins_.begin(), other.origins_.end());
  for (const auto& [name, secret] : other.secrets) secrets.emplace(name, secret);
  for (const auto& [name, secret] : other.users) users.emplace(name, secret);
}

const Origin* Document::origin_of(unsigned line) const {
  if (line == 0 || line > origins_.size()) return nullptr;
  const Origin& origin = origins_[line - 1];
  return origin.path.empty() ? nullptr : &origin;
}

std::string toml_time(base::Duration time) { return config::to_text(time); }

std::string safe_name(std::string_view text) {
  std::string name;
  for (const char c : text) {
    const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                          (c >= '0' && c <= '9') || c == '_' || c == '-';
    name += is_plain ? c : '-';
    if (name.size() == config::name_size_max - 8) break;
  }
  return name.empty() ? "tunnel" : name;
}

}  // namespace caponier::swan
