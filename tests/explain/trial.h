#pragma once
// A broken setup in the World: two gateways, the network between them, and what they say.

#include <string>
#include <vector>

#include "explain/broken_setup.h"
#include "explain/history.h"
#include "sim/world.h"

namespace caponier::explain::test {

class Trial {
 public:
  /// `a_begins`: a brings the tunnel up, b waits for it.
  Trial(const BrokenSetup& setup, bool a_begins);

  /// Until somebody would ask why.
  void run();
  [[nodiscard]] sim::Node& initiator() { return a_begins_ ? *a_ : *b_; }
  [[nodiscard]] sim::Node& responder() { return a_begins_ ? *b_ : *a_; }
  [[nodiscard]] sim::Node& a() { return *a_; }
  [[nodiscard]] sim::Node& b() { return *b_; }
  [[nodiscard]] static const char* peer_name() { return "far"; }
  /// What this end would answer to `caponier why`; with strangers, where it knows nobody.
  [[nodiscard]] std::vector<const Failure*> failures(sim::Node& node) const;
  [[nodiscard]] std::vector<Diagnosis> diagnoses(sim::Node& node) const;
  /// The text that it prints.
  [[nodiscard]] std::string text(sim::Node& node) const;

  /// Writes these lines into the configuration, and lets time pass; true: the tunnel is up.
  [[nodiscard]] bool comes_up_with(const Fix& fix, sim::Node& told);
  /// What the case's file calls the repair.
  [[nodiscard]] bool comes_up_repaired();
  [[nodiscard]] bool is_up() const;
  [[nodiscard]] sim::World& world() { return world_; }

 private:
  void configure(sim::Node& node, const Half& half, const Half& other, bool begins);
  [[nodiscard]] std::string toml_of(const sim::Node& node, const Half& half, bool begins) const;
  [[nodiscard]] bool is_up_soon();
  void break_network(bool is_broken);

  BrokenSetup setup_;
  bool a_begins_;
  sim::World world_;
  sim::Node* a_;
  sim::Node* b_;
};

}  // namespace caponier::explain::test
