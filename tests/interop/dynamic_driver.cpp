// Answers Disconnect and CoA requests: one session there is, of "alice". Says "ready" and each
// request, and runs until it is killed.
//
// usage: dynamic_driver ADDRESS PORT SECRET CLIENT_ADDRESS

#include <poll.h>

#include <charconv>
#include <iostream>

#include "crypto/openssl/legacy.h"
#include "io/os/clock.h"
#include "io/radius/radius_sockets.h"
#include "radius/dynamic.h"

namespace {

using namespace caponier;

radius::ErrorCause judge(const radius::DynamicRequest& request) {
  std::cout << (request.is_disconnect ? "disconnect " : "coa ") << request.session.user_name;
  if (request.changes.session_timeout_seconds) {
    std::cout << " timeout=" << *request.changes.session_timeout_seconds;
  }
  std::cout << std::endl;
  return request.session.user_name == "alice" ? radius::ErrorCause::none
                                              : radius::ErrorCause::session_context_not_found;
}

int serve(const base::Endpoint& local, radius::DynamicAuthorization& machine) {
  const auto socket = io::open_radius_listener(local, 0);
  if (!socket) {
    std::cerr << socket.error().message << std::endl;
    return 1;
  }
  std::cout << "ready" << std::endl;
  for (;;) {
    pollfd polled{socket->get(), POLLIN, 0};
    ::poll(&polled, 1, -1);
    for (const auto& datagram : io::RadiusSockets::receive(socket->get())) {
      const auto seconds = static_cast<std::uint32_t>(io::unix_microseconds_now() / 1'000'000);
      machine.handle_datagram(datagram.from, datagram.data, {seconds});
    }
    while (auto action = machine.poll_action()) {
      if (const auto* request = std::get_if<radius::DynamicRequest>(&*action)) {
        machine.answer(request->id, judge(*request));
      } else {
        const auto& transmit = std::get<radius::DynamicTransmit>(*action);
        io::send_radius_answer(socket->get(), transmit.to, transmit.datagram);
      }
    }
  }
}

}  // namespace

int main(int count, char** values) {
  if (count != 5) return 2;
  const auto address = base::IpAddress::parse(values[1]);
  const auto client = base::IpAddress::parse(values[4]);
  if (!address || !client) return 2;
  base::Endpoint local{*address, 0};
  const std::string_view port = values[2];
  std::from_chars(port.data(), port.data() + port.size(), local.port);
  radius::DynamicSettings settings;
  settings.clients.push_back(
      {*client, base::SecretBytes{base::as_bytes(std::string_view{values[3]})}});
  radius::NasAttributes nas;
  nas.identifier = "interop";
  const crypto::OpensslLegacy legacy;
  radius::DynamicAuthorization machine{std::move(settings), nas, legacy};
  return serve(local, machine);
}
