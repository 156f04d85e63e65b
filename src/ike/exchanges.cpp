#include "ike/exchanges.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"

namespace caponier::ike {

namespace {

using Column = std::pair<wire::PayloadType, Presence ExchangeRow::*>;

constexpr std::array<Column, 10> columns = {{
    {wire::PayloadType::sa, &ExchangeRow::sa},
    {wire::PayloadType::ke, &ExchangeRow::ke},
    {wire::PayloadType::nonce, &ExchangeRow::nonce},
    {wire::PayloadType::id_i, &ExchangeRow::id_i},
    {wire::PayloadType::id_r, &ExchangeRow::id_r},
    {wire::PayloadType::auth, &ExchangeRow::auth},
    {wire::PayloadType::eap, &ExchangeRow::eap},
    {wire::PayloadType::ts_i, &ExchangeRow::ts_i},
    {wire::PayloadType::ts_r, &ExchangeRow::ts_r},
    {wire::PayloadType::delete_, &ExchangeRow::delete_},
}};

const ExchangeRow& row_of(Shape shape) {
  const auto* const row = std::ranges::find(exchange_table, shape, &ExchangeRow::shape);
  CAPONIER_ASSERT(row != std::end(exchange_table));
  return *row;
}

bool is_response_shape(Shape shape) {
  return shape == Shape::init_response || shape == Shape::resume_response ||
         shape == Shape::auth_response || shape == Shape::auth_round_response ||
         shape == Shape::child_response || shape == Shape::rekey_ike_response;
}

}  // namespace

std::string_view name_of(Shape shape) {
  switch (shape) {
    case Shape::init_request: return "IKE_SA_INIT request";
    case Shape::init_response: return "IKE_SA_INIT response";
    case Shape::resume_request: return "IKE_SESSION_RESUME request";
    case Shape::resume_response: return "IKE_SESSION_RESUME response";
    case Shape::auth_request: return "IKE_AUTH request";
    case Shape::auth_response: return "IKE_AUTH response";
    case Shape::auth_again_request: return "IKE_AUTH request of another round";
    case Shape::auth_round_request: return "IKE_AUTH request of EAP";
    case Shape::auth_round_response: return "IKE_AUTH response of EAP";
    case Shape::child_request: return "CREATE_CHILD_SA request";
    case Shape::child_response: return "CREATE_CHILD_SA response";
    case Shape::rekey_ike_request: return "CREATE_CHILD_SA request for the IKE SA";
    case Shape::rekey_ike_response: return "CREATE_CHILD_SA response for the IKE SA";
    case Shape::informational: return "INFORMATIONAL";
  }
  return "unknown";
}

std::string_view name_of(Presence presence) {
  switch (presence) {
    case Presence::required: return "must";
    case Presence::optional: return "may";
    case Presence::forbidden: return "no";
  }
  return "unknown";
}

//= rfc7296#1.7-5 rfc7296#2.5-11
std::optional<std::string> fault_in(Shape shape, const std::vector<wire::Payload>& payloads) {
  const ExchangeRow& row = row_of(shape);
  const bool refused = is_response_shape(shape) && find_error(payloads) != nullptr;
  for (const auto& [type, member] : columns) {
    const auto count = std::ranges::count_if(
        payloads,
        [wanted = type](const wire::Payload& payload) { return wire::type_of(payload) == wanted; });
    if (count == 0 && row.*member == Presence::required && !refused) {
      return fmt::format("{} is missing", wire::name_of(type));
    }
    if (count > 0 && row.*member == Presence::forbidden) {
      return fmt::format("{} must not be there", wire::name_of(type));
    }
    if (count > 1 && type != wire::PayloadType::delete_) {
      return fmt::format("{} comes {} times", wire::name_of(type), count);
    }
  }
  return std::nullopt;
}

//= rfc7296#2.5-7 rfc7296#2.5-9
std::optional<wire::PayloadType> unknown_critical(const std::vector<wire::Payload>& payloads) {
  for (const wire::Payload& payload : payloads) {
    const auto* const unknown = std::get_if<wire::UnknownPayload>(&payload);
    if (unknown != nullptr && unknown->critical) return unknown->type;
  }
  return std::nullopt;
}

const wire::NotifyPayload* find_error(const std::vector<wire::Payload>& payloads) {
  for (const wire::Payload& payload : payloads) {
    const auto* const notify = std::get_if<wire::NotifyPayload>(&payload);
    if (notify != nullptr && wire::is_error(notify->type)) return notify;
  }
  return nullptr;
}

std::string print_exchanges() {
  std::string text = fmt::format("{:<39}", "");
  for (const auto& [type, member] : columns) text += fmt::format("  {:<6}", wire::name_of(type));
  text += "  RFC 7296\n";
  for (const ExchangeRow& row : exchange_table) {
    text += fmt::format("{:<39}", name_of(row.shape));
    for (const auto& [type, member] : columns) {
      text += fmt::format("  {:<6}", name_of(row.*member));
    }
    text += fmt::format("  {}\n", row.section);
  }
  return text;
}

}  // namespace caponier::ike
