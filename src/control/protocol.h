#pragma once
// What both ends of the control socket agree on. See control.h for the documents.

#include <cstddef>
#include <cstdint>

namespace caponier::control {

inline constexpr int protocol_version = 1;
inline constexpr std::size_t request_size_max = 65536;
inline constexpr std::size_t event_history_max = 1000;
inline constexpr std::size_t clients_max = 64;
inline constexpr std::size_t client_backlog_max = 4 << 20;  ///< bytes waiting for a slow client
inline constexpr std::uint64_t ping_count_max = 1000;
inline constexpr std::uint64_t trace_number_max = 1'000'000;  ///< of sample and count
inline constexpr std::uint64_t wait_milliseconds_max = 600'000;

/// The exit codes of caponier and caponierd, and `code` of an error on the socket.
enum class ExitCode : std::uint8_t {
  ok = 0,
  generic = 1,
  usage = 2,
  configuration = 3,  ///< invalid
  peer = 4,           ///< refused us, or authentication failed
  network = 5,        ///< or time-out
  not_running = 6,    ///< no daemon behind the socket
  permission = 7,
  not_found = 8,
  degraded = 9,  ///< something configured is down
};

}  // namespace caponier::control
