#include "control/metrics_compat.h"

#include <map>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/event.h"

namespace caponier::control {
namespace {

/// CREATED, CONNECTING, ESTABLISHED, PASSIVE, REKEYING, REKEYED, DELETING, DESTROYING.
int number_of(const ike::IkeSaInfo& sa) {
  switch (sa.state) {
    case ike::IkeState::init_sent:
    case ike::IkeState::init_answered:
    case ike::IkeState::auth_pending:
    case ike::IkeState::auth_sent:
    case ike::IkeState::auth_answered: return 1;
    case ike::IkeState::established: return sa.is_replaced ? 5 : 2;
    case ike::IkeState::deleting: return 6;
    case ike::IkeState::dead: break;
  }
  return 7;
}

/// CREATED, ROUTED, INSTALLING, INSTALLED, UPDATING, REKEYING, REKEYED, RETRYING, DELETING,
/// DELETED, DESTROYING.
int number_of(ike::ChildState state) {
  switch (state) {
    case ike::ChildState::installed: return 3;
    case ike::ChildState::rekeying: return 5;
    case ike::ChildState::replaced: return 6;
    case ike::ChildState::deleting: break;
  }
  return 8;
}

struct IkeLabels {
  explicit IkeLabels(const ike::IkeSaInfo& sa)
      : name(sa.connection),
        uid(std::to_string(sa.id.value)),
        local_host(sa.path.local.address.to_string()),
        remote_host(sa.path.remote.address.to_string()),
        local_id(sa.local_id ? base::printable(sa.local_id->to_string()) : ""),
        remote_id(sa.remote_id ? base::printable(sa.remote_id->to_string()) : ""),
        remote_identity(base::printable(sa.user)) {
    std::vector<std::string> addresses;
    for (const base::IpAddress& address : sa.inner) addresses.push_back(address.to_string());
    vips = fmt::format("{}", fmt::join(addresses, ", "));
  }
  std::string name, uid, local_host, remote_host, local_id, remote_id, remote_identity, vips;
};

std::string text_of(const policy::TrafficSelectors& selectors) {
  std::vector<std::string> each;
  for (const policy::TrafficSelector& one : selectors) each.push_back(one.to_string());
  return fmt::format("{}", fmt::join(each, ", "));
}

struct ChildLabels {
  ChildLabels(const ike::ChildSaInfo& child, std::size_t number)
      : uid(std::to_string(child.id.value)),
        reqid(std::to_string(number)),
        mode(child.mode == policy::SaMode::transport ? "TRANSPORT"
             : child.mode == policy::SaMode::beet    ? "BEET"
                                                     : "TUNNEL"),
        protocol(child.protocol == policy::SaProtocol::ah ? "AH" : "ESP"),
        local_ts(text_of(child.local)),
        remote_ts(text_of(child.remote)) {}
  std::string uid, reqid;
  std::string_view mode, protocol;
  std::string local_ts, remote_ts;
};

/// One row of what follows: an IKE SA, and one of its children.
struct Row {
  const gateway::SaStatus* sa = nullptr;
  std::size_t child = 0;
  std::size_t number = 0;  ///< of the configured child, as a request ID
};

class Compat {
 public:
  Compat(MetricsWriter& out, const gateway::Gateway& gateway, base::Instant now)
      : out_(out), now_(now) {
    for (const ike::IkeSaId id : gateway.sa_ids()) {
      if (auto status = gateway.find_sa(id)) sas_.push_back(std::move(*status));
    }
    std::map<std::pair<std::string, std::string>, std::size_t> known;
    for (const gateway::SaStatus& sa : sas_) {
      for (std::size_t i = 0; i < sa.ike.children.size(); ++i) {
        const std::pair key{sa.ike.connection, sa.ike.children[i].name};
        const std::size_t number = known.try_emplace(key, known.size() + 1).first->second;
        rows_.push_back({&sa, i, number});
      }
    }
  }

  void write_ike() {
    each_ike(
        "ipsec_ike_sa_state",
        "State of an IKE SA: 1 connecting, 2 established, 5 replaced, 6 being deleted, 7 over.",
        [](const ike::IkeSaInfo& sa) { return std::optional{number_of(sa)}; });
    each_ike("ipsec_ike_sa_established_seconds", "How long the IKE SA has been up.",
             [this](const ike::IkeSaInfo& sa) -> std::optional<std::uint64_t> {
               if (!sa.established_at) return std::nullopt;
               return whole_seconds(now_ - *sa.established_at);
             });
  }

  void write_children() {
    using ipsec::SaCounters;
    each_child("ipsec_child_sa_state",
               "State of a Child SA: 3 installed, 5 being rekeyed, 6 replaced, 8 being deleted.",
               [](const ike::ChildSaInfo& child, const SaCounters&) -> std::uint64_t {
                 return static_cast<std::uint64_t>(number_of(child.state));
               });
    each_child("ipsec_child_sa_bytes_in", "Inner bytes that came out of this SA.",
               [](const ike::ChildSaInfo&, const SaCounters& all) { return all.bytes_in; });
    each_child("ipsec_child_sa_packets_in", "Packets that came out of this SA.",
               [](const ike::ChildSaInfo&, const SaCounters& all) { return all.packets_in; });
    each_child("ipsec_child_sa_bytes_out", "Inner bytes that went into this SA.",
               [](const ike::ChildSaInfo&, const SaCounters& all) { return all.bytes_out; });
    each_child("ipsec_child_sa_packets_out", "Packets that went into this SA.",
               [](const ike::ChildSaInfo&, const SaCounters& all) { return all.packets_out; });
    each_child("ipsec_child_sa_installed_seconds", "How long the SA has been there.",
               [this](const ike::ChildSaInfo& child, const SaCounters&) {
                 return whole_seconds(now_ - child.established_at);
               });
  }

 private:
  static std::uint64_t whole_seconds(base::Duration time) {
    return static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::seconds>(time).count());
  }

  template <class Value>
  void each_ike(std::string_view name, std::string_view help, Value value) {
    out_.family(name, "gauge", help);
    for (const gateway::SaStatus& sa : sas_) {
      const auto number = value(sa.ike);
      if (!number) continue;
      const IkeLabels of{sa.ike};
      out_.sample({{"local_host", of.local_host},
                   {"local_id", of.local_id},
                   {"name", of.name},
                   {"remote_host", of.remote_host},
                   {"remote_id", of.remote_id},
                   {"remote_identity", of.remote_identity},
                   {"uid", of.uid},
                   {"version", "2"},
                   {"vips", of.vips}},
                  *number);
    }
  }

  template <class Value>
  void each_child(std::string_view name, std::string_view help, Value value) {
    out_.family(name, "gauge", help);
    for (const Row& row : rows_) {
      const ike::ChildSaInfo& child = row.sa->ike.children[row.child];
      const IkeLabels ike{row.sa->ike};
      const ChildLabels of{child, row.number};
      const ipsec::SaCounters counters =
          row.child < row.sa->counters.size() ? row.sa->counters[row.child] : ipsec::SaCounters{};
      out_.sample({{"ike_sa_local_host", ike.local_host},
                   {"ike_sa_local_id", ike.local_id},
                   {"ike_sa_name", ike.name},
                   {"ike_sa_remote_host", ike.remote_host},
                   {"ike_sa_remote_id", ike.remote_id},
                   {"ike_sa_remote_identity", ike.remote_identity},
                   {"ike_sa_uid", ike.uid},
                   {"ike_sa_version", "2"},
                   {"ike_sa_vips", ike.vips},
                   {"local_ts", of.local_ts},
                   {"mode", of.mode},
                   {"name", child.name},
                   {"protocol", of.protocol},
                   {"remote_ts", of.remote_ts},
                   {"reqid", of.reqid},
                   {"uid", of.uid}},
                  value(child, counters));
    }
  }

  MetricsWriter& out_;
  base::Instant now_;
  std::vector<gateway::SaStatus> sas_;
  std::vector<Row> rows_;
};

}  // namespace

void write_compat_metrics(MetricsWriter& out, const gateway::Gateway& gateway, const Daemon& daemon,
                          base::Instant now) {
  const auto gauge = [&](std::string_view name, std::string_view help, auto value) {
    out.family(name, "gauge", help);
    out.sample({}, value);
  };
  const Usage usage = daemon.usage();
  gauge("ipsec_up", "Always 1: whoever reads this has reached the daemon.", 1);
  gauge("ipsec_uptime_seconds", "How long the daemon has been running.",
        base::seconds_of(now - usage.started));
  gauge("ipsec_workers_total", "Workers of the data plane.", usage.workers.size());
  gauge("ipsec_ike_sas", "IKE SAs in any state.", gateway.sa_ids().size());
  gauge("ipsec_half_open_ike_sas", "IKE SAs whose peer has proved nothing yet.",
        gateway.half_open());
  Compat compat{out, gateway, now};
  compat.write_ike();
  compat.write_children();
}

}  // namespace caponier::control
