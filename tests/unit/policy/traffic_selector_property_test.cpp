// The algebra against sets written out point by point, over a universe small enough to list.

#include <algorithm>
#include <array>
#include <iterator>
#include <set>
#include <tuple>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "policy/traffic_selector.h"

namespace caponier::policy {
namespace {

using base::IpAddress;

/// Address index, protocol, port; `no_port` stands for a packet whose ports cannot be seen.
using Point = std::tuple<unsigned, std::uint8_t, unsigned>;
using Points = std::set<Point>;

constexpr unsigned address_count = 8;
constexpr std::array<std::uint8_t, 3> protocols = {1, 6, 17};
/// Port 9 lies outside every generated range, so that only "any" holds it.
constexpr std::array<unsigned, 5> ports = {0, 1, 2, 3, 9};
constexpr unsigned no_port = 0x10000;

IpAddress address(unsigned index, bool v6) {
  if (!v6) return IpAddress::v4(0x0a000000U + index);
  std::array<std::byte, 16> raw{std::byte{0xfd}};
  raw[15] = static_cast<std::byte>(index);
  return IpAddress::from_bytes(raw);
}

Points points_of(const TrafficSelectors& selectors, bool v6) {
  Points points;
  for (unsigned index = 0; index < address_count; ++index) {
    for (const std::uint8_t protocol : protocols) {
      const auto at = address(index, v6);
      for (const unsigned port : ports) {
        if (matches_any(selectors, at, protocol, true, static_cast<std::uint16_t>(port))) {
          points.emplace(index, protocol, port);
        }
      }
      if (matches_any(selectors, at, protocol, false, 0)) points.emplace(index, protocol, no_port);
    }
  }
  return points;
}

Points common(const Points& a, const Points& b) {
  Points result;
  std::ranges::set_intersection(a, b, std::inserter(result, result.end()));
  return result;
}

TrafficSelector arbitrary_selector(bool v6) {
  const auto from = *rc::gen::inRange(0U, address_count);
  const auto to = *rc::gen::inRange(from, address_count);
  TrafficSelector ts{address(from, v6), address(to, v6)};
  ts.protocol = *rc::gen::element<std::uint8_t>(0, 6, 17);
  switch (*rc::gen::inRange(0, 4)) {
    case 0: break;
    case 1:
      ts.first_port = 0xffff;
      ts.last_port = 0;
      break;
    default:
      ts.first_port = *rc::gen::inRange<std::uint16_t>(0, 4);
      ts.last_port = *rc::gen::inRange<std::uint16_t>(ts.first_port, 4);
  }
  return ts;
}

TrafficSelectors arbitrary_selectors(bool v6) {
  TrafficSelectors list;
  const int count = *rc::gen::inRange(0, 5);
  for (int i = 0; i < count; ++i) list.push_back(arbitrary_selector(v6));
  return list;
}

RC_GTEST_PROP(TrafficSelectorAlgebra, intersection_is_that_of_sets, (bool v6)) {
  const auto a = arbitrary_selector(v6);
  const auto b = arbitrary_selector(v6);
  const auto result = intersect(a, b);
  const TrafficSelectors list = result ? TrafficSelectors{*result} : TrafficSelectors{};
  RC_ASSERT(points_of(list, v6) == common(points_of({a}, v6), points_of({b}, v6)));
  RC_ASSERT(intersect(b, a) == result);
}

RC_GTEST_PROP(TrafficSelectorAlgebra, inclusion_is_that_of_sets, (bool v6)) {
  const auto a = arbitrary_selector(v6);
  const auto b = arbitrary_selector(v6);
  RC_ASSERT(contains(a, b) == std::ranges::includes(points_of({a}, v6), points_of({b}, v6)));
  RC_ASSERT(contains(a, a));
}

RC_GTEST_PROP(TrafficSelectorAlgebra, narrowing_is_intersection_and_minimal, (bool v6)) {
  const auto offered = arbitrary_selectors(v6);
  const auto allowed = arbitrary_selectors(v6);
  const auto result = narrow(offered, allowed);
  RC_ASSERT(points_of(result, v6) == common(points_of(offered, v6), points_of(allowed, v6)));
  RC_ASSERT(contains(offered, result));
  RC_ASSERT(contains(allowed, result));
  for (std::size_t i = 0; i < result.size(); ++i) {
    for (std::size_t j = 0; j < result.size(); ++j) {
      if (i != j) RC_ASSERT(!contains(result[i], result[j]));
    }
  }
}

RC_GTEST_PROP(TrafficSelectorAlgebra, the_wire_form_holds_the_same_set, (bool v6)) {
  const auto selectors = arbitrary_selectors(v6);
  RC_ASSERT(from_wire(to_wire(selectors, true)) == selectors);
}

}  // namespace
}  // namespace caponier::policy
