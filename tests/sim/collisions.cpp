#include "sim/explorer.h"

#include <string_view>
#include <utility>

namespace caponier::sim {
namespace {

using Given = std::function<void(ExploredPair&)>;

Given rekey_child(bool at_a) {
  return [at_a](ExploredPair& pair) {
    ExploredEnd& end = at_a ? pair.a : pair.b;
    end.command(ike::RekeyChild{end.first_child()});
  };
}
Given delete_child(bool at_a) {
  return [at_a](ExploredPair& pair) {
    ExploredEnd& end = at_a ? pair.a : pair.b;
    end.command(ike::DeleteChild{end.first_child()});
  };
}
Given create_child(bool at_a) {
  return [at_a](ExploredPair& pair) {
    ExploredEnd& end = at_a ? pair.a : pair.b;
    // Nobody asks for what is there.
    if (!end.has_child("more")) end.command(ike::InitiateChild{end.connection(), "more"});
  };
}
/// Of the first child, for a worker.
Given create_another(bool at_a) {
  return [at_a](ExploredPair& pair) {
    ExploredEnd& end = at_a ? pair.a : pair.b;
    end.command(ike::InitiateChild{end.connection(), "net", {}, policy::ResourceId{0}});
  };
}
Given delete_ike(bool at_a) {
  return [at_a](ExploredPair& pair) {
    ExploredEnd& end = at_a ? pair.a : pair.b;
    end.command(ike::DeleteIke{end.connection()});
  };
}
Given rekey_ike(bool at_a) {
  return [at_a](ExploredPair& pair) {
    ExploredEnd& end = at_a ? pair.a : pair.b;
    end.command(ike::RekeyIke{end.connection()});
  };
}
Given reauthenticate(bool at_a) {
  return [at_a](ExploredPair& pair) {
    ExploredEnd& end = at_a ? pair.a : pair.b;
    end.command(ike::Reauthenticate{end.connection(), {}});
  };
}
/// Its first address goes away.
Given move(bool at_a) {
  return [at_a](ExploredPair& pair) {
    ExploredEnd& end = at_a ? pair.a : pair.b;
    end.addresses.erase(end.addresses.begin());
    end.command(ike::SetLocalAddresses{end.addresses});
  };
}

enum class Does : std::uint8_t {
  rekey_child,
  delete_child,
  create_child,
  create_another,
  rekey_ike,
  delete_ike,
  reauthenticate,
  move,
};

std::string_view name_of(Does what) {
  switch (what) {
    case Does::rekey_child: return "rekey-child";
    case Does::delete_child: return "delete-child";
    case Does::create_child: return "create-child";
    case Does::create_another: return "create-another";
    case Does::rekey_ike: return "rekey-ike";
    case Does::delete_ike: return "delete-ike";
    case Does::reauthenticate: return "reauthenticate";
    case Does::move: return "move";
  }
  return "unknown";
}

Given given(Does what, bool at_a) {
  switch (what) {
    case Does::rekey_child: return rekey_child(at_a);
    case Does::delete_child: return delete_child(at_a);
    case Does::create_child: return create_child(at_a);
    case Does::create_another: return create_another(at_a);
    case Does::rekey_ike: return rekey_ike(at_a);
    case Does::delete_ike: return delete_ike(at_a);
    case Does::reauthenticate: return reauthenticate(at_a);
    case Does::move: return move(at_a);
  }
  return {};
}

/// What is left after both, whatever the order.
Collision collide(Does first, Does second, const PairSetup& setup) {
  Collision c;
  c.name = std::string{name_of(first)} + "/" + std::string{name_of(second)};
  if (setup.pfs) c.name += " pfs";
  if (setup.b_is_initiator) c.name += " by-responder";
  if (setup.dice_b != PairSetup{}.dice_b) c.name += " other-dice";
  c.setup = setup;
  if (first == Does::move) c.setup.mobile = PairSetup::Mobile::a;
  if (second == Does::move) c.setup.mobile = PairSetup::Mobile::b;
  c.first = given(first, true);
  c.second = given(second, false);
  const auto has = [&](Does what) { return first == what || second == what; };
  const bool replaces_ike = has(Does::rekey_ike) || first == Does::reauthenticate;
  // Two IKE SAs that both speak of addresses: the messages are more than can be enumerated.
  c.is_repeated = !(has(Does::move) && replaces_ike);
  if (!c.is_repeated) c.messages_reordered = 8;
  if (has(Does::create_child)) c.more_min = c.more_max = 1;
  // Refused while the IKE SA is being replaced; asking again is for whoever wants the child.
  if (has(Does::create_child) && (has(Does::rekey_ike) || has(Does::reauthenticate)))
    c.more_min = 0;
  if (has(Does::create_another)) {
    c.setup.resources = 2;
    // What both ask for at once is for a worker each; the second to ask may have been served.
    c.child_min = 2;
    c.child_max = first == second ? 3 : 2;
    if (has(Does::rekey_ike) || has(Does::reauthenticate)) c.child_min = 1;
  }
  if (has(Does::delete_child)) {
    c.child_min = c.child_max = 0;
    // It goes on without the first, unless that went before.
    if (has(Does::create_another)) c.child_max = 1;
    // The one that is deleted may have been replaced before.
    if (has(Does::rekey_child) || has(Does::reauthenticate)) c.child_max = 1;
  }
  if (has(Does::delete_ike)) {
    c.ike_min = c.ike_max = c.child_min = c.child_max = c.more_min = c.more_max = 0;
    // RFC 7296 s1.4.1: a DELETE ends the IKE SA it names. The one that authenticates anew beside it
    // may not have come up where the command is given, and lives on.
    if (has(Does::reauthenticate)) c.ike_max = c.child_max = 1;
  }
  c.is_child_new = has(Does::rekey_child) || has(Does::reauthenticate);
  c.is_ike_new = has(Does::rekey_ike) || has(Does::reauthenticate);
  c.is_traffic_unbroken = !has(Does::delete_child) && !has(Does::delete_ike) && !has(Does::move);
  return c;
}

std::vector<Collision> make_collisions() {
  using enum Does;
  static constexpr std::pair<Does, Does> pairs[] = {
      {delete_child, delete_child},
      {delete_ike, delete_ike},
      {create_child, create_child},
      {create_child, delete_child},
      {create_another, create_another},
      {create_another, create_child},
      {create_another, rekey_child},
      {create_another, delete_child},
      {create_another, delete_ike},
      {create_another, rekey_ike},
      {create_another, reauthenticate},
      {create_child, delete_ike},
      {delete_child, delete_ike},
      {rekey_child, rekey_child},
      {rekey_child, delete_child},
      {rekey_child, create_child},
      {rekey_child, delete_ike},
      {rekey_ike, rekey_ike},
      {rekey_ike, rekey_child},
      {rekey_ike, delete_ike},
      {rekey_ike, delete_child},
      {rekey_ike, create_child},
      {reauthenticate, rekey_child},
      {reauthenticate, rekey_ike},
      {reauthenticate, delete_child},
      {reauthenticate, delete_ike},
      {reauthenticate, create_child},
      {reauthenticate, reauthenticate},
      {move, rekey_child},
      {move, rekey_ike},
      {move, delete_child},
      {move, delete_ike},
      {move, create_child},
      {move, reauthenticate},
      {rekey_child, move},
      {rekey_ike, move},
      {delete_child, move},
      {delete_ike, move},
      {create_child, move},
      {reauthenticate, move},
  };
  std::vector<Collision> all;
  for (const auto& [first, second] : pairs) {
    for (const bool b_is_initiator : {false, true}) {
      // Two new IKE SAs: who began the old one is all the same.
      if (b_is_initiator && first == reauthenticate && second == reauthenticate) continue;
      PairSetup setup;
      setup.b_is_initiator = b_is_initiator;
      all.push_back(collide(first, second, setup));
      // Where nonces or SPIs tell who wins.
      setup.dice_b = 3;
      if (first == second) all.push_back(collide(first, second, setup));
    }
    if (first == rekey_child && second == rekey_child) {
      PairSetup setup;
      setup.pfs = true;
      all.push_back(collide(first, second, setup));
    }
  }
  return all;
}

}  // namespace

const std::vector<Collision>& collisions() {
  static const std::vector<Collision> all = make_collisions();
  return all;
}

}  // namespace caponier::sim
