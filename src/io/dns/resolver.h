#pragma once
// Asynchronous name resolution: one thread that may block, a bounded queue, and a descriptor that
// becomes readable when answers wait.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/address.h"
#include "io/os/io_error.h"

namespace caponier::io {

inline constexpr std::size_t lookups_waiting_max = 256;

struct LookupAnswer {
  std::string connection;
  std::vector<base::IpAddress> addresses;  ///< in the resolver's order; empty: no such name
};

class Resolver {
 public:
  [[nodiscard]] static Io<Resolver> start();
  Resolver(Resolver&&) noexcept;
  Resolver& operator=(Resolver&&) = delete;
  /// Does not wait for a lookup that is under way.
  ~Resolver();

  [[nodiscard]] int fd() const;
  /// `family`: only addresses of that family. False: too many are waiting.
  [[nodiscard]] bool lookup(std::string connection, std::string name,
                            std::optional<base::Family> family);
  [[nodiscard]] std::vector<LookupAnswer> take_answers();

 private:
  struct Shared;
  explicit Resolver(std::shared_ptr<Shared> shared);
  static void work(const std::shared_ptr<Shared>& shared);
  std::shared_ptr<Shared> shared_;
};

}  // namespace caponier::io
