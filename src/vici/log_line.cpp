#include "vici/log_line.h"

#include <fmt/format.h>

#include <algorithm>

#include "vici/names.h"

namespace caponier::vici {
namespace {

std::string_view group_of(base::EventKind kind) {
  const std::string_view name = base::info_of(kind).name;
  if (name.starts_with("ike.") || name.starts_with("child.")) return "IKE";
  if (name.starts_with("daemon.") || name.starts_with("local.")) return "DMN";
  if (name.starts_with("host.")) return "KNL";
  if (name == "audit") return "ESP";
  return "CFG";
}

int level_of(base::Severity severity) {
  switch (severity) {
    case base::Severity::error:
    case base::Severity::warning:
    case base::Severity::notice:
    case base::Severity::info: return 1;
    case base::Severity::debug: return 2;
  }
  return 1;
}

std::string ends_text(const ike::IkeSaInfo& sa, const pki::PkiProvider* pki) {
  return fmt::format("between {}[{}]...{}[{}]", sa.path.local.address.to_string(),
                     identity_text(sa.local_id, pki), sa.path.remote.address.to_string(),
                     identity_text(sa.remote_id, pki));
}

std::string join(const policy::TrafficSelectors& selectors) {
  return fmt::format("{}", fmt::join(selector_texts(selectors), " "));
}

std::string established_text(const gateway::ChildChange& child) {
  return fmt::format("CHILD_SA {}{{{}}} established with SPIs {}_i {}_o and TS {} === {}",
                     child.sa.name, child.sa.id.value, spi_text(child.sa.spi_in),
                     spi_text(child.sa.spi_out), join(child.sa.local), join(child.sa.remote));
}

std::string closing_text(const gateway::ChildChange& child) {
  return fmt::format(
      "closing CHILD_SA {}{{{}}} with SPIs {}_i ({} bytes) {}_o ({} bytes) and TS {} === {}",
      child.sa.name, child.sa.id.value, spi_text(child.sa.spi_in), child.counters.bytes_in,
      spi_text(child.sa.spi_out), child.counters.bytes_out, join(child.sa.local),
      join(child.sa.remote));
}

std::string field_of(const base::Event& event, std::string_view name) {
  const auto found =
      std::ranges::find(event.fields, name, [](const auto& field) { return field.first; });
  return found == event.fields.end() ? std::string{} : found->second;
}

}  // namespace

std::optional<LogLine> log_line(const base::Event& event) {
  using enum base::EventKind;
  switch (event.kind) {
    case ike_established:
    case ike_rekeyed:
    case child_rekeyed:
    case child_up:
    case child_down: return std::nullopt;
    default: break;
  }
  return LogLine{group_of(event.kind), level_of(base::info_of(event.kind).severity), event.peer,
                 field_of(event, "sa"), event.text};
}

std::vector<LogLine> known_lines(const base::Event& event) {
  using enum base::EventKind;
  std::vector<LogLine> lines;
  const std::string sa = field_of(event, "sa");
  const auto say = [&](std::string text) {
    lines.push_back({"IKE", 1, event.peer, sa, std::move(text)});
  };
  const std::string notify = field_of(event, "notify");
  switch (event.kind) {
    case ike_auth_failed:
    case ike_failed:
      if (!notify.empty()) say(fmt::format("received {} notify error", notify));
      break;
    case ike_no_proposal:
      say(notify.empty() ? "received proposals unacceptable"
                         : fmt::format("received {} notify error", notify));
      break;
    case ike_peer_unknown:
      say(sa.empty() ? "no IKE config found, sending NO_PROPOSAL_CHOSEN"
                     : "no matching peer config found");
      break;
    case ike_timeout:
      if (const std::string count = field_of(event, "retransmits"); !count.empty()) {
        say(fmt::format("giving up after {} retransmits", count));
      }
      break;
    default: break;
  }
  return lines;
}

std::vector<LogLine> log_lines(const gateway::SaChange& change, const pki::PkiProvider* pki) {
  using Kind = gateway::SaChange::Kind;
  std::vector<LogLine> lines;
  const auto say = [&](int level, std::string text) {
    lines.push_back({"IKE", level, change.connection,
                     change.sa ? std::to_string(change.sa->id.value) : std::string{},
                     std::move(text)});
  };
  const auto sa_text = [&] {
    return fmt::format("IKE_SA {}[{}]", change.connection, change.sa->id.value);
  };
  switch (change.kind) {
    case Kind::ike_up:
      say(0, fmt::format("{} established {}", sa_text(), ends_text(*change.sa, pki)));
      break;
    case Kind::ike_rekeyed:
      say(0, fmt::format("{} rekeyed {}", sa_text(), ends_text(*change.sa, pki)));
      break;
    case Kind::ike_down:
      if (!change.sa) break;
      if (change.reason == ike::EndReason::peer_deleted) {
        say(1, fmt::format("received DELETE for {}", sa_text()));
      }
      say(0, fmt::format("deleting {} {}", sa_text(), ends_text(*change.sa, pki)));
      break;
    case Kind::child_up:
    case Kind::child_rekeyed: say(0, established_text(*change.child)); break;
    case Kind::child_down:
      if (change.child) say(0, closing_text(*change.child));
      break;
    case Kind::ike_failed:
      if (change.reason == ike::EndReason::timeout) {
        say(1, "establishing IKE_SA failed, peer not responding");
      }
      break;
    case Kind::child_failed:
      if (change.reason == ike::EndReason::selectors) {
        say(1, "received TS_UNACCEPTABLE notify, no CHILD_SA built");
      }
      if (change.reason == ike::EndReason::no_proposal) {
        say(1, "received NO_PROPOSAL_CHOSEN notify, no CHILD_SA built");
      }
      say(1, fmt::format("establishing CHILD_SA '{}' failed ({})", change.child_name,
                         ike::name_of(change.reason)));
      break;
    case Kind::ike_moved: break;
  }
  return lines;
}

std::string file_line(std::string_view time, const LogLine& line) {
  const bool is_named = !line.connection.empty() && !line.unique_id.empty();
  return fmt::format("{}{}01[{}] {}{}\n", time, time.empty() ? "" : " ", line.group,
                     is_named ? fmt::format("<{}|{}> ", line.connection, line.unique_id) : "",
                     line.text);
}

std::string log_message(const LogLine& line, bool with_thread) {
  MessageWriter out;
  out.value("group", line.group).value("level", std::to_string(line.level));
  if (with_thread) out.value("thread", std::string_view{"1"});
  if (!line.connection.empty()) out.value("ikesa-name", line.connection);
  if (!line.unique_id.empty()) out.value("ikesa-uniqueid", line.unique_id);
  out.value("msg", line.text);
  return out.take();
}

}  // namespace caponier::vici
