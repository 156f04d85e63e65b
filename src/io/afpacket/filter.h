#pragma once
// What a packet socket receives, as a program of classic BPF.

#include <linux/filter.h>

#include <cstdint>
#include <vector>

namespace caponier::io {

/// Frames to this host's own Ethernet address that carry `mark`.
[[nodiscard]] std::vector<sock_filter> make_mark_filter(std::uint32_t mark);

}  // namespace caponier::io
