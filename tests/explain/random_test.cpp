// Two faults or more at once, by chance: whatever is called proven is one of them.

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "explain/trial.h"

namespace caponier::explain::test {
namespace {

constexpr unsigned setups = 1000;

struct Fault {
  const char* name;
  std::set<std::string> codes;  ///< that are true then
  void (*put)(BrokenSetup&);
};

constexpr const char* short_key = "another short key of the simulation";

const std::vector<Fault>& faults() {
  static const std::vector<Fault> all = {
      {"IKE algorithms",
       {"CP-2001", "CP-2002"},
       [](BrokenSetup& s) {
         s.a.keys["ike"] = R"(["aes256gcm16-prfsha384-x25519"])";
         s.b.keys["ike"] = R"(["aes128-sha256-modp2048"])";
       }},
      {"IKE group",
       {"CP-2001", "CP-2002"},
       [](BrokenSetup& s) {
         s.a.keys["ike"] = R"(["aes256gcm16-prfsha384-x25519"])";
         s.b.keys["ike"] = R"(["aes256gcm16-prfsha384-ecp384"])";
       }},
      {"keys", {"CP-3001"}, [](BrokenSetup& s) { s.b.secret = short_key; }},
      {"quotes",
       {"CP-3001", "CP-3002"},
       [](BrokenSetup& s) { s.b.secret = "\"" + s.a.secret + "\""; }},
      {"a's name",
       {"CP-3003", "CP-3005"},
       [](BrokenSetup& s) {
         s.a.keys["local_id"] = "\"gw1.example\"";
         s.b.keys["remote_id"] = "\"gw-one.example\"";
       }},
      {"b's name",
       {"CP-3003", "CP-3004", "CP-3005"},
       [](BrokenSetup& s) {
         s.b.keys["local_id"] = "\"gw2.example.com\"";
         s.a.keys["remote_id"] = "\"*.example.org\"";
       }},
      {"b's address of a",
       {"CP-2003"},
       [](BrokenSetup& s) { s.b.keys["remote"] = "\"192.0.2.77\""; }},
      {"networks",
       {"CP-4003"},
       [](BrokenSetup& s) { s.a.keys["remote_nets"] = R"(["10.9.0.0/16"])"; }},
      {"ESP",
       {"CP-4001"},
       [](BrokenSetup& s) {
         s.a.keys["esp"] = R"(["aes256gcm16"])";
         s.b.keys["esp"] = R"(["aes128-sha256"])";
       }},
      {"b is down", {}, [](BrokenSetup& s) { s.b.is_down = true; }},
      {"UDP is blocked", {}, [](BrokenSetup& s) { s.blocks_udp = true; }},
      {"ESP is blocked", {}, [](BrokenSetup& s) { s.blocks_esp = true; }},
      {"b's certificate",
       {"CP-3107", "CP-3006", "CP-3008"},
       [](BrokenSetup& s) {
         s.a.certificate = "gw1";
         s.b.certificate = "gw2 refuse=revoked";
       }},
      {"a certificate at one side",
       {"CP-3006", "CP-3008", "CP-3107"},
       [](BrokenSetup& s) { s.a.certificate = "gw1"; }},
  };
  return all;
}

TEST(Random, two_faults_at_once_never_prove_a_third) {
  base::SeededRng rng{8};
  unsigned proven = 0;
  for (unsigned run = 0; run < setups; ++run) {
    BrokenSetup setup;
    setup.seconds = 40;
    std::set<std::string> truth;
    std::string said;
    const std::size_t count = 2 + rng.public_below(3);
    for (std::size_t i = 0; i < count; ++i) {
      const Fault& fault = faults()[rng.public_below(faults().size())];
      fault.put(setup);
      truth.insert(fault.codes.begin(), fault.codes.end());
      said += fmt::format("{}{}", said.empty() ? "" : ", ", fault.name);
    }
    Trial trial{setup, rng.public_below(2) == 0};
    trial.run();
    for (sim::Node* const node : {&trial.a(), &trial.b()}) {
      for (const Failure* failure : trial.failures(*node)) {
        if (failure->diagnosis.certainty != Certainty::proven) continue;
        ++proven;
        EXPECT_TRUE(truth.contains(text_of(failure->diagnosis.code)))
            << "run " << run << " with " << said << ": " << node->name()
            << " calls proven: " << text_of(failure->diagnosis.code) << " "
            << failure->diagnosis.cause;
      }
    }
    if (HasFailure()) return;
  }
  EXPECT_GT(proven, setups / 2) << "there must be something to be wrong about";
}

}  // namespace
}  // namespace caponier::explain::test
