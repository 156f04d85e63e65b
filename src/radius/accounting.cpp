#include "radius/accounting.h"

#include <algorithm>

namespace caponier::radius {
namespace {

enum class StatusType : std::uint32_t { start = 1, stop = 2, interim_update = 3 };
constexpr std::uint32_t authentic_radius = 1;

void add_u32(Request& request, AttributeType type, std::uint32_t value) {
  ByteVec octets(sizeof value);
  base::store_be(octets.data(), value);
  request.attributes.push_back({type, std::move(octets)});
}

void add_octets(Request& request, AttributeType type, Bytes value) {
  const Bytes fitting = value.first(std::min(value.size(), attribute_value_max));
  if (!fitting.empty()) request.attributes.push_back({type, base::to_vec(fitting)});
}

/// A counter of 64 bits in two attributes (RFC 2869 s5.1).
void add_octet_count(Request& request, AttributeType low, AttributeType high, std::uint64_t value) {
  add_u32(request, low, static_cast<std::uint32_t>(value));
  add_u32(request, high, static_cast<std::uint32_t>(value >> 32U));
}

void add_framed(Request& request, const base::IpAddress& address) {
  add_octets(
      request,
      address.is_v4() ? AttributeType::framed_ip_address : AttributeType::framed_ipv6_address,
      address.bytes());
}

Request make_request(const AccountingSettings& settings, StatusType status, UnixSeconds at) {
  Request request;
  request.code = Code::accounting_request;
  add_u32(request, AttributeType::acct_status_type, static_cast<std::uint32_t>(status));
  add_octets(request, AttributeType::acct_session_id, base::as_bytes(settings.session_id));
  add_octets(request, AttributeType::user_name, base::as_bytes(settings.user_name));
  add_u32(request, AttributeType::acct_authentic, authentic_radius);
  add_nas_attributes(request.attributes, settings.nas);
  for (const base::IpAddress& address : settings.framed_addresses) add_framed(request, address);
  for (const ByteVec& each : settings.classes) add_octets(request, AttributeType::class_, each);
  // Instead of Acct-Delay-Time, which would make every repetition a new request.
  add_u32(request, AttributeType::event_timestamp, at.value);
  return request;
}

void add_usage(Request& request, const Usage& usage, base::Duration lasted) {
  add_u32(
      request, AttributeType::acct_session_time,
      static_cast<std::uint32_t>(std::chrono::duration_cast<std::chrono::seconds>(lasted).count()));
  add_octet_count(request, AttributeType::acct_input_octets, AttributeType::acct_input_gigawords,
                  usage.input_octets);
  add_octet_count(request, AttributeType::acct_output_octets, AttributeType::acct_output_gigawords,
                  usage.output_octets);
  add_u32(request, AttributeType::acct_input_packets,
          static_cast<std::uint32_t>(usage.input_packets));
  add_u32(request, AttributeType::acct_output_packets,
          static_cast<std::uint32_t>(usage.output_packets));
}

}  // namespace

AccountingSession::AccountingSession(AccountingSettings settings, Instant now)
    : settings_(std::move(settings)), since_(now) {
  if (settings_.interim_interval == base::Duration{}) return;
  settings_.interim_interval = std::max(settings_.interim_interval, interim_interval_min);
  next_interim_ = now + settings_.interim_interval;
}

Request AccountingSession::start(UnixSeconds at) const {
  return make_request(settings_, StatusType::start, at);
}

std::optional<base::Deadline> AccountingSession::poll_deadline() const {
  if (!next_interim_) return std::nullopt;
  return base::Deadline{*next_interim_, "an interim update of accounting is due"};
}

Request AccountingSession::interim(const Usage& usage, UnixSeconds at, Instant now) {
  if (next_interim_) next_interim_ = now + settings_.interim_interval;
  Request request = make_request(settings_, StatusType::interim_update, at);
  add_usage(request, usage, now - since_);
  return request;
}

Request AccountingSession::stop(const Usage& usage, TerminateCause cause, UnixSeconds at,
                                Instant now) const {
  Request request = make_request(settings_, StatusType::stop, at);
  add_usage(request, usage, now - since_);
  add_u32(request, AttributeType::acct_terminate_cause, static_cast<std::uint32_t>(cause));
  return request;
}

}  // namespace caponier::radius
