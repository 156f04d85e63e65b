// Templates: what a section refers to, it has too, unless it says otherwise.

#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

#include "swan/settings.h"

namespace caponier::swan {

namespace {

using Path = std::vector<std::string>;

class Heir {
 public:
  Heir(const Section& root, const std::vector<Reference>& references, config::Errors& errors)
      : root_(root), errors_(errors) {
    for (const Reference& reference : references) {
      references_[reference.section].push_back(&reference);
    }
  }

  [[nodiscard]] Section fill(const Section& section, Path& path);

 private:
  void add(Section& to, const Reference& reference);
  void merge(Section& to, const Section& from);
  [[nodiscard]] bool has_room(const config::Place& where);
  [[nodiscard]] const Section* find(const Path& path) const;

  const Section& root_;
  config::Errors& errors_;
  std::map<Path, std::vector<const Reference*>> references_;
  std::set<const Reference*> active_;  ///< being followed: one that comes again is a circle
  std::set<const Reference*> told_;
  std::size_t entries_ = 0;
  bool is_full_ = false;
};

Path path_of(std::string_view text) {
  Path path;
  for (;;) {
    const std::size_t dot = text.find('.');
    path.emplace_back(text.substr(0, dot));
    if (dot == std::string_view::npos) return path;
    text.remove_prefix(dot + 1);
  }
}

const Section* Heir::find(const Path& path) const {
  const Section* at = &root_;
  for (const std::string& name : path) {
    at = at->find_section(name);
    if (at == nullptr) return nullptr;
  }
  return at;
}

bool Heir::has_room(const config::Place& where) {
  if (is_full_) return false;
  if (++entries_ <= settings_entries_max) return true;
  is_full_ = true;
  errors_.add(where, fmt::format("templates make more than {} settings", settings_entries_max),
              "let fewer sections inherit from each other");
  return false;
}

void Heir::merge(Section& to, const Section& from) {
  for (const Value& value : from.values) {
    if (to.find(value.key) == nullptr && has_room(value.where)) to.values.push_back(value);
  }
  for (const Section& inner : from.sections) {
    if (!has_room(inner.where)) return;
    merge(to.open(inner.name, inner.where), inner);
  }
}

void Heir::add(Section& to, const Reference& reference) {
  Path path = path_of(reference.target);
  const Section* const target = find(path);
  const bool is_new = told_.insert(&reference).second;
  if (target == nullptr) {
    if (!is_new) return;
    errors_.add(reference.where,
                fmt::format("there is no section {}", config::quoted(reference.target)),
                "write its whole path from the outermost section on");
    return;
  }
  if (!active_.insert(&reference).second || active_.size() > settings_depth_max * 4) {
    errors_.add(reference.where,
                fmt::format("section {} inherits from itself", config::quoted(reference.target)),
                "break the circle");
    return;
  }
  if (has_room(reference.where)) merge(to, fill(*target, path));
  active_.erase(&reference);
}

Section Heir::fill(const Section& section, Path& path) {
  Section filled{section.name, section.where, section.values, {}};
  for (const Section& inner : section.sections) {
    if (!has_room(inner.where)) break;
    path.push_back(inner.name);
    filled.sections.push_back(fill(inner, path));
    path.pop_back();
  }
  const auto own = references_.find(path);
  if (own == references_.end()) return filled;
  for (const Reference* const reference : own->second) add(filled, *reference);
  return filled;
}

}  // namespace

Section inherit(const Section& root, const std::vector<Reference>& references,
                config::Errors& errors) {
  Path path;
  return Heir{root, references, errors}.fill(root, path);
}

}  // namespace caponier::swan
