#include "sim/explorer.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <set>

namespace caponier::sim {
namespace {

/// The choices of one run: those given, then always the first.
class Choices {
 public:
  explicit Choices(std::vector<std::uint8_t> given) : taken_(std::move(given)) {}

  [[nodiscard]] std::size_t choose(std::size_t options) {
    if (depth_ == taken_.size()) taken_.push_back(0);
    if (depth_ == options_.size()) options_.push_back(0);
    options_[depth_] = static_cast<std::uint8_t>(options);
    return taken_[depth_++];
  }
  /// The next run in depth-first order; false when this was the last.
  [[nodiscard]] bool advance() {
    taken_.resize(depth_);
    options_.resize(depth_);
    while (!taken_.empty() && taken_.back() + 1u >= options_.back()) {
      taken_.pop_back();
      options_.pop_back();
    }
    if (taken_.empty()) return false;
    ++taken_.back();
    depth_ = 0;
    return true;
  }
  [[nodiscard]] const std::vector<std::uint8_t>& taken() const { return taken_; }

 private:
  std::vector<std::uint8_t> taken_;
  std::vector<std::uint8_t> options_;
  std::size_t depth_ = 0;
};

class Schedule {
 public:
  Schedule(const Collision& collision, const ExploreMode& mode, Choices& choices, bool verbose)
      : collision_(collision),
        traffic_(mode.traffic),
        limits_(mode.limits),
        choices_(choices),
        pair_(collision.setup) {
    pair_.verbose = verbose;
  }

  void run() {
    const ike::IkeSaInfo first = pair_.a.sas().front();
    first_ike_ = {first.spi_i.value, first.spi_r.value};
    first_child_ = {first.children.front().spi_in.value, first.children.front().spi_out.value};
    say("a's command");
    collision_.first(pair_);
    check_traffic();
    std::size_t steps = 0;
    while (step()) {
      check_traffic();
      if (++steps < limits_.steps_max) continue;
      return fail("it does not come to rest");
    }
    check_end();
  }

  [[nodiscard]] bool is_lossless() const { return lost_ == 0; }
  [[nodiscard]] std::size_t deliveries() const { return deliveries_; }
  [[nodiscard]] const std::string& failure() const { return failure_; }

 private:
  void say(const std::string& what) const {
    if (pair_.verbose) fmt::print("  {}\n", what);
  }
  void fail(std::string why) {
    say("!! " + why);
    if (failure_.empty()) failure_ = std::move(why);
  }

  /// Delivers, commands, loses, or lets time pass when there is nothing else to do.
  bool step() {
    pair_.drop_unreachable();
    const std::size_t pending = pair_.wire.size();
    if (pending == 0) return wait();
    if (deliveries_ >= collision_.messages_reordered) return deliver(0, false);
    const std::size_t commands = is_second_given_ ? 0 : 1;
    const std::size_t losses = lost_ < limits_.losses_max ? pending : 0;
    const std::size_t repeats = repeated_ < limits_.repeats_max ? pending : 0;
    std::size_t choice = choices_.choose(pending + commands + losses + repeats);
    if (choice < pending) return deliver(choice, false);
    choice -= pending;
    if (choice < commands) return give_second();
    choice -= commands;
    if (choice >= losses) return deliver(choice - losses, true);
    say("lost: " + pair_.wire[choice].describe());
    pair_.lose(choice);
    ++lost_;
    return true;
  }

  bool deliver(std::size_t index, bool is_repeated) {
    say((is_repeated ? "repeated: " : "") + pair_.wire[index].describe());
    if (is_repeated) {
      ++repeated_;
      pair_.wire.push_back(pair_.wire[index]);
    }
    pair_.deliver(index);
    ++deliveries_;
    return true;
  }

  bool wait() {
    const base::Instant end = second_at_ + limits_.rest;
    if (is_second_given_) return pair_.pass_time(end);
    // A lost message is sent again; before or after the other command.
    if (lost_ > 0 && !has_waited_ && choices_.choose(2) == 1) {
      has_waited_ = true;
      if (pair_.pass_time(pair_.now + 5s)) return true;
    }
    return give_second();
  }

  bool give_second() {
    say("b's command");
    is_second_given_ = true;
    second_at_ = pair_.now;
    collision_.second(pair_);
    return true;
  }

  void check_traffic() {
    if (!collision_.is_traffic_unbroken) return;
    for (const bool from_a : {true, false}) {
      const Traffic only = from_a ? Traffic::from_a : Traffic::from_b;
      if (traffic_ != Traffic::both && traffic_ != only) continue;
      if (auto why = pair_.probe(from_a); !why.empty()) fail(std::move(why));
    }
  }

  void check_count(std::string_view what, std::size_t count, std::size_t least, std::size_t most) {
    if (count >= least && count <= most) return;
    fail(fmt::format(
        "{} {}, expected {}", count, what,
        least == most ? fmt::format("{}", least) : fmt::format("{} to {}", least, most)));
  }

  void check_end() {
    using Spis = std::set<SpiPair>;
    Spis ikes[2];
    std::map<std::string, Spis> children[2];
    for (const bool is_a : {true, false}) {
      const ExploredEnd& end = is_a ? pair_.a : pair_.b;
      for (const std::string& error : end.errors()) fail("ERROR: " + error);
      std::size_t child_count = 0;
      for (const ike::IkeSaInfo& sa : end.sas()) {
        ikes[is_a].insert({sa.spi_i.value, sa.spi_r.value});
        if (sa.state != ike::IkeState::established) fail("an IKE SA is half dead");
        for (const ike::ChildSaInfo& child : sa.children) {
          ++child_count;
          const std::uint64_t in = child.spi_in.value;
          const std::uint64_t out = child.spi_out.value;
          children[is_a][child.name].insert(is_a ? std::pair{in, out} : std::pair{out, in});
        }
      }
      check_count(is_a ? "associations at a" : "associations at b", end.association_count(),
                  child_count, child_count);
      check_count(is_a ? "IKE SAs at a" : "IKE SAs at b", ikes[is_a].size(), collision_.ike_min,
                  collision_.ike_max);
      check_count(is_a ? "children net at a" : "children net at b", children[is_a]["net"].size(),
                  collision_.child_min, collision_.child_max);
      check_count(is_a ? "children more at a" : "children more at b", children[is_a]["more"].size(),
                  collision_.more_min, collision_.more_max);
    }
    if (ikes[0] != ikes[1]) fail("the ends have different IKE SAs");
    if (children[0] != children[1]) fail("the ends have different Child SAs");
    if (collision_.is_ike_new && ikes[1].contains(first_ike_)) fail("the IKE SA is the old one");
    if (children[1]["net"].empty()) return;
    if (collision_.is_child_new && children[1]["net"].contains(first_child_)) {
      fail("the Child SA is the old one");
    }
    for (const bool from_a : {true, false}) {
      if (auto why = pair_.probe(from_a); !why.empty()) fail("at the end " + why);
    }
  }

  using SpiPair = std::pair<std::uint64_t, std::uint64_t>;

  const Collision& collision_;
  const Traffic traffic_;
  const ExploreLimits& limits_;
  Choices& choices_;
  ExploredPair pair_;
  SpiPair first_ike_, first_child_;
  bool is_second_given_ = false;
  base::Instant second_at_;
  bool has_waited_ = false;  ///< with the second command, for the lost message to come again
  unsigned lost_ = 0;
  unsigned repeated_ = 0;
  std::size_t deliveries_ = 0;
  std::string failure_;
};

}  // namespace

const std::vector<ExploreMode>& explore_modes() {
  static constexpr ExploreLimits one_loss{.losses_max = 1, .repeats_max = 0};
  static constexpr ExploreLimits one_repeat{.losses_max = 0, .repeats_max = 1};
  static const std::vector<ExploreMode> modes = {
      {"loss", Traffic::none, one_loss},          {"loss+traffic", Traffic::both, one_loss},
      {"loss+from-a", Traffic::from_a, one_loss}, {"loss+from-b", Traffic::from_b, one_loss},
      {"repeat", Traffic::none, one_repeat},      {"repeat+traffic", Traffic::both, one_repeat},
  };
  return modes;
}

ExploreResult explore(const Collision& collision, const ExploreMode& mode) {
  ExploreResult result;
  Choices choices{{}};
  do {
    Schedule schedule{collision, mode, choices, false};
    schedule.run();
    ++result.schedules;
    if (schedule.is_lossless()) ++result.lossless;
    result.deliveries_max = std::max(result.deliveries_max, schedule.deliveries());
    if (!schedule.failure().empty()) {
      ++result.failed;
      if (result.failures.size() < mode.limits.failures_max) {
        result.failures.push_back(fmt::format("{}: explore '{}' {} {}", schedule.failure(),
                                              collision.name, mode.name,
                                              fmt::join(choices.taken(), ",")));
      }
    }
    if (!choices.advance()) result.is_complete = true;
  } while (!result.is_complete && result.schedules < mode.limits.schedules_max);
  return result;
}

std::string describe(const ExploreResult& result) {
  std::string text = fmt::format("{} schedules{}, {} without loss, up to {} messages, {} failed",
                                 result.schedules, result.is_complete ? "" : " (cut)",
                                 result.lossless, result.deliveries_max, result.failed);
  for (const std::string& failure : result.failures) text += "\n  " + failure;
  return text;
}

std::string run_schedule(const Collision& collision, const ExploreMode& mode,
                         const std::vector<std::uint8_t>& given) {
  Choices choices{given};
  Schedule schedule{collision, mode, choices, true};
  schedule.run();
  return schedule.failure();
}

}  // namespace caponier::sim
