#pragma once
// Which queue of a TUN device a packet goes to. By itself the kernel moves a flow to the queue from
// which packets of the other direction were last written, and what was under way in the old queue
// is overtaken. This program keeps it where its addresses and ports put it.

#include <expected>

#include "io/os/fd.h"

namespace caponier::io {

/// The program, for TUNSETSTEERINGEBPF: a number that the kernel takes modulo the queues. Fragments
/// have no ports, first ones included. The error is an errno: EPERM without CAP_BPF.
[[nodiscard]] std::expected<Fd, int> load_flow_steering();

}  // namespace caponier::io
