#include "ike/sa_index.h"

namespace caponier::ike {
namespace {

/// FNV-1a. Whoever chooses identities that collide only makes comparing them slower.
class Hash {
 public:
  Hash& add(std::uint8_t octet) {
    value_ = (value_ ^ octet) * 0x100000001b3U;
    return *this;
  }
  Hash& add(std::string_view text) {
    for (const char c : text) add(static_cast<std::uint8_t>(c));
    return add(std::uint8_t{0});
  }
  /// Never 0, which means "none".
  [[nodiscard]] std::uint64_t value() const { return value_ | 1U; }

 private:
  std::uint64_t value_ = 0xcbf29ce484222325U;
};

std::uint64_t key_of(std::string_view connection) { return Hash{}.add(connection).value(); }

std::uint64_t key_of(std::string_view connection, const base::Endpoint& peer) {
  Hash hash;
  hash.add(connection);
  for (const std::byte octet : peer.address.bytes()) hash.add(std::to_integer<std::uint8_t>(octet));
  hash.add(static_cast<std::uint8_t>(peer.port >> 8U)).add(static_cast<std::uint8_t>(peer.port));
  return hash.value();
}

/// Equal for identities that policy::is_same calls the same.
std::uint64_t key_of(std::string_view connection, const policy::Identity& peer) {
  Hash hash;
  hash.add(connection).add(static_cast<std::uint8_t>(peer.type));
  for (const std::byte octet : peer.data) {
    const auto value = std::to_integer<std::uint8_t>(octet);
    const bool is_upper = value >= 'A' && value <= 'Z';
    hash.add(is_upper ? static_cast<std::uint8_t>(value + 32) : value);
  }
  return hash.value();
}

}  // namespace

void SaIndex::Entry::set(std::string_view connection) { place(key_of(connection), 0); }

void SaIndex::Entry::set(std::string_view connection, const policy::Identity& peer) {
  place(key_of(connection), key_of(connection, peer));
}

void SaIndex::Entry::set(std::string_view connection, const base::Endpoint& peer) {
  place(key_of(connection), key_of(connection, peer));
}

void SaIndex::Entry::place(std::uint64_t by_connection, std::uint64_t by_peer) {
  change(index_.by_connection_, connection_, by_connection, id_);
  change(index_.by_peer_, peer_, by_peer, id_);
}

void SaIndex::change(Keys& keys, std::uint64_t& from, std::uint64_t to, IkeSaId id) {
  if (from == to) return;
  if (from != 0) keys.erase({from, id});
  if (to != 0) keys.emplace(to, id);
  from = to;
}

std::vector<IkeSaId> SaIndex::find(const Keys& keys, std::uint64_t key) {
  std::vector<IkeSaId> ids;
  for (auto at = keys.lower_bound({key, IkeSaId{}}); at != keys.end() && at->first == key; ++at) {
    ids.push_back(at->second);
  }
  return ids;
}

std::vector<IkeSaId> SaIndex::of(std::string_view connection) const {
  return find(by_connection_, key_of(connection));
}

std::vector<IkeSaId> SaIndex::of(std::string_view connection, const policy::Identity& peer) const {
  return find(by_peer_, key_of(connection, peer));
}

std::vector<IkeSaId> SaIndex::of(std::string_view connection, const base::Endpoint& peer) const {
  return find(by_peer_, key_of(connection, peer));
}

}  // namespace caponier::ike
