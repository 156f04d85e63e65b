#pragma once
// Fragments from the clear side whose packet is needed whole: for transport mode, which protects no
// fragments (RFC 4303 s3.1.1), and for policies that ask for ports, which later fragments do not
// show (RFC 4301 s7). Outer fragments are the kernel's business. Everything is bounded, and whoever
// overlaps loses the whole packet (RFC 5722, RFC 8200 s4.5).

#include <cstdint>
#include <expected>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "base/address.h"
#include "base/bytes.h"
#include "base/drops.h"
#include "base/time.h"

namespace caponier::ipsec {

struct ReassemblyLimits {
  std::size_t sets_max = 1024;             ///< unfinished packets
  std::size_t sets_per_source_max = 64;    ///< of one address
  std::size_t fragments_per_set_max = 64;  ///< gaps and pieces both cost
  std::size_t bytes_max = std::size_t{4} << 20;
  base::Duration age_max{std::chrono::seconds{10}};
};

class Reassembly {
 public:
  /// `drops` must outlive the object.
  Reassembly(const ReassemblyLimits& limits, base::DropCounters& drops)
      : limits_(limits), drops_(&drops) {}

  /// A whole IP packet: at once when `packet` is no fragment, else when it was the last piece;
  /// empty while pieces are missing. Or why `packet` has to be dropped.
  using Result = std::expected<std::optional<base::ByteVec>, base::DropReason>;
  [[nodiscard]] Result add(base::Bytes packet, base::Instant now);
  /// Drops and counts what stayed incomplete for too long.
  void handle_deadline(base::Instant now);
  [[nodiscard]] std::optional<base::Deadline> poll_deadline() const;
  [[nodiscard]] std::size_t set_count() const { return sets_.size(); }
  [[nodiscard]] std::size_t byte_count() const { return bytes_; }

 private:
  struct Key {
    base::IpAddress source;
    base::IpAddress destination;
    std::uint32_t identification = 0;
    std::uint8_t protocol = 0;  ///< IPv4 only
    friend auto operator<=>(const Key&, const Key&) = default;
  };
  struct Piece {
    Key key;
    std::size_t begin = 0;
    base::Bytes payload;
    bool is_last = false;
    base::Bytes header;              ///< all before the payload, or before IPv6's Fragment header
    std::uint8_t next_header = 0;    ///< of the payload
    std::size_t next_header_at = 0;  ///< IPv6: where the header names the Fragment header
    bool has_congestion = false;
    [[nodiscard]] std::size_t end() const { return begin + payload.size(); }
  };
  struct Set {
    base::Instant since;
    std::map<std::size_t, base::ByteVec> pieces;  ///< by offset
    base::ByteVec header;                         ///< the first fragment's; empty before
    std::optional<std::size_t> end;               ///< known once the last one is there
    std::size_t bytes = 0;                        ///< of all pieces
    bool has_congestion = false;                  ///< on any of them (RFC 3168 s5.3)
    /// An overlap: whatever else comes of it is dropped as well.
    bool is_spoiled = false;
  };
  using Sets = std::map<Key, Set>;

  /// Empty: makes no sense. A piece that is the whole begins at 0 and is the last.
  [[nodiscard]] static std::optional<Piece> read_v4(base::Bytes packet);
  [[nodiscard]] static std::optional<Piece> read_v6(base::Bytes packet);
  [[nodiscard]] static base::ByteVec make_header(const Piece& first);
  [[nodiscard]] static bool is_duplicate(const Set& set, const Piece& piece);
  [[nodiscard]] static bool contradicts(const Set& set, const Piece& piece);
  [[nodiscard]] static base::ByteVec assemble(const Set& set);
  /// The end when there are too many already.
  [[nodiscard]] Sets::iterator find_or_make(const Key& key, base::Instant now);
  [[nodiscard]] std::unexpected<base::DropReason> spoil(Set& set, base::DropReason reason);
  void forget(Sets::iterator set);

  ReassemblyLimits limits_;
  base::DropCounters* drops_;
  Sets sets_;
  std::map<base::IpAddress, std::size_t> sets_of_;  ///< per source
  std::set<std::pair<base::Instant, Key>> by_age_;
  std::size_t bytes_ = 0;
};

}  // namespace caponier::ipsec
