#pragma once
// Messages and renewals, counted as people know it from strongSwan: for all, and for each
// connection. Repeated messages are not counted again.

#include <cstdint>
#include <map>
#include <string>

#include "wire/ike.h"

namespace caponier::ike {

struct ExchangeCounters {
  struct Messages {
    std::uint64_t requests_in = 0, responses_in = 0;
    std::uint64_t requests_out = 0, responses_out = 0;
  };
  std::uint64_t ike_rekeys_begun = 0;     ///< by us
  std::uint64_t ike_rekeys_answered = 0;  ///< the peer's
  std::uint64_t child_rekeys = 0;
  std::uint64_t invalid = 0;      ///< messages that do not parse or are not authentic
  std::uint64_t invalid_spi = 0;  ///< for an IKE SA that we do not have
  Messages init, auth, create_child, informational;
};

/// Connections are those that are configured: whoever takes one away says forget().
class CounterBook {
 public:
  enum class Way : std::uint8_t { request_in, response_in, request_out, response_out };

  /// `connection`: empty while it is not known.
  void count(const std::string& connection, wire::ExchangeType exchange, Way way) {
    each(connection, [&](ExchangeCounters& counters) { add(counters, exchange, way); });
  }
  void count_ike_rekey(const std::string& connection, bool is_ours) {
    each(connection, [&](ExchangeCounters& counters) {
      ++(is_ours ? counters.ike_rekeys_begun : counters.ike_rekeys_answered);
    });
  }
  void count_child_rekey(const std::string& connection) {
    each(connection, [](ExchangeCounters& counters) { ++counters.child_rekeys; });
  }
  void count_invalid(const std::string& connection) {
    each(connection, [](ExchangeCounters& counters) { ++counters.invalid; });
  }
  void count_invalid_spi() { ++all_.invalid_spi; }

  [[nodiscard]] const ExchangeCounters& all() const { return all_; }
  [[nodiscard]] const std::map<std::string, ExchangeCounters>& by_connection() const {
    return by_connection_;
  }
  void forget(const std::string& connection) { by_connection_.erase(connection); }
  void reset_all() { all_ = {}; }

 private:
  template <class Change>
  void each(const std::string& connection, const Change& change) {
    change(all_);
    if (!connection.empty()) change(by_connection_[connection]);
  }
  static void add(ExchangeCounters& counters, wire::ExchangeType exchange, Way way) {
    ExchangeCounters::Messages* const messages = find(counters, exchange);
    if (messages == nullptr) return;
    switch (way) {
      case Way::request_in: ++messages->requests_in; break;
      case Way::response_in: ++messages->responses_in; break;
      case Way::request_out: ++messages->requests_out; break;
      case Way::response_out: ++messages->responses_out; break;
    }
  }
  static ExchangeCounters::Messages* find(ExchangeCounters& counters, wire::ExchangeType exchange) {
    switch (exchange) {
      case wire::ExchangeType::ike_sa_init: return &counters.init;
      case wire::ExchangeType::ike_auth: return &counters.auth;
      case wire::ExchangeType::create_child_sa: return &counters.create_child;
      case wire::ExchangeType::informational: return &counters.informational;
      default: return nullptr;
    }
  }

  ExchangeCounters all_;
  std::map<std::string, ExchangeCounters> by_connection_;
};

}  // namespace caponier::ike
