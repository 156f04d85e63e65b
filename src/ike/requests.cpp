#include "ike/requests.h"

namespace caponier::ike {
namespace {

template <class... Handlers>
struct Overloaded : Handlers... {
  using Handlers::operator()...;
};

}  // namespace

Task task_of(const Wish& wish) {
  const Overloaded choose{
      [](const WantChild& child) {
        return child.replaces ? Task::child_rekey : Task::child_create;
      },
      [](const WantIkeRekey&) { return Task::ike_rekey; },
      [](const WantDeleteChild&) { return Task::child_delete; },
      [](const WantLiveness&) { return Task::ike_liveness; },
      [](const WantAddresses&) { return Task::ike_addresses; },
      [](const WantNotice&) { return Task::ike_notice; },
      [](const WantProbe&) { return Task::ike_liveness; },
      [](const WantFarewell&) { return Task::ike_delete; },
  };
  return std::visit(choose, wish);
}

Task task_of(const Sent& sent) {
  const Overloaded choose{
      [](const SentInit&) { return Task::ike_init; },
      [](const SentAuth&) { return Task::ike_auth; },
      [](const SentIntermediate&) { return Task::ike_init; },
      [](const SentSync&) { return Task::ike_sync; },
      [](const ChildCreation& made) {
        return made.replaces ? Task::child_rekey : Task::child_create;
      },
      [](const IkeCreation&) { return Task::ike_rekey; },
      [](const SentInformational& said) {
        if (said.is_farewell) return Task::ike_delete;
        if (said.deletion) return Task::child_delete;
        return said.addresses ? Task::ike_addresses : Task::ike_liveness;
      },
  };
  return std::visit(choose, sent);
}

}  // namespace caponier::ike
