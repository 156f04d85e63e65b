// ICMP errors that quote ESP, answers to probes, moves and time in any order: no stranger's word
// changes what is sent, no limit is passed, and every search comes to rest.

#include <set>
#include <variant>
#include <vector>

#include "fuzz/fuzz.h"
#include "gateway/path_mtu.h"

namespace {

using namespace caponier;
using base::Bytes;
using fuzz::require;

constexpr std::uint64_t child_count = 4;
constexpr std::size_t unknown = 7;
constexpr base::Spi sent_spi{0x01020304};

class Program {
 public:
  explicit Program(Bytes input) : in_(input), mtus_({}, octet() % 2 == 0) {}

  void run() {
    while (in_.remaining() > 0) {
      step();
      drain();
      for (std::uint64_t id = 0; id < child_count; ++id) check_bounds({id});
    }
    rest();
  }

 private:
  std::uint8_t octet() { return in_.u8("octet").value_or(0); }
  std::uint16_t number() { return in_.u16("number").value_or(0); }

  base::Endpoint remote() {
    const std::uint8_t choice = octet();
    const auto low = static_cast<std::uint32_t>(choice % 2 + 1);
    const auto port = static_cast<std::uint16_t>(choice & 4 ? 4500 : 0);
    if ((choice & 2) == 0) return {base::IpAddress::v4(0xc0000200U + low), port};
    return {base::IpAddress::lowest(base::Family::v6).with_low_bits(low, true), port};
  }

  void step() {
    switch (octet() % 7) {
      case 0: return set_path(false);
      case 1: return set_path(true);
      case 2: {
        const policy::ChildSaId id{octet() % child_count};
        known_.erase(id);
        return mtus_.remove(id, now_);
      }
      case 3: return too_big();
      case 4: {
        ike::ProbePath probe{{}, number(), octet()};
        if (!probes_.empty() && octet() % 4 != 0) {
          probe = probes_.back();
          probes_.pop_back();
        }
        return mtus_.handle_probed({probe.probe, probe.size, octet() % 2 == 0}, now_);
      }
      case 5: now_ = now_ + std::chrono::milliseconds{number()}; return mtus_.handle_deadline(now_);
      default: now_ = now_ + std::chrono::minutes{octet()}; return mtus_.handle_deadline(now_);
    }
  }

  void set_path(bool moves) {
    const policy::ChildSaId id{octet() % child_count};
    const base::Endpoint peer = remote();
    const base::IpAddress own =
        peer.address.is_v4() ? base::IpAddress::v4(0xc0000264U)
                             : base::IpAddress::lowest(base::Family::v6).with_low_bits(3, true);
    const auto transport = octet() % 8 == 0 ? base::Transport::tcp : base::Transport::udp;
    const base::Path path{{own, peer.port}, peer, transport};
    known_.insert(id);
    if (moves) return mtus_.move(id, path, peer.port != 0, now_);
    mtus_.set_path(id, path, peer.port != 0, 1280 + octet() % 221, now_);
  }

  void too_big() {
    gateway::OuterTooBig error;
    error.remote = remote();
    error.mtu = number();
    error.is_own_host = octet() % 4 == 0;
    error.quoted =
        in_.take(std::min<std::size_t>(octet() % 32, in_.remaining()), "quote").value_or(Bytes{});
    const auto before = sizes();
    const bool is_believed = mtus_.handle_too_big(
        error,
        [](policy::ChildSaId, base::Spi spi, std::uint32_t sequence) {
          return spi == sent_spi && sequence < 256;
        },
        now_);
    const bool quotes_ours = error.quoted.size() >= 8 &&
                             base::load_be<std::uint32_t>(error.quoted.data()) == sent_spi.value &&
                             base::load_be<std::uint32_t>(error.quoted.data() + 4) < 256;
    require(!is_believed || quotes_ours || error.is_own_host, "only who quotes us is believed");
    if (!is_believed) require(sizes() == before, "a stranger's word changes nothing");
  }

  std::vector<std::size_t> sizes() const {
    std::vector<std::size_t> all;
    for (std::uint64_t id = 0; id < child_count; ++id) all.push_back(mtus_.mtu_of({id}, unknown));
    return all;
  }

  void check_bounds(policy::ChildSaId id) const {
    const std::size_t mtu = mtus_.mtu_of(id, unknown);
    require(known_.contains(id) || mtu == unknown, "an SA that is gone has no path");
    require(mtu == unknown || (mtu >= 576 && mtu <= 1500), "what is believed is within limits");
  }

  void drain() {
    while (const auto order = mtus_.poll_order()) {
      if (const auto* const probe = std::get_if<ike::ProbePath>(&*order)) {
        probes_.push_back(*probe);
        require(probe->size <= 1500, "no probe is larger than may be");
      } else {
        const auto& setting = std::get<gateway::PathMtuSetting>(*order);
        require(setting.proven <= setting.mtu, "what is proven is no more than what is sent");
      }
    }
  }

  /// Nothing arrives any more: each search ends, and waits long before it begins anew.
  void rest() {
    const base::Instant begin = now_;
    for (int i = 0; i < 200; ++i) {
      const auto deadline = mtus_.poll_deadline();
      if (!deadline) return;
      now_ = std::max(now_, deadline->at);
      mtus_.handle_deadline(now_);
      drain();
      while (!probes_.empty()) {
        const ike::ProbePath probe = probes_.back();
        probes_.pop_back();
        mtus_.handle_probed({probe.probe, probe.size, false}, now_);
        drain();
      }
    }
    require(now_ - begin > std::chrono::hours{1}, "every search comes to rest");
  }

  base::Reader in_;
  gateway::PathMtus mtus_;
  base::Instant now_{std::chrono::hours{1}};
  std::set<policy::ChildSaId> known_;
  std::vector<ike::ProbePath> probes_;  ///< under way
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2 || size > 4096) return 0;
  Program{fuzz::bytes_of(data, size)}.run();
  return 0;
}
