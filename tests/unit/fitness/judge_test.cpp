#include "fitness/judge.h"

#include <gtest/gtest.h>

#include <fstream>
#include <set>

#include "config/memory_source.h"
#include "fitness/ruleset.h"

namespace caponier::fitness {
namespace {

std::shared_ptr<config::Config> site() {
  const auto loaded = config::loaded(config::site_with(""));
  EXPECT_NE(loaded, nullptr);
  return std::make_shared<config::Config>(*loaded);
}

std::string codes(const config::Config& config, const HostFacts& facts) {
  std::string out;
  for (const Finding& finding : judge(config, facts)) {
    out += (out.empty() ? "" : " ") + std::string{row_of(finding.fault).code};
    EXPECT_FALSE(finding.message.empty());
    EXPECT_FALSE(finding.fix.empty());
  }
  return out;
}

TEST(LocalFaults, have_each_a_code_of_its_own) {
  std::set<std::string_view> seen;
  for (const FaultRow& row : all_faults()) {
    EXPECT_TRUE(seen.insert(row.code).second) << row.code;
    EXPECT_TRUE(row.code.starts_with("CP-7")) << row.code;
    EXPECT_EQ(&row_of(row.fault), &row);
  }
}

TEST(LocalFaults, are_each_in_the_list_for_readers) {
  std::ifstream file{CAPONIER_SOURCE_DIR "/docs/codes-local.md"};
  const std::string page{std::istreambuf_iterator<char>{file}, {}};
  for (const FaultRow& row : all_faults()) {
    EXPECT_NE(page.find(std::string{row.code}), std::string::npos) << row.code;
    EXPECT_NE(page.find("| " + std::string{row.title} + " |"), std::string::npos) << row.title;
  }
}

TEST(LocalFaults, are_none_where_nothing_is_known) { EXPECT_EQ(codes(*site(), {}), ""); }

TEST(LocalFaults, of_a_host_that_does_not_forward_are_only_of_families_with_networks) {
  HostFacts facts;
  facts.forwards_v4 = false;
  facts.forwards_v6 = false;
  EXPECT_EQ(codes(*site(), facts), "CP-7001");
  facts.forwards_v4 = true;
  EXPECT_EQ(codes(*site(), facts), "");
}

TEST(LocalFaults, of_the_reverse_path_filter_matter_to_hosts_alone) {
  HostFacts facts;
  facts.strict_reverse_path = true;
  EXPECT_EQ(codes(*site(), facts), "");
  EXPECT_EQ(codes(*config::loaded(config::host_with("")), facts), "CP-7003");
}

TEST(LocalFaults, of_ports_capabilities_and_the_device_are_told) {
  HostFacts facts;
  facts.taken = {{"UDP", 500}, {"TCP", 4500}};
  facts.missing_capabilities = {"CAP_NET_ADMIN"};
  facts.has_tun = false;
  EXPECT_EQ(codes(*site(), facts), "CP-7010 CP-7010 CP-7011 CP-7012");
}

TEST(LocalFaults, of_addresses_are_those_of_others_and_peers_without_a_route) {
  const auto config = config::loaded(config::site_with("local = \"198.51.100.1\"\n"));
  HostFacts facts;
  facts.addresses = {*base::IpAddress::parse("198.51.100.1")};
  EXPECT_EQ(codes(*config, facts), "");
  facts.addresses = {*base::IpAddress::parse("198.51.100.2")};
  facts.without_route = {*base::IpAddress::parse("203.0.113.9")};
  EXPECT_EQ(codes(*config, facts), "CP-7020 CP-7021");
}

constexpr std::string_view closed = R"(table inet filter {
	chain input {
		type filter hook input priority filter; policy drop;
		ct state established,related accept
		iif "lo" accept
		tcp dport 22 accept
	}
	chain output {
		type filter hook output priority filter; policy drop;
	}
}
)";

std::string with_rule(std::string_view rule) {
  std::string text{closed};
  const std::string before = "\t\ttcp dport 22 accept\n";
  return text.insert(text.find(before), "\t\t" + std::string{rule} + "\n");
}

TEST(Ruleset, that_drops_by_policy_what_no_rule_accepts) {
  EXPECT_EQ(who_drops_udp(closed, 500), "inet filter input");
  EXPECT_EQ(who_drops_esp(closed), "inet filter input");
  EXPECT_EQ(who_drops_udp("", 500), std::nullopt);
}

TEST(Ruleset, that_accepts_a_port_in_any_of_the_ways_to_say_so) {
  for (const std::string_view rule :
       {"udp dport 500 accept", "udp dport { 500, 4500 } accept", "udp dport 1-1023 accept",
        "meta l4proto { tcp, udp } th dport 500 accept", "udp dport isakmp counter accept",
        "meta l4proto udp accept", "accept", "counter packets 7 bytes 9 accept",
        "ip saddr 203.0.113.9 udp dport 500 accept", "jump services"}) {
    EXPECT_EQ(who_drops_udp(with_rule(rule), 500), std::nullopt) << rule;
  }
  EXPECT_EQ(who_drops_udp(with_rule("udp dport 4500 accept"), 500), "inet filter input");
}

TEST(Ruleset, that_drops_by_a_rule_is_seen_and_one_for_some_addresses_proves_nothing) {
  std::string open{closed};
  open.replace(open.find("policy drop"), 11, "policy accept");
  EXPECT_EQ(who_drops_udp(open, 500), std::nullopt);
  const std::string before = "\t\ttcp dport";
  std::string dropping = open;
  EXPECT_EQ(who_drops_udp(dropping.insert(open.find(before), "\t\tudp dport 500 drop\n"), 500),
            "inet filter input");
  std::string narrow = open;
  EXPECT_EQ(
      who_drops_udp(narrow.insert(open.find(before), "\t\tip saddr 192.0.2.1 udp dport 500 drop\n"),
                    500),
      std::nullopt);
}

TEST(Ruleset, that_accepts_esp_is_no_finding) {
  EXPECT_EQ(who_drops_esp(with_rule("meta l4proto esp accept")), std::nullopt);
  EXPECT_EQ(who_drops_esp(with_rule("ip protocol esp accept")), std::nullopt);
}

TEST(LocalFaults, of_a_packet_filter_are_told_with_the_rule_that_mends_them) {
  HostFacts facts;
  facts.ruleset = std::string{closed};
  EXPECT_EQ(codes(*site(), facts), "CP-7030 CP-7030");
  EXPECT_EQ(judge(*site(), facts)[0].fix, "nft insert rule inet filter input udp dport 500 accept");
  EXPECT_EQ(codes(*config::loaded(config::site_with("encap = \"native\"\n")), facts),
            "CP-7030 CP-7030 CP-7031");
}

// -- certificates

constexpr std::int64_t now = 1'800'000'000;
constexpr std::int64_t day = 86400;

class NoSigner final : public pki::Signer {
 public:
  [[nodiscard]] const pki::PublicKey& public_key() const override { return key_; }
  [[nodiscard]] bool can(pki::SignatureScheme) const override { return false; }
  [[nodiscard]] std::expected<base::ByteVec, pki::SignError> sign(pki::SignatureScheme,
                                                                  base::Bytes) override {
    return std::unexpected{pki::SignError::key_unusable};
  }

 private:
  pki::PublicKey key_;
};

pki::Certificate good_leaf() {
  pki::Certificate leaf;
  leaf.subject_text = "CN=gw";
  leaf.alternative_names = {policy::Identity::parse("gw.example.org")};
  leaf.key = {{}, pki::KeyKind::ecdsa_p256, 256};
  leaf.not_before = {now - day};
  leaf.not_after = {now + 365 * day};
  return leaf;
}

std::string of_leaf(const pki::Certificate& leaf, policy::Product product,
                    std::vector<std::string> usages = {"1.3.6.1.5.5.7.3.1"}) {
  const auto config = site();
  config::PeerConfig& peer = config->peers.front();
  peer.local_id = policy::Identity::parse("gw.example.org");
  peer.product = product;
  peer.proof.credential = std::make_shared<const pki::Credential>(
      pki::Credential{"gw.pem", std::make_shared<NoSigner>(), {leaf}, {}});
  HostFacts facts;
  facts.now = pki::UnixTime{now};
  facts.usages.emplace();
  if (!usages.empty()) facts.usages->emplace(peer.name, usages);
  return codes(*config, facts);
}

TEST(LocalFaults, of_a_good_certificate_are_none) {
  EXPECT_EQ(of_leaf(good_leaf(), policy::Product::windows), "");
  EXPECT_EQ(of_leaf(good_leaf(), policy::Product::apple), "");
}

TEST(LocalFaults, of_a_certificate_are_its_times) {
  pki::Certificate leaf = good_leaf();
  leaf.not_after = {now - day};
  EXPECT_EQ(of_leaf(leaf, policy::Product::strongswan), "CP-7040");
  leaf.not_after = {now + 3 * day};
  EXPECT_EQ(of_leaf(leaf, policy::Product::strongswan), "CP-7042");
  leaf.not_before = {now + day};
  EXPECT_EQ(of_leaf(leaf, policy::Product::strongswan), "CP-7041");
}

TEST(LocalFaults, of_a_certificate_that_names_somebody_else_are_told) {
  pki::Certificate leaf = good_leaf();
  leaf.alternative_names = {policy::Identity::parse("other.example.org")};
  EXPECT_EQ(of_leaf(leaf, policy::Product::strongswan), "CP-7043");
}

TEST(LocalFaults, of_a_certificate_are_what_the_peers_kind_refuses) {
  pki::Certificate leaf = good_leaf();
  EXPECT_EQ(of_leaf(leaf, policy::Product::windows, {"1.3.6.1.5.5.7.3.2"}), "CP-7044");
  EXPECT_EQ(of_leaf(leaf, policy::Product::windows, {}), "CP-7044");
  EXPECT_EQ(of_leaf(leaf, policy::Product::strongswan, {}), "");
  leaf.key = {{}, pki::KeyKind::ed25519, 256};
  EXPECT_EQ(of_leaf(leaf, policy::Product::apple), "CP-7046");
  EXPECT_EQ(of_leaf(leaf, policy::Product::strongswan), "");
  leaf = good_leaf();
  leaf.alternative_names.clear();
  EXPECT_EQ(of_leaf(leaf, policy::Product::windows), "CP-7043 CP-7045");
}

}  // namespace
}  // namespace caponier::fitness
