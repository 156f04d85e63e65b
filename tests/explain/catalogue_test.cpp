// Each broken setup: what both ends say, how sure they are, that nothing else is called proven, and
// that what they call the fix brings the tunnel up.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <fmt/format.h>

#include "explain/trial.h"

namespace caponier::explain::test {
namespace {

std::string all_values(const Diagnosis& diagnosis) {
  std::string text = diagnosis.cause;
  for (const Comparison& one : diagnosis.values) {
    text += fmt::format("\n{}: {} | {}", one.what, one.ours, one.theirs);
  }
  for (const Alternative& other : diagnosis.others) text += "\nperhaps " + other.cause;
  return text;
}

std::string all_fixes(const Diagnosis& diagnosis) {
  std::string text;
  for (const Fix& fix : diagnosis.fixes) {
    text += fmt::format("{}: {}\n", name_of(fix.side), fix.sentence);
    for (const Setting& setting : fix.settings) {
      text += fmt::format("  [{}] {} = {}\n", setting.table, setting.key, setting.value);
    }
    for (const std::string& line : fix.lines) text += fmt::format("  {}\n", line);
  }
  return text;
}

void expect(const Expected& expected, const std::vector<Diagnosis>& found, const char* who) {
  if (expected.code.empty()) {
    EXPECT_TRUE(found.empty()) << who << " says " << text_of(found.front().code);
    return;
  }
  const auto diagnosis = std::ranges::find_if(
      found, [&](const Diagnosis& one) { return text_of(one.code) == expected.code; });
  std::string said;
  for (const Diagnosis& one : found) said += text_of(one.code) + " " + all_values(one) + "\n";
  ASSERT_NE(diagnosis, found.end()) << who << " says instead: " << said;
  EXPECT_EQ(name_of(diagnosis->certainty), expected.certainty) << who << ": " << said;
  EXPECT_NE(diagnosis->cause.find(expected.cause), std::string::npos) << who << ": " << said;
  for (const std::string& value : expected.values) {
    EXPECT_NE(all_values(*diagnosis).find(value), std::string::npos)
        << who << " does not name " << value << ":\n"
        << all_values(*diagnosis);
  }
  for (const std::string& fix : expected.fixes) {
    EXPECT_NE(all_fixes(*diagnosis).find(fix), std::string::npos)
        << who << " does not tell " << fix << ":\n"
        << all_fixes(*diagnosis);
  }
  EXPECT_FALSE(diagnosis->fixes.empty()) << who << " knows no fix";
}

/// No other cause is called proven, at either end.
void expect_nothing_else_proven(Trial& trial, const BrokenSetup& setup) {
  std::vector<std::string> allowed = setup.also_proven;
  for (const auto& expected : {setup.initiator, setup.responder, setup.at_a, setup.at_b}) {
    if (expected && expected->certainty == "proven") allowed.push_back(expected->code);
  }
  for (sim::Node* const node : {&trial.initiator(), &trial.responder()}) {
    for (const Failure* failure : trial.failures(*node)) {
      const Diagnosis& diagnosis = failure->diagnosis;
      if (diagnosis.certainty != Certainty::proven) continue;
      EXPECT_NE(std::ranges::find(allowed, text_of(diagnosis.code)), allowed.end())
          << "proven at " << node->name() << ": " << text_of(diagnosis.code) << " "
          << diagnosis.cause;
    }
  }
}

/// Every line that is told brings the tunnel up, each alone.
void expect_fixes_to_mend(const BrokenSetup& setup, bool a_begins) {
  bool has_lines = false;
  for (const bool is_initiator : {true, false}) {
    for (std::size_t index = 0;; ++index) {
      Trial trial{setup, a_begins};
      trial.run();
      sim::Node& told = is_initiator ? trial.initiator() : trial.responder();
      const auto found = trial.diagnoses(told);
      if (found.empty() || index >= found.front().fixes.size()) break;
      const Fix fix = found.front().fixes[index];
      // What only may be the cause may not be mended by what only may be the fix.
      if (fix.settings.empty() || found.front().certainty == Certainty::possible) continue;
      has_lines = true;
      EXPECT_TRUE(trial.comes_up_with(fix, told))
          << "told to " << (is_initiator ? "initiator" : "responder") << ": " << fix.sentence
          << "\n"
          << all_fixes(found.front()) << "\n"
          << trial.text(told);
    }
  }
  const bool has_repair = setup.fix_is_network || !setup.a.repair.empty() ||
                          !setup.b.repair.empty() || !setup.a.repair_secret.empty() ||
                          !setup.b.repair_secret.empty() || !setup.a.repair_certificate.empty() ||
                          !setup.b.repair_certificate.empty() || setup.a.is_down || setup.b.is_down;
  EXPECT_TRUE(has_lines || has_repair) << "nothing shows that the fix mends anything";
  if (!has_repair) return;
  Trial trial{setup, a_begins};
  trial.run();
  EXPECT_TRUE(trial.comes_up_repaired()) << trial.text(trial.initiator());
}

/// What `caponier why` prints, as it was read and found right.
void expect_golden(Trial& trial, const BrokenSetup& setup, bool a_begins) {
  if (!setup.is_golden || (setup.begins == "both" && !a_begins)) return;
  for (const bool is_initiator : {true, false}) {
    const auto& by_role = is_initiator ? setup.initiator : setup.responder;
    if (!by_role && !(is_initiator == a_begins ? setup.at_a : setup.at_b)) continue;
    const std::string said = trial.text(is_initiator ? trial.initiator() : trial.responder());
    const std::filesystem::path path =
        std::filesystem::path{CAPONIER_SOURCE_DIR} / "tests/explain/golden" /
        (setup.name + (is_initiator ? ".initiator.txt" : ".responder.txt"));
    std::istringstream lines{said};
    std::size_t count = 0;
    for (std::string line; std::getline(lines, line); ++count) {
      EXPECT_LE(line.size(), 100u) << line;
    }
    EXPECT_LE(count, 12u) << said;
    if (std::getenv("CAPONIER_WRITE_EXPECTED") != nullptr) {
      std::ofstream{path} << said;
      continue;
    }
    std::ifstream in{path};
    std::ostringstream expected;
    expected << in.rdbuf();
    EXPECT_EQ(said, expected.str()) << path;
  }
}

class Catalogue : public testing::TestWithParam<std::string> {};

TEST_P(Catalogue, is_explained) {
  const BrokenSetup setup = read_setup(GetParam());
  for (const bool a_begins : {true, false}) {
    if (setup.begins != "both" && setup.begins != (a_begins ? "a" : "b")) continue;
    SCOPED_TRACE(a_begins ? "a begins" : "b begins");
    Trial trial{setup, a_begins};
    trial.run();
    if (setup.initiator) expect(*setup.initiator, trial.diagnoses(trial.initiator()), "initiator");
    if (setup.responder) expect(*setup.responder, trial.diagnoses(trial.responder()), "responder");
    if (setup.at_a) expect(*setup.at_a, trial.diagnoses(trial.a()), "a");
    if (setup.at_b) expect(*setup.at_b, trial.diagnoses(trial.b()), "b");
    expect_nothing_else_proven(trial, setup);
    expect_golden(trial, setup, a_begins);
    expect_fixes_to_mend(setup, a_begins);
  }
}

INSTANTIATE_TEST_SUITE_P(Cases, Catalogue, testing::ValuesIn(names_of_catalogue()),
                         [](const auto& instance) {
                           std::string name = instance.param;
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace caponier::explain::test
