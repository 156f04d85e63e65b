#pragma once
// Every legal move between the states of an IKE SA, with the section of RFC 7296 that asks for it.

#include <string>
#include <string_view>

#include "ike/endpoint.h"

namespace caponier::ike {

struct Transition {
  IkeState from;
  IkeState to;
  std::string_view cause;
  std::string_view section;
};

inline constexpr Transition transition_table[] = {
    // clang-format off
    {IkeState::init_sent, IkeState::auth_pending, "IKE_SA_INIT answered", "s1.2"},
    {IkeState::init_sent, IkeState::dead, "no answer, or refused", "s2.4, s2.21.1"},
    {IkeState::init_answered, IkeState::auth_pending, "IKE_AUTH request arrived", "s1.2"},
    {IkeState::init_answered, IkeState::dead, "half-open too long, refused", "s2.4, s2.21.2"},
    {IkeState::auth_pending, IkeState::auth_sent, "our AUTH is there", "s2.15"},
    {IkeState::auth_pending, IkeState::established, "the peer's AUTH is right", "s2.15"},
    {IkeState::auth_pending, IkeState::deleting, "the responder's AUTH is wrong", "s2.21.2"},
    {IkeState::auth_pending, IkeState::dead, "refused, or no key", "s2.21.2"},
    {IkeState::auth_pending, IkeState::auth_answered, "EAP or another round goes on", "s2.16"},
    {IkeState::auth_answered, IkeState::auth_pending, "more of IKE_AUTH arrived", "s2.16"},
    {IkeState::auth_answered, IkeState::dead, "too long, refused", "s2.16, s2.21.2"},
    {IkeState::auth_sent, IkeState::auth_pending, "IKE_AUTH answered", "s1.2"},
    {IkeState::auth_sent, IkeState::deleting, "the answer is unusable", "s2.21.2"},
    {IkeState::auth_sent, IkeState::dead, "no answer, or refused", "s2.4, s2.21.2"},
    {IkeState::established, IkeState::deleting, "our DELETE went out", "s1.4.1"},
    {IkeState::established, IkeState::dead, "peer deleted it, or is gone", "s1.4.1, s2.4"},
    {IkeState::deleting, IkeState::dead, "answered, or given up", "s1.4.1, s2.4"},
    // clang-format on
};

[[nodiscard]] constexpr bool is_legal(IkeState from, IkeState to) {
  for (const Transition& row : transition_table) {
    if (row.from == from && row.to == to) return true;
  }
  return false;
}

/// The table as text, one move a line.
[[nodiscard]] std::string print_transitions();

}  // namespace caponier::ike
