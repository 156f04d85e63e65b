#include "vici/describe.h"

#include <fmt/format.h>

#include <algorithm>

#include "vici/names.h"

namespace caponier::vici {
namespace {

std::uint64_t seconds(base::Duration duration) {
  const auto whole = std::chrono::duration_cast<std::chrono::seconds>(duration).count();
  return whole < 0 ? 0 : static_cast<std::uint64_t>(whole);
}

void write_yes(MessageWriter& out, std::string_view key, bool is_so) {
  if (is_so) out.value(key, std::string_view{"yes"});
}

void write_until(MessageWriter& out, std::string_view key, std::optional<base::Instant> at,
                 base::Instant now) {
  if (at) out.value(key, seconds(*at - now));
}

void write_cipher(MessageWriter& out, const crypto::CipherSuite& cipher) {
  if (cipher.encr != crypto::EncrId{} || cipher.integ == crypto::IntegId::none) {
    out.value("encr-alg", name_of(cipher.encr));
    if (cipher.key_bits != 0) out.value("encr-keysize", unsigned{cipher.key_bits});
  }
  if (cipher.integ != crypto::IntegId::none) out.value("integ-alg", name_of(cipher.integ));
}

void write_tasks(MessageWriter& out, std::string_view key, const std::vector<ike::Task>& tasks) {
  if (tasks.empty()) return;
  out.begin_list(key);
  for (const ike::Task task : tasks) out.item(task_name(task));
  out.end_list();
}

}  // namespace

unsigned RequestIds::of(const std::string& connection, const std::string& child) {
  const auto [at, is_new] = known_.try_emplace({connection, child}, last_ + 1);
  if (is_new) ++last_;
  return at->second;
}

void RequestIds::forget(const std::string& connection) {
  std::erase_if(known_, [&](const auto& entry) { return entry.first.first == connection; });
}

void Describer::write(MessageWriter& out, const ike::IkeSaInfo& sa, base::Instant now) const {
  const bool is_known = sa.established_at.has_value();
  out.value("uniqueid", sa.id.value).value("version", std::string_view{"2"});
  out.value("state", state_name(sa));
  out.value("local-host", sa.path.local.address.to_string());
  out.value("local-port", unsigned{sa.path.local.port});
  out.value("local-id", identity_text(is_known ? sa.local_id : std::nullopt, pki_));
  out.value("remote-host", sa.path.remote.address.to_string());
  out.value("remote-port", unsigned{sa.path.remote.port});
  const std::string remote_id = identity_text(is_known ? sa.remote_id : std::nullopt, pki_);
  out.value("remote-id", remote_id);
  if (!sa.user.empty() && sa.user != remote_id) out.value("remote-eap-id", sa.user);
  write_yes(out, "initiator", sa.initiator);
  out.value("initiator-spi", spi_text(sa.spi_i)).value("responder-spi", spi_text(sa.spi_r));
  write_yes(out, "nat-local", sa.local_behind_nat);
  write_yes(out, "nat-remote", sa.remote_behind_nat);
  write_yes(out, "nat-fake", sa.fakes_nat);
  write_yes(out, "nat-any", sa.local_behind_nat || sa.remote_behind_nat || sa.fakes_nat);
  if (sa.suite) {
    write_cipher(out, sa.suite->cipher);
    out.value("prf-alg", name_of(sa.suite->prf)).value("dh-group", name_of(sa.suite->ke));
  }
  if (is_known && state_name(sa) == "ESTABLISHED") {
    out.value("established", seconds(now - *sa.established_at));
    write_until(out, "rekey-time", sa.rekey_at, now);
    write_until(out, "reauth-time", sa.reauth_at, now);
  }
  if (!sa.inner.empty()) {
    out.begin_list(sa.initiator ? "local-vips" : "remote-vips");
    for (const base::IpAddress& address : sa.inner) out.item(address.to_string());
    out.end_list();
  }
  write_tasks(out, "tasks-queued", sa.queued);
  write_tasks(out, "tasks-active", sa.active);
}

void Describer::write(MessageWriter& out, const std::string& connection,
                      const gateway::ChildChange& whole, std::string_view state,
                      base::Instant now) const {
  const ike::ChildSaInfo& child = whole.sa;
  const ipsec::SaCounters& counters = whole.counters;
  const bool is_ah = child.protocol == policy::SaProtocol::ah;
  out.value("name", child.name).value("uniqueid", child.id.value);
  out.value("reqid", ids_.of(connection, child.name));
  out.value("state", state).value("mode", mode_name(child.mode));
  out.value("protocol", std::string_view{is_ah ? "AH" : "ESP"});
  write_yes(out, "encap", child.udp_encap);
  out.value("spi-in", spi_text(child.spi_in)).value("spi-out", spi_text(child.spi_out));
  if (is_ah) {
    out.value("integ-alg", name_of(child.suite.cipher.integ));
  } else {
    write_cipher(out, child.suite.cipher);
  }
  if (child.suite.ke != crypto::KeGroup::none) out.value("dh-group", name_of(child.suite.ke));
  if (child.suite.esn) out.value("esn", std::string_view{"1"});
  out.value("bytes-in", counters.bytes_in).value("packets-in", counters.packets_in);
  if (counters.last_in) out.value("use-in", seconds(now - *counters.last_in));
  out.value("bytes-out", counters.bytes_out).value("packets-out", counters.packets_out);
  if (counters.last_out) out.value("use-out", seconds(now - *counters.last_out));
  write_until(out, "rekey-time", child.rekey_at, now);
  write_until(out, "life-time", child.expires_at, now);
  out.value("install-time", seconds(now - child.established_at));
  out.list("local-ts", selector_texts(child.local));
  out.list("remote-ts", selector_texts(child.remote));
}

std::string Describer::list_sa(const gateway::SaStatus& status, const Filter& filter,
                               base::Instant now) const {
  MessageWriter out;
  out.begin_section(section_name(status.ike));
  write(out, status.ike, now);
  out.begin_section("child-sas");
  for (std::size_t i = 0; i < status.ike.children.size(); ++i) {
    const ike::ChildSaInfo& child = status.ike.children[i];
    if (!filter.child.empty() && filter.child != child.name) continue;
    if (filter.child_id && *filter.child_id != child.id.value) continue;
    out.begin_section(section_name(child));
    write(out, status.ike.connection, {child, status.counters[i]}, state_name(child.state), now);
    out.end_section();
  }
  out.end_section().end_section();
  return out.take();
}

std::string section_name(const ike::IkeSaInfo& sa) {
  return sa.connection.empty() ? "(unnamed)" : sa.connection;
}

std::string section_name(const ike::ChildSaInfo& child) {
  return fmt::format("{}-{}", child.name, child.id.value);
}

}  // namespace caponier::vici
