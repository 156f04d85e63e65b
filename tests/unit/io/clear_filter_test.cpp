#include "io/nft/clear_filter.h"

#include <gtest/gtest.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#include <cstring>

#include "io/nft/nft_text.h"

namespace caponier::io {
namespace {

using gateway::ClearRule;
using gateway::ClearVerdict;

base::IpAddress address(const char* text) { return base::IpAddress::parse(text).value(); }
gateway::AddressRange range(const char* first, const char* last) {
  return {address(first), address(last)};
}

ClearFilterOptions options() { return {"/run/caponier", 7, 45007, {500, 4500}}; }

std::string commands_of(const gateway::ClearRules& rules) {
  return make_commands(options(), {rules, {}});
}

ClearRule site_rule() {
  return {ClearVerdict::unprotected,          0, {}, {}, {range("10.2.0.0", "10.2.255.255")},
          {range("10.1.0.0", "10.1.255.255")}};
}

bool holds(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(ClearFilterTable, is_named_after_its_instance) {
  EXPECT_EQ(table_name("/run/caponier"), table_name("/run/caponier"));
  EXPECT_NE(table_name("/run/caponier"), table_name("/run/caponier2"));
  EXPECT_EQ(table_name("").size(), std::string{"caponier-00000000"}.size());
}

TEST(ClearFilterTable, is_replaced_in_one_transaction) {
  const std::string text = commands_of({site_rule()});
  const std::string name = table_name("/run/caponier");
  EXPECT_TRUE(text.starts_with("add table inet " + name + "\ndelete table inet " + name +
                               "\ntable inet " + name + " {\n"));
}

TEST(ClearFilterTable, is_removed_without_rules) {
  const std::string text = commands_of({});
  EXPECT_TRUE(text.ends_with("delete table inet " + table_name("/run/caponier") + "\n"));
}

TEST(ClearFilterTable, counts_and_drops_what_a_rule_matches) {
  const std::string text = commands_of({site_rule()});
  EXPECT_TRUE(holds(text,
                    "ip saddr { 10.2.0.0-10.2.255.255 } ip daddr { 10.1.0.0-10.1.255.255 } "
                    "counter name clear_unprotected drop\n"))
      << text;
  EXPECT_TRUE(holds(text, "counter clear_unprotected {}"));
  EXPECT_TRUE(holds(text, "iif 7 accept"));
  EXPECT_TRUE(holds(text, "socket mark 45007 accept"));
}

TEST(ClearFilterTable, looks_at_ports_of_either_end) {
  ClearRule rule = site_rule();
  rule.protocol = 6;
  rule.local_ports = {5432, 5433};
  EXPECT_TRUE(holds(commands_of({rule}), "meta l4proto 6 @th,16,16 5432-5433 counter"));
  rule.local_ports = {};
  rule.remote_ports = {80, 80};
  EXPECT_TRUE(holds(commands_of({rule}), "meta l4proto 6 @th,0,16 80-80 counter"));
  rule.protocol = 0;
  EXPECT_TRUE(
      holds(commands_of({rule}), "meta l4proto { 6, 17, 33, 132, 136 } @th,0,16 80-80 counter"));
}

TEST(ClearFilterTable, finds_an_icmp_type_where_it_is_for_both_ends) {
  ClearRule rule = site_rule();
  rule.protocol = 1;
  rule.local_ports = rule.remote_ports = {0x0800, 0x08ff};
  EXPECT_TRUE(
      holds(commands_of({rule}), "meta l4proto 1 @th,0,16 2048-2303 @th,0,16 2048-2303 counter"));
}

TEST(ClearFilterTable, matches_opaque_ports_by_fragments_and_protocols_without_ports) {
  ClearRule rule = site_rule();
  rule.remote_ports = {0xffff, 0};
  const std::string text = commands_of({rule});
  EXPECT_TRUE(holds(text, "ip frag-off & 0x1fff != 0 counter"));
  EXPECT_TRUE(holds(text, "meta l4proto != { 6, 17, 33, 132, 136 } counter"));
}

//= rfc4301#7.4-2 type=test
TEST(ClearFilterTable, drops_later_fragments_that_may_belong_to_protected_ports) {
  ClearRule rule = site_rule();
  rule.protocol = 6;
  rule.local_ports = {23, 23};
  EXPECT_TRUE(holds(commands_of({rule}),
                    "meta l4proto 6 ip frag-off & 0x1fff != 0 counter name "
                    "clear_unprotected drop\n"));
  rule.verdict = ClearVerdict::discard;
  EXPECT_FALSE(holds(commands_of({rule}), "meta l4proto 6 ip frag-off"));
}

//= rfc4301#6.1.1-1..2 type=test
TEST(ClearFilterTable, asks_what_is_written_about_icmp_before_it_exempts_errors_about_esp) {
  ClearRule admitted = site_rule();
  admitted.verdict = ClearVerdict::admit;
  admitted.protocol = 1;
  admitted.local_ports = admitted.remote_ports = {0x0304, 0x0304};
  ClearRule discarded = admitted;
  discarded.verdict = ClearVerdict::discard;
  discarded.local_ports = discarded.remote_ports = {0x0300, 0x03ff};
  const std::string text = commands_of({admitted, discarded});
  const auto place = [&](const char* part) { return text.find(part); };
  EXPECT_LT(place("@th,0,16 772-772 return"),
            place("@th,0,16 768-1023 counter name clear_policy_discard drop"));
  EXPECT_LT(place("jump unauthenticated"), place("fib daddr type local icmp type"));
  EXPECT_FALSE(holds(commands_of({admitted}), "return"));
}

TEST(ClearFilterTable, closed_lets_out_what_is_ours_and_what_finds_neighbours) {
  const ClearRule unmatched{ClearVerdict::unmatched,
                            0,
                            {},
                            {},
                            {range("0.0.0.0", "255.255.255.255")},
                            {range("0.0.0.0", "255.255.255.255")}};
  ClearRule admitted = site_rule();
  admitted.verdict = ClearVerdict::admit;
  admitted.protocol = 6;
  admitted.remote_ports = {443, 443};
  const std::string text = make_commands(options(), {{unmatched}, {admitted, unmatched}});
  const std::string out = text.substr(text.find("chain depart"));
  EXPECT_TRUE(holds(out, "hook output"));
  EXPECT_TRUE(holds(out, "oif 7 accept"));
  EXPECT_TRUE(holds(out, "meta mark 45007 accept"));
  EXPECT_TRUE(holds(out, "icmpv6 type 133-137 ip6 hoplimit 255 accept"));
  EXPECT_TRUE(holds(out,
                    "ip saddr { 10.1.0.0-10.1.255.255 } ip daddr { 10.2.0.0-10.2.255.255 } "
                    "meta l4proto 6 @th,16,16 443-443 accept\n"))
      << out;
  EXPECT_TRUE(holds(out, "counter name clear_unmatched drop"));
}

TEST(ClearFilterTable, reads_a_counter_of_the_kernel) {
  // nlmsghdr, nfgenmsg, then NFTA_OBJ_DATA { NFTA_COUNTER_BYTES, NFTA_COUNTER_PACKETS }.
  base::ByteVec message(sizeof(nlmsghdr) + sizeof(nfgenmsg) + 4 + 12 + 12);
  nlmsghdr header{};
  header.nlmsg_len = static_cast<std::uint32_t>(message.size());
  header.nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWOBJ;
  std::memcpy(message.data(), &header, sizeof header);
  std::byte* at = message.data() + sizeof(nlmsghdr) + sizeof(nfgenmsg);
  const auto put = [&](std::uint16_t size, std::uint16_t type) {
    const nlattr attribute{size, type};
    std::memcpy(at, &attribute, sizeof attribute);
    at += sizeof attribute;
  };
  put(28, NLA_F_NESTED | NFTA_OBJ_DATA);
  put(12, NFTA_COUNTER_BYTES);
  base::store_be(at, std::uint64_t{840});
  at += 8;
  put(12, NFTA_COUNTER_PACKETS);
  base::store_be(at, std::uint64_t{10});
  EXPECT_EQ(read_counter(message), 10u);
  EXPECT_FALSE(read_counter(base::Bytes{message}.first(sizeof(nlmsghdr))));
  header.nlmsg_type = NLMSG_ERROR;
  std::memcpy(message.data(), &header, sizeof header);
  EXPECT_FALSE(read_counter(message));
}

}  // namespace
}  // namespace caponier::io
