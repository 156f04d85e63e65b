#include "io/nft/taking.h"

#include <gtest/gtest.h>

#include "io/nft/nft_text.h"

namespace caponier::io {
namespace {

base::Prefix prefix(const char* text) { return base::Prefix::parse(text).value(); }

TakingOptions options() { return {"/run/caponier", 1073786831, {{"lan0", 3}, {"lan1", 4}}}; }

std::string table() { return table_name("/run/caponier") + "-taken"; }

bool holds(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(Taking, removes_both_tables_before_it_makes_them_anew) {
  const std::string removal = "add table netdev " + table() + "\ndelete table netdev " + table() +
                              "\nadd table inet " + table() + "\ndelete table inet " + table() +
                              "\n";
  EXPECT_EQ(make_taking_commands(options(), {}), removal);
  EXPECT_TRUE(make_taking_commands(options(), {{prefix("10.2.0.0/16"), {}}}).starts_with(removal));
}

TEST(Taking, without_interfaces_only_removes) {
  TakingOptions none = options();
  none.interfaces.clear();
  EXPECT_EQ(make_taking_commands(none, {{prefix("10.2.0.0/16"), {}}}),
            make_taking_commands(none, {}));
}

TEST(Taking, marks_tcp_and_udp_that_a_router_passes_on) {
  const std::string text =
      make_taking_commands(options(), {{prefix("10.2.0.0/16"), {}}, {prefix("fd02::/64"), {}}});
  EXPECT_TRUE(holds(text, "meta pkttype != host return\n")) << text;
  EXPECT_TRUE(holds(text,
                    "ip daddr { 10.2.0.0-10.2.255.255 } ip protocol { 6, 17 } ip hdrlength 5 "
                    "ip ttl > 1 ip frag-off & 0x3fff == 0 fib daddr type unicast "
                    "meta mark set 1073786831\n"))
      << text;
  EXPECT_TRUE(holds(text,
                    "ip6 daddr { fd02::-fd02::ffff:ffff:ffff:ffff } ip6 nexthdr { 6, 17 } "
                    "ip6 hoplimit > 1 fib daddr type unicast meta mark set 1073786831\n"))
      << text;
}

TEST(Taking, drops_the_same_mark_only_where_it_was_set) {
  const std::string text = make_taking_commands(options(), {{prefix("10.2.0.0/16"), {}}});
  for (const std::string device : {"lan0", "lan1"}) {
    EXPECT_TRUE(holds(text, "hook ingress device \"" + device + "\" priority 0")) << text;
  }
  EXPECT_TRUE(holds(text, "iif 3 meta mark 1073786831 drop\n    iif 4 meta mark 1073786831 drop\n"))
      << text;
}

TEST(Taking, leaves_exceptions_to_the_kernel_first) {
  const std::string text =
      make_taking_commands(options(), {{prefix("10.0.0.0/8"), {prefix("10.1.0.0/16")}}});
  const auto exception = text.find("ip daddr { 10.1.0.0-10.1.255.255 } return\n");
  ASSERT_NE(exception, std::string::npos) << text;
  EXPECT_LT(exception, text.find("meta mark set"));
}

}  // namespace
}  // namespace caponier::io
