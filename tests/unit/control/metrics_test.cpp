// What Prometheus is told.

#include "control/metrics.h"

#include <gtest/gtest.h>

#include <set>
#include <sstream>

#include "control/metrics_writer.h"
#include "unit/control/desk.h"

namespace caponier::control {
namespace {

/// The value of one series as it is written; "" when there is none.
std::string value_of(const std::string& text, std::string_view series) {
  std::istringstream in{text};
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with(series) && line.size() > series.size() && line[series.size()] == ' ') {
      return line.substr(series.size() + 1);
    }
  }
  return "";
}

void bring(Desk& desk) {
  const Json answer = desk.ask(desk.connect(), request("up", {{"name", "branch"}}));
  ASSERT_TRUE(answer["ok"].get<bool>()) << answer.dump();
  desk.pass(std::chrono::seconds{5});
}

TEST(Metrics, a_tunnel_that_is_down_does_not_vanish) {
  Desk desk;
  std::string text = to_metrics(desk.here.gateway, desk, desk.now, false);
  EXPECT_EQ(value_of(text, "caponier_peer_up{peer=\"branch\"}"), "0");
  EXPECT_EQ(value_of(text, "caponier_peer_wanted{peer=\"branch\"}"), "0");
  bring(desk);
  text = to_metrics(desk.here.gateway, desk, desk.now, false);
  EXPECT_EQ(value_of(text, "caponier_peer_up{peer=\"branch\"}"), "1");
  EXPECT_EQ(value_of(text, "caponier_peer_wanted{peer=\"branch\"}"), "1");
  EXPECT_EQ(value_of(text, "caponier_peer_up{peer=\"berlin\"}"), "0");
  EXPECT_EQ(value_of(text, "caponier_rx_bytes_total{peer=\"branch\",child=\"branch\"}"), "0");
  EXPECT_EQ(value_of(text, "caponier_ike_sas"), "1");
  EXPECT_EQ(value_of(text, "caponier_drops_total{reason=\"io_send_failed\"}"), "3");
}

TEST(Metrics, each_family_stands_together_behind_its_header) {
  Desk desk;
  bring(desk);
  std::istringstream in{to_metrics(desk.here.gateway, desk, desk.now, true)};
  std::set<std::string> families;
  std::string family;
  std::set<std::string> series;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("# HELP ")) {
      family = line.substr(7, line.find(' ', 7) - 7);
      EXPECT_TRUE(families.insert(family).second) << family << " begins twice";
    } else if (line.starts_with("# TYPE ")) {
      const bool is_counter = line.ends_with(" counter");
      EXPECT_TRUE(is_counter || line.ends_with(" gauge")) << line;
      EXPECT_TRUE(!is_counter || family.ends_with("_total")) << line;
    } else {
      EXPECT_EQ(line.substr(0, line.find_first_of("{ ")), family);
      EXPECT_TRUE(series.insert(line.substr(0, line.rfind(' '))).second)
          << line << " is twice there";
    }
  }
  EXPECT_GT(families.size(), 25U);
}

TEST(Metrics, dashboards_for_strongswan_find_their_series) {
  Desk desk;
  bring(desk);
  const std::string plain = to_metrics(desk.here.gateway, desk, desk.now, false);
  EXPECT_EQ(plain.find("ipsec_"), std::string::npos);
  const std::string text = to_metrics(desk.here.gateway, desk, desk.now, true);
  EXPECT_EQ(value_of(text, "ipsec_up"), "1");
  EXPECT_EQ(value_of(text, "ipsec_ike_sas"), "1");
  const std::string ends =
      "local_host=\"192.0.2.1\",local_id=\"192.0.2.1\",name=\"branch\",remote_host=\"192.0.2.2\","
      "remote_id=\"192.0.2.2\",remote_identity=\"\",uid=\"";
  const auto at = text.find("ipsec_ike_sa_state{" + ends);
  ASSERT_NE(at, std::string::npos) << text;
  const std::string line = text.substr(at, text.find('\n', at) - at);
  EXPECT_TRUE(line.ends_with(",version=\"2\",vips=\"\"} 2")) << line;
  const auto child = text.find("ipsec_child_sa_state{ike_sa_local_host=\"192.0.2.1\"");
  ASSERT_NE(child, std::string::npos);
  const std::string row = text.substr(child, text.find('\n', child) - child);
  EXPECT_NE(row.find("local_ts=\"10.1.0.0/16\",mode=\"TUNNEL\",name=\"branch\",protocol=\"ESP\","
                     "remote_ts=\"10.2.0.0/16\",reqid=\"1\",uid=\""),
            std::string::npos)
      << row;
  EXPECT_TRUE(row.ends_with("} 3")) << row;
}

TEST(Metrics, a_value_of_a_label_cannot_break_out_of_it) {
  MetricsWriter out;
  out.family("one", "gauge", "help");
  out.sample({{"name", "a\"b\\c\nd"}}, 1);
  EXPECT_EQ(out.finish(), "# HELP one help\n# TYPE one gauge\none{name=\"a\\\"b\\\\c\\nd\"} 1\n");
}

TEST(Metrics, the_control_socket_gives_them_too) {
  Desk desk;
  const auto text = [&](const Json& arguments) {
    return desk.ask(desk.connect(false), request("metrics", arguments))["result"]["text"]
        .get<std::string>();
  };
  EXPECT_EQ(text(Json::object()).find("ipsec_up"), std::string::npos);
  EXPECT_NE(text({{"compat", true}}).find("ipsec_up 1\n"), std::string::npos);
}

}  // namespace
}  // namespace caponier::control
