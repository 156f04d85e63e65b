#include "policy/identity_pattern.h"

#include <fmt/format.h>

#include <tuple>
#include <utility>

#include "base/event.h"

namespace caponier::policy {

IdentityPattern IdentityPattern::below(Identity suffix) { return {Kind::below, std::move(suffix)}; }

IdentityPattern IdentityPattern::range(const base::IpAddress& first, const base::IpAddress& last) {
  IdentityPattern pattern{Kind::range, Identity::from_address(first)};
  pattern.last_ = last;
  return pattern;
}

IdentityPattern IdentityPattern::names(std::string text, Identity name, bool is_only,
                                       std::shared_ptr<const NameRule> rule) {
  IdentityPattern pattern{is_only ? Kind::name : Kind::names, std::move(name)};
  pattern.text_ = std::move(text);
  pattern.rule_ = std::move(rule);
  return pattern;
}

std::strong_ordering operator<=>(const IdentityPattern& a, const IdentityPattern& b) {
  return std::tie(a.kind_, a.identity_, a.last_, a.text_) <=>
         std::tie(b.kind_, b.identity_, b.last_, b.text_);
}

//= rfc4301#4.4.3.1-3..4
bool IdentityPattern::matches(const Identity& identity) const {
  if (kind_ == Kind::only) return is_same(identity_, identity);
  if (identity.type != identity_.type) return false;
  if (rule_ != nullptr) return rule_->matches(identity.data);
  if (kind_ == Kind::range) {
    if (identity.data.size() != identity_.data.size()) return false;
    const auto address = base::IpAddress::from_bytes(identity.data);
    return base::IpAddress::from_bytes(identity_.data) <= address && address <= last_;
  }
  const std::size_t size = identity_.data.size();
  if (identity.data.size() <= size) return false;
  const base::Bytes end = base::Bytes{identity.data}.last(size);
  return is_same(identity_, Identity{identity.type, base::to_vec(end)});
}

std::string IdentityPattern::to_string() const {
  switch (kind_) {
    case Kind::only: return identity_.to_string();
    case Kind::below: return "*" + base::printable(base::as_text(identity_.data));
    case Kind::range: return fmt::format("{}-{}", identity_.to_string(), last_.to_string());
    case Kind::name:
    case Kind::names: return text_;
  }
  return {};
}

bool is_same(const IdentityPattern& a, const IdentityPattern& b) {
  if (a.only() != nullptr && b.only() != nullptr) return is_same(*a.only(), *b.only());
  return a == b;
}

}  // namespace caponier::policy
