#pragma once
// Which IKE SAs belong to a connection, and to one peer within it, without looking at all of them.
// Keys are hashes: who asks compares what is found.

#include <cstdint>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "base/address.h"
#include "ike/actions.h"
#include "policy/identity.h"

namespace caponier::ike {

class SaIndex {
  using Keys = std::set<std::pair<std::uint64_t, IkeSaId>>;

 public:
  /// What one IKE SA is found by, for as long as the entry lives.
  class Entry {
   public:
    Entry(SaIndex& index, IkeSaId id) : index_(index), id_(id) {}
    ~Entry() { place(0, 0); }
    Entry(const Entry&) = delete;
    Entry& operator=(const Entry&) = delete;
    void set(std::string_view connection);  ///< the peer is not known yet
    void set(std::string_view connection, const policy::Identity& peer);
    /// Of a peer without an identity: where it is.
    void set(std::string_view connection, const base::Endpoint& peer);

   private:
    void place(std::uint64_t by_connection, std::uint64_t by_peer);

    SaIndex& index_;
    IkeSaId id_;
    std::uint64_t connection_ = 0;
    std::uint64_t peer_ = 0;
  };

  /// In order of their ids; rarely, one of another connection or peer too.
  [[nodiscard]] std::vector<IkeSaId> of(std::string_view connection) const;
  [[nodiscard]] std::vector<IkeSaId> of(std::string_view connection,
                                        const policy::Identity& peer) const;
  [[nodiscard]] std::vector<IkeSaId> of(std::string_view connection,
                                        const base::Endpoint& peer) const;

 private:
  static void change(Keys& keys, std::uint64_t& from, std::uint64_t to, IkeSaId id);
  [[nodiscard]] static std::vector<IkeSaId> find(const Keys& keys, std::uint64_t key);

  Keys by_connection_;
  Keys by_peer_;
};

}  // namespace caponier::ike
