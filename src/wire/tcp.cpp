#include "wire/tcp.h"

#include <array>

#include "wire/checksum.h"

namespace caponier::wire {

using base::WireError;
using base::WireFault;

Wire<TcpView> TcpView::checked(Bytes segment) {
  if (segment.size() < tcp_header_size_min) {
    return std::unexpected{WireError{WireFault::truncated, segment.size(), "tcp.header"}};
  }
  const TcpView view{segment};
  if (view.header_length() < tcp_header_size_min) {
    return std::unexpected{WireError{WireFault::bad_length, 12, "tcp.data_offset"}};
  }
  if (view.header_length() > segment.size()) {
    return std::unexpected{WireError{WireFault::truncated, segment.size(), "tcp.options"}};
  }
  return view;
}

namespace {

/// The offset in `options` of the MSS value; options.size() when there is none.
std::size_t find_mss(Bytes options) {
  constexpr unsigned end_of_options = 0;
  constexpr unsigned no_operation = 1;
  constexpr unsigned mss = 2;
  for (std::size_t at = 0; at < options.size();) {
    const auto kind = std::to_integer<unsigned>(options[at]);
    if (kind == end_of_options) break;
    if (kind == no_operation) {
      ++at;
      continue;
    }
    if (at + 1 >= options.size()) break;
    const auto length = std::to_integer<std::size_t>(options[at + 1]);
    if (length < 2 || length > options.size() - at) break;
    if (kind == mss && length == 4) return at + 2;
    at += length;
  }
  return options.size();
}

}  // namespace

bool clamp_tcp_mss(MutBytes segment, std::uint16_t mss_max) {
  const auto view = TcpView::checked(segment);
  if (!view || (view->flags() & TcpView::flag_syn) == 0) return false;
  const std::size_t in_options = find_mss(view->options());
  if (in_options == view->options().size()) return false;
  const std::size_t at = tcp_header_size_min + in_options;
  const auto old_mss = base::load_be<std::uint16_t>(&segment[at]);
  if (old_mss <= mss_max) return false;
  std::uint16_t checksum = view->checksum();
  if (at % 2 == 0) {
    checksum = checksum_update(checksum, old_mss, mss_max);
    base::store_be(&segment[at], mss_max);
  } else {  // after an odd number of no-operations the value straddles two words
    std::array<std::byte, 4> before{};
    base::copy_into(before, segment.subspan(at - 1, before.size()));
    base::store_be(&segment[at], mss_max);
    checksum = checksum_update(checksum, before, segment.subspan(at - 1, before.size()));
  }
  base::store_be(&segment[16], checksum);
  return true;
}

}  // namespace caponier::wire
