// Messages that nobody answers, and the ways there are to the peer at all.

#include <algorithm>

#include <fmt/format.h>

#include "explain/diagnose_parts.h"
#include "explain/fixes.h"

namespace caponier::explain {

using policy::Evidence;
using policy::Symptom;

namespace {

/// What every path carries (RFC 7296 s2: 1280 octets for IPv6; most carry more).
constexpr std::size_t always_carried = 1280;

Diagnosis no_answer(const Evidence& seen, const Context& context) {
  Diagnosis diagnosis{Code::no_answer, Certainty::possible, {}, {}, {}, {}};
  diagnosis.cause =
      fmt::format("{} does not answer IKE_SA_INIT ({} messages sent)", remote_of(seen), seen.sent);
  diagnosis.others = {
      {Code::no_answer, "no IKE daemon runs there, or the address is wrong"},
      {Code::no_answer, fmt::format("a firewall drops {} port {}, on the way there or back",
                                    seen.path.transport == base::Transport::tcp ? "TCP" : "UDP",
                                    seen.path.remote.port)},
      {Code::peer_unknown, "the peer does not know our address, and says nothing to strangers"}};
  diagnosis.fixes = {
      fix_between("let UDP 500, UDP 4500 and ESP pass between the two addresses, both ways"),
      fix_theirs(seen, "start the daemon there, and configure our address as its peer"),
      fix_ours(context, "check the peer's address in our configuration")};
  return diagnosis;
}

Diagnosis auth_unanswered(const Evidence& seen, const Context& context) {
  Diagnosis diagnosis{Code::auth_silent, Certainty::possible, {}, {}, {}, {}};
  const bool is_large = seen.size > always_carried || seen.in_fragments;
  const std::string sent =
      fmt::format("{} octets{}", seen.size, seen.in_fragments ? ", in fragments" : "");
  const std::string port = std::to_string(seen.path.remote.port);
  const bool has_moved = seen.path.remote.port != (context.peer ? context.peer->remote_port : 500);
  diagnosis.values = {{"IKE_SA_INIT", "sent", "answered"},
                      {"IKE_AUTH to port " + port, sent, "no answer"}};
  if (has_moved && !is_large) {
    diagnosis.code = Code::natt_silent;
    diagnosis.certainty = Certainty::strong;
    diagnosis.cause =
        fmt::format("{} answers IKE_SA_INIT, but nothing comes back from its UDP port {}",
                    seen.path.remote.address.to_string(), port);
    diagnosis.others = {{Code::auth_silent, "the peer drops our IKE_AUTH without a word"}};
    diagnosis.fixes = {fix_between(fmt::format("let UDP {} pass, both ways", port))};
    if (context.peer != nullptr && context.peer->tcp == config::Tcp::never) {
      diagnosis.fixes.push_back(fix_ours(context, "or go by TCP", {{{}, "tcp", toml("fallback")}}));
    }
    return diagnosis;
  }
  diagnosis.cause = fmt::format("{} answers IKE_SA_INIT, but not IKE_AUTH", remote_of(seen));
  if (is_large) {
    diagnosis.others.push_back({Code::large_lost, "fragments of large messages are dropped"});
    if (context.peer != nullptr && !context.peer->exchange.fragmentation) {
      diagnosis.fixes.push_back(fix_ours(context, "let IKE cut its messages into fragments itself",
                                         {{{}, "fragmentation", "true"}}));
    }
    diagnosis.fixes.push_back(fix_between("let IP fragments pass"));
  }
  if (has_moved) {
    diagnosis.others.push_back({Code::natt_silent, "UDP port " + port + " is blocked"});
    diagnosis.fixes.push_back(fix_between(fmt::format("let UDP {} pass, both ways", port)));
  }
  diagnosis.others.push_back({Code::auth_silent, "the peer drops our IKE_AUTH without a word"});
  if (!is_large && !has_moved) {
    diagnosis.fixes.push_back(
        fix_theirs(seen, "look into the peer's log for " + seen.path.local.address.to_string()));
  }
  return diagnosis;
}

Diagnosis auth_missing(const Evidence& seen) {
  Diagnosis diagnosis{Code::auth_never_came, Certainty::possible, {}, {}, {}, {}};
  diagnosis.cause = fmt::format("{} began IKE and had our answer sent, but its IKE_AUTH never came",
                                remote_of(seen));
  diagnosis.others = {{Code::natt_silent, "UDP port 4500 is blocked on the way to us"},
                      {Code::large_lost, "the fragments of a large IKE_AUTH are dropped"},
                      {Code::no_answer, "our answer does not reach the peer"},
                      {Code::protocol_error, "the peer gave up, or did not like our answer"}};
  diagnosis.fixes = {fix_between("let UDP 500 and UDP 4500 pass, both ways, and IP fragments"),
                     fix_theirs(seen, "let the peer fragment IKE messages (RFC 7383)",
                                {{{}, "fragmentation", toml("yes")}})};
  return diagnosis;
}

Diagnosis peer_silent(const Evidence& seen) {
  Diagnosis diagnosis{Code::peer_lost, Certainty::possible, {}, {}, {}, {}};
  diagnosis.cause = fmt::format("{} answered for a while, and does not any more ({} messages sent)",
                                remote_of(seen), seen.sent);
  diagnosis.others = {{Code::no_answer, "the path is broken"},
                      {Code::peer_lost, "the peer is down, or restarted without a word"},
                      {Code::peer_lost, "a NAT or firewall on the way forgot the flow"}};
  diagnosis.fixes = {fix_between("the tunnel is tried again for ever; see whether the path is up")};
  return diagnosis;
}

}  // namespace

Diagnosis diagnose_reach(const Evidence& seen, const Context& context) {
  const std::string remote = context.peer != nullptr ? context.peer->remote : remote_of(seen);
  switch (seen.symptom) {
    case Symptom::init_unanswered: return no_answer(seen, context);
    case Symptom::auth_unanswered: return auth_unanswered(seen, context);
    case Symptom::auth_missing: return auth_missing(seen);
    case Symptom::peer_silent: return peer_silent(seen);
    case Symptom::name_unresolved: {
      Diagnosis diagnosis{Code::name_unresolved, Certainty::proven, {}, {}, {}, {}};
      diagnosis.cause =
          fmt::format("the name {} has no address, says this host's resolver", remote);
      diagnosis.fixes = {
          fix_ours(context, "write a name that resolves, or the address, as remote")};
      return diagnosis;
    }
    case Symptom::no_source: {
      Diagnosis diagnosis{Code::no_route, Certainty::proven, {}, {}, {}, {}};
      diagnosis.cause = fmt::format("this host has no route to {}", remote);
      diagnosis.fixes = {fix_ours(context, "add a route; `ip route get " + remote + "` shows it")};
      return diagnosis;
    }
    default: {
      Diagnosis diagnosis{Code::overloaded, Certainty::proven, seen.text, {}, {}, {}};
      diagnosis.fixes = {fix_ours(context, "raise the limit", {})};
      return diagnosis;
    }
  }
}

}  // namespace caponier::explain
