#pragma once
// The addresses of this host as the XDP programs see them.

#include <set>
#include <span>

#include "base/address.h"
#include "io/os/fd.h"
#include "io/os/io_error.h"

namespace caponier::io {

class LocalAddresses {
 public:
  /// Packets to more than these pass to the kernel.
  static constexpr std::size_t count_max = 256;

  [[nodiscard]] static Io<LocalAddresses> open();

  /// Of the map, for programs.
  [[nodiscard]] int map() const { return map_.get(); }
  /// Until then there are none.
  void set(std::span<const base::IpAddress> addresses);

 private:
  explicit LocalAddresses(Fd map) : map_(std::move(map)) {}

  Fd map_;
  std::set<base::IpAddress> held_;
};

}  // namespace caponier::io
