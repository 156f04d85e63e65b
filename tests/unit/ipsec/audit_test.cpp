// Which dropped packets are told of, and what is said of them.

#include <gtest/gtest.h>

#include "unit/ipsec/pair.h"

namespace caponier::ipsec::test {
namespace {

const base::Path from_a{{ip("198.51.100.1"), 4500}, {ip("192.0.2.1"), 4500}};

/// Both ends audit, as a gateway lets its engines do.
class AuditedPair : public Pair {
 public:
  explicit AuditedPair(const Spec& first = {}, const EngineLimits& limits = {})
      : Pair(first, limits) {
    a.set_audit(true);
    b.set_audit(true);
  }
  Audited only_of(Engine& engine) {
    const auto found = notices_of<Audited>(engine);
    EXPECT_EQ(found.size(), 1u);
    return found.empty() ? Audited{} : found.front();
  }
};

//= rfc4301#5.2-4 type=test
TEST(Audit, tells_of_an_unknown_spi) {
  AuditedPair pair;
  ByteVec esp = protect_one(pair.a, v4_packet()).esp;
  esp[0] = std::byte{0xee};
  (void)open_one(pair.b, esp, from_a);
  const Audited told = pair.only_of(pair.b);
  EXPECT_EQ(told.reason, DropReason::esp_no_sa);
  EXPECT_EQ(told.spi, (base::Spi{0xee000001}));
  EXPECT_EQ(told.sequence, 1u);
  EXPECT_EQ(told.path, from_a);
  EXPECT_EQ(told.protocol, policy::SaProtocol::esp);
  EXPECT_TRUE(told.connection.empty());
}

//= rfc4303#4-8 type=test
TEST(Audit, tells_of_a_replay_and_whose_it_is) {
  AuditedPair pair;
  (void)protect_one(pair.a, v4_packet());
  const ByteVec esp = protect_one(pair.a, v4_packet()).esp;
  (void)open_one(pair.b, esp, from_a);
  (void)open_one(pair.b, esp, from_a);
  const Audited told = pair.only_of(pair.b);
  EXPECT_EQ(told.reason, DropReason::esp_replay);
  EXPECT_EQ(told.spi, spi_to_b(pair.spec));
  EXPECT_EQ(told.sequence, 2u);
  EXPECT_EQ(told.path, from_a);
  EXPECT_EQ(told.connection, "site");
}

TEST(Audit, tells_of_an_icv_that_fails) {
  AuditedPair pair;
  ByteVec esp = protect_one(pair.a, v4_packet()).esp;
  esp.back() ^= std::byte{1};
  (void)open_one(pair.b, esp, from_a);
  const Audited told = pair.only_of(pair.b);
  EXPECT_EQ(told.reason, DropReason::esp_bad_icv);
  EXPECT_EQ(told.spi, spi_to_b(pair.spec));
  EXPECT_EQ(told.sequence, 1u);
  EXPECT_EQ(told.path, from_a);
}

//= rfc4302#4-3 type=test
TEST(Audit, tells_the_same_of_ah) {
  Spec spec;
  spec.protocol = policy::SaProtocol::ah;
  spec.suite = {crypto::EncrId::null, 0, crypto::IntegId::hmac_sha2_256_128};
  AuditedPair pair{spec};
  ByteVec ah = protect_one(pair.a, v4_packet()).esp;
  ah.back() ^= std::byte{1};
  (void)open_all(pair.b, {ah}, from_a, {}, 0, policy::SaProtocol::ah, true);
  const Audited told = pair.only_of(pair.b);
  EXPECT_EQ(told.reason, DropReason::esp_bad_icv);
  EXPECT_EQ(told.protocol, policy::SaProtocol::ah);
  EXPECT_EQ(told.spi, spi_to_b(pair.spec));
  EXPECT_EQ(told.sequence, 1u);
}

//= rfc4301#5.2-7 type=test
TEST(Audit, tells_of_a_packet_outside_the_selectors_and_of_both) {
  Spec wide;
  wide.b_nets = {prefix("10.0.0.0/8")};
  AuditedPair pair{wide};
  Spec narrow;
  pair.b.remove({1});
  ASSERT_TRUE(pair.b.install(install_for_b(narrow), {}).has_value());
  pair.b.set_policies({{PolicyAction::protect, "site", "net", narrow.b_nets, narrow.a_nets}});
  const ByteVec esp = protect_one(pair.a, udp_packet("10.1.0.5", "10.9.0.1", 20)).esp;
  (void)open_one(pair.b, esp, from_a);
  const Audited told = pair.only_of(pair.b);
  EXPECT_EQ(told.reason, DropReason::esp_selector);
  EXPECT_EQ(told.spi, spi_to_b(pair.spec));
  ASSERT_TRUE(told.inner.has_value());
  EXPECT_EQ(told.inner->source, ip("10.1.0.5"));
  EXPECT_EQ(told.inner->destination, ip("10.9.0.1"));
  EXPECT_EQ(told.inner->destination_port, 2000);
  EXPECT_EQ(told.local, narrow.b_nets);
  EXPECT_EQ(told.remote, narrow.a_nets);
}

//= rfc4303#4-5 rfc4303#3.3.3-2 rfc4302#3.3.2-2 type=test
TEST(Audit, tells_of_sequence_numbers_that_are_used_up) {
  Spec spec;
  spec.esn = false;
  AuditedPair pair{spec};
  pair.a.advance_sequence({1}, UINT32_MAX);
  ByteVec packet = v6_packet();
  packet[3] = std::byte{0x42};  // of the flow label
  (void)protect_one(pair.a, packet);
  const Audited told = pair.only_of(pair.a);
  EXPECT_EQ(told.reason, DropReason::clear_sequence_limit);
  EXPECT_TRUE(told.is_outbound);
  EXPECT_EQ(told.spi, spi_to_b(spec));
  EXPECT_GE(told.sequence, UINT32_MAX);
  EXPECT_EQ(told.path, spec.path);
  EXPECT_EQ(told.flow_label, 0x42u);
  EXPECT_EQ(told.inner->source, ip("2001:db8:1::5"));
}

TEST(Audit, tells_little_of_a_flood_and_nothing_of_other_kinds_is_lost) {
  EngineLimits limits;
  AuditedPair pair{{}, limits};
  const ByteVec good = protect_one(pair.a, v4_packet()).esp;
  ByteVec stranger = good;
  stranger[0] = std::byte{0xee};
  for (int i = 0; i < 1000; ++i) (void)open_one(pair.b, stranger, from_a);
  (void)open_one(pair.b, good, from_a);
  (void)open_one(pair.b, good, from_a);
  const auto told = notices_of<Audited>(pair.b);
  ASSERT_EQ(told.size(), limits.audit_burst_max + 1);
  EXPECT_EQ(told.back().reason, DropReason::esp_replay);
  EXPECT_EQ(pair.b.drops()[DropReason::esp_no_sa], 1000u);
  (void)open_one(pair.b, stranger, from_a, Instant{limits.audit_interval});
  EXPECT_EQ(pair.only_of(pair.b).reason, DropReason::esp_no_sa);
}

//= rfc4303#4-1 rfc4302#4-1 type=test
TEST(Audit, is_switched_on_and_off) {
  Pair pair;
  const ByteVec esp = protect_one(pair.a, v4_packet()).esp;
  const auto told_of_replay = [&] {
    (void)open_one(pair.b, esp);
    return notices_of<Audited>(pair.b).size();
  };
  (void)told_of_replay();
  EXPECT_EQ(told_of_replay(), 0u);
  pair.b.set_audit(true);
  EXPECT_EQ(told_of_replay(), 1u);
  pair.b.set_audit(false);
  EXPECT_EQ(told_of_replay(), 0u);
  EXPECT_EQ(pair.b.drops()[DropReason::esp_replay], 3u);
}

}  // namespace
}  // namespace caponier::ipsec::test
