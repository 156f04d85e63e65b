#include "gateway/expiry_watch.h"

#include <gtest/gtest.h>

#include "unit/gateway/fake_pki.h"
#include "unit/gateway/peers.h"

namespace caponier::gateway {
namespace {

using namespace std::chrono_literals;
using base::Instant;
using pki::UnixTime;

constexpr std::int64_t day = 86400;
constexpr UnixTime today{20'000 * day};  // 2024-10-04

UnixTime after(std::int64_t days) { return {today.value + days * day}; }

struct Watch {
  ExpiryWatch watch;
  Instant now{std::chrono::hours{5}};
  UnixTime wall_clock = today;
  std::shared_ptr<test::FakeStore> store = std::make_shared<test::FakeStore>();
  config::Config config;

  Watch() { config.store = store; }
  std::vector<std::string> apply() {
    watch.apply(config, now, wall_clock);
    return events();
  }
  std::vector<std::string> events() {
    std::vector<std::string> texts;
    while (auto event = watch.poll_event()) {
      EXPECT_EQ(event->kind, base::EventKind::pki_expiring);
      texts.push_back(event->text);
    }
    return texts;
  }
  /// As a driver would, until nothing is due.
  std::vector<std::string> pass(base::Duration time) {
    const Instant end = now + time;
    while (watch.poll_deadline() && watch.poll_deadline()->at <= end) {
      const base::Duration step = watch.poll_deadline()->at - now;
      now = now + step;
      wall_clock.value += std::chrono::duration_cast<std::chrono::seconds>(step).count();
      watch.handle_deadline(now, wall_clock);
    }
    wall_clock.value += std::chrono::duration_cast<std::chrono::seconds>(end - now).count();
    now = end;
    return events();
  }
};

TEST(ExpiryWatch, says_four_weeks_ahead_what_ends) {
  Watch watch;
  watch.store->ends = {{"certificate 'CN=gw' in gw.pem", after(28)},
                       {"certificate 'CN=ca' in ca.pem", after(29)}};
  EXPECT_EQ(watch.apply(), std::vector<std::string>{
                               "the certificate 'CN=gw' in gw.pem ends in 28 days, on 2024-11-01"});
  EXPECT_EQ(watch.watch.notes().size(), 1U);
  EXPECT_EQ(watch.watch.ends().size(), 2U);
}

TEST(ExpiryWatch, says_it_once_a_day_and_after_the_end_too) {
  Watch watch;
  watch.store->ends = {{"certificate 'CN=gw' in gw.pem", after(2)}};
  EXPECT_EQ(watch.apply().size(), 1U);
  EXPECT_TRUE(watch.pass(23h).empty());
  EXPECT_EQ(watch.pass(2h), std::vector<std::string>{
                                "the certificate 'CN=gw' in gw.pem ends in 1 day, on 2024-10-06"});
  EXPECT_EQ(watch.pass(24h),
            std::vector<std::string>{"the certificate 'CN=gw' in gw.pem ends within a day"});
  EXPECT_EQ(watch.pass(24h),
            std::vector<std::string>{"the certificate 'CN=gw' in gw.pem has ended on 2024-10-06"});
  EXPECT_EQ(watch.pass(240h).size(), 10U);
}

TEST(ExpiryWatch, says_nothing_of_what_is_far_off_until_its_day_comes) {
  Watch watch;
  watch.store->ends = {{"CRL", after(40)}};
  EXPECT_TRUE(watch.apply().empty());
  EXPECT_TRUE(watch.watch.notes().empty());
  EXPECT_TRUE(watch.pass(11 * 24h).empty());
  EXPECT_EQ(watch.pass(24h).size(), 1U);
}

TEST(ExpiryWatch, knows_our_own_certificates_each_once) {
  Watch watch;
  config::PeerConfig peer = site_peer();
  pki::Credential own = test::fake_credential("gw.pem", "");
  own.chain.front().subject_text = "CN=gw";
  own.chain.front().not_after = after(3);
  peer.proof.credential = std::make_shared<const pki::Credential>(std::move(own));
  watch.config.peers = {peer, peer};
  EXPECT_EQ(watch.apply().size(), 1U);
  EXPECT_EQ(watch.watch.ends().size(), 1U);
}

TEST(ExpiryWatch, how_long_ahead_is_configured_and_zero_is_never) {
  Watch watch;
  watch.store->ends = {{"CRL", after(3)}};
  watch.config.daemon.expiry_warning = 48h;
  EXPECT_TRUE(watch.apply().empty());
  watch.config.daemon.expiry_warning = 72h;
  EXPECT_EQ(watch.apply().size(), 1U);
  watch.config.daemon.expiry_warning = 0h;
  EXPECT_TRUE(watch.apply().empty());
}

TEST(ExpiryWatch, a_new_certificate_ends_the_notes) {
  Watch watch;
  watch.store->ends = {{"CRL", after(3)}};
  watch.apply();
  watch.store->ends = {{"CRL", after(300)}};
  EXPECT_TRUE(watch.apply().empty());
  EXPECT_TRUE(watch.watch.notes().empty());
}

TEST(ExpiryWatch, of_very_many_it_says_some_and_how_many_more) {
  Watch watch;
  for (int i = 0; i < 500; ++i) watch.store->ends.push_back({std::to_string(i), after(1)});
  const auto texts = watch.apply();
  EXPECT_EQ(texts.size(), expiries_told_max);
  EXPECT_TRUE(texts.back().ends_with("; so do 484 more"));
}

TEST(ExpiryWatch, without_certificates_nothing_is_due) {
  Watch watch;
  EXPECT_TRUE(watch.apply().empty());
  EXPECT_FALSE(watch.watch.poll_deadline());
}

}  // namespace
}  // namespace caponier::gateway
