// Changes of SAs as events for those who have registered.

#include "vici/server_impl.h"

namespace caponier::vici {

void Server::Impl::raise_events(const gateway::SaChange& change, base::Instant now) {
  using Kind = gateway::SaChange::Kind;
  if (!change.sa) return;
  const bool is_up = change.kind == Kind::ike_up || change.kind == Kind::child_up;
  MessageWriter out;
  if (is_up) out.value("up", std::string_view{"yes"});
  out.begin_section(section_name(*change.sa));
  const auto write_child = [&](std::string_view name, const gateway::ChildChange& child,
                               std::string_view state) {
    out.begin_section(name);
    describer_.write(out, change.connection, child, state, now);
    out.end_section();
  };
  switch (change.kind) {
    case Kind::ike_up:
    case Kind::ike_down:
      describer_.write(out, *change.sa, now);
      out.end_section();
      return raise(EventName::ike_updown, out.text());
    case Kind::ike_rekeyed:
      for (const auto& [name, sa] :
           {std::pair{"old", &change.old_sa}, std::pair{"new", &change.sa}}) {
        if (!*sa) continue;
        out.begin_section(name);
        describer_.write(out, **sa, now);
        out.end_section();
      }
      out.end_section();
      return raise(EventName::ike_rekey, out.text());
    case Kind::child_up:
    case Kind::child_down: {
      if (!change.child) return;
      const bool goes_alone =
          change.kind == Kind::child_down && change.sa->state != ike::IkeState::dead;
      describer_.write(out, *change.sa, now);
      out.begin_section("child-sas");
      write_child(section_name(change.child->sa), *change.child,
                  goes_alone ? "DELETED" : "INSTALLED");
      out.end_section().end_section();
      return raise(EventName::child_updown, out.text());
    }
    case Kind::child_rekeyed:
      describer_.write(out, *change.sa, now);
      out.begin_section("child-sas").begin_section(change.child_name);
      if (change.old_child) write_child("old", *change.old_child, "REKEYED");
      write_child("new", *change.child, "INSTALLED");
      out.end_section().end_section().end_section();
      return raise(EventName::child_rekey, out.text());
    case Kind::ike_moved: return raise_moved(change, now);
    case Kind::ike_failed:
    case Kind::child_failed: return;
  }
}

void Server::Impl::raise_moved(const gateway::SaChange& change, base::Instant now) {
  const base::Path& path = change.sa->path;
  const auto known = described_.find(change.sa->id);
  if (known != described_.end() && known->second.path == path) return;
  MessageWriter out;
  out.value("local-host", path.local.address.to_string());
  out.value("local-port", unsigned{path.local.port});
  out.value("remote-host", path.remote.address.to_string());
  out.value("remote-port", unsigned{path.remote.port});
  out.begin_section(section_name(*change.sa));
  describer_.write(out, *change.sa, now);
  out.end_section();
  raise(EventName::ike_update, out.text());
}

}  // namespace caponier::vici
