#include "gateway/tracer.h"

#include <gtest/gtest.h>

#include "unit/ipsec/pair.h"

namespace caponier::gateway {
namespace {

using ipsec::PolicyAction;
using ipsec::PolicyDirection;
using namespace ipsec::test;

TEST(Tracer, names_the_policy_of_the_packets_direction) {
  Pair pair;
  const Spec& spec = pair.spec;
  pair.a.set_policies(
      {{PolicyAction::bypass, {}, {}, spec.a_nets, spec.b_nets, PolicyDirection::outbound},
       {PolicyAction::protect, "site", spec.child, spec.a_nets, spec.b_nets}});
  Tracer tracer{8};
  tracer.start({}, {});

  ipsec::PacketBuffer there;
  there.assign(udp_packet("10.1.0.5", "10.2.0.9", 10));
  ipsec::ProtectItem out{.packet = &there, .sa = {}, .path = {}};
  tracer.before({&out, 1});
  pair.a.protect({&out, 1}, {});
  tracer.after(std::span<const ipsec::ProtectItem>{&out, 1}, pair.a, {});
  ipsec::PacketBuffer back;
  back.assign(protect_one(pair.b, udp_packet("10.2.0.9", "10.1.0.5", 10)).esp);
  ipsec::OpenItem in{.packet = &back, .path = {}, .sa = {}};
  tracer.before({&in, 1});
  pair.a.open({&in, 1}, {});
  tracer.after(std::span<const ipsec::OpenItem>{&in, 1}, pair.a, {});

  const auto first = tracer.poll();
  const auto second = tracer.poll();
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->policy, PolicyAction::bypass);
  EXPECT_EQ(first->verdict, ipsec::Verdict::bypass);
  EXPECT_EQ(second->policy, PolicyAction::protect);
  EXPECT_EQ(second->verdict, ipsec::Verdict::forward);
  EXPECT_EQ(second->peer, "site");
}

}  // namespace
}  // namespace caponier::gateway
