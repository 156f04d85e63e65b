// Whatever an HTTP server says: cuts do not matter, memory is bounded, one answer comes, and no
// other host is asked than a redirect has named.

#include <algorithm>
#include <string_view>
#include <vector>

#include "fuzz/fuzz.h"
#include "io/http/http_client.h"

namespace {

using namespace caponier;
using namespace std::chrono_literals;
using fuzz::require;

constexpr std::size_t header_max = 512;
constexpr std::size_t body_max = 1024;
constexpr unsigned redirects_max = 3;

struct Outcome {
  std::vector<gateway::HttpAnswer> answers;
  std::size_t opened = 0;
};

/// The server says `stream` to each who connects, in pieces of `step` octets, or as a whole when 0.
Outcome talk(base::Bytes stream, std::size_t step) {
  io::HttpLimits limits;
  limits.header_size_max = header_max;
  limits.redirects_max = redirects_max;
  io::HttpClient client{limits};
  base::Instant now{1h};
  Outcome outcome;
  io::HttpStream present = 0;
  const auto drain = [&] {
    while (auto action = client.poll_action()) {
      if (const auto* const open = std::get_if<io::HttpClient::Open>(&*action)) {
        present = open->stream;
        ++outcome.opened;
      } else if (const auto* const resolve = std::get_if<io::HttpClient::Resolve>(&*action)) {
        client.handle_lookup(resolve->stream, {base::IpAddress::v4(0xc0000201U)}, now);
      } else if (auto* const answer = std::get_if<gateway::HttpAnswer>(&*action)) {
        outcome.answers.push_back(std::move(*answer));
      }
    }
  };
  client.handle_request({1, "http://192.0.2.1/x", {}, {}, body_max, 60s, true}, now);
  drain();
  for (std::size_t opened = 0; outcome.answers.empty() && opened < outcome.opened;) {
    opened = outcome.opened;
    const io::HttpStream server = present;
    client.handle_opened(server, now);
    drain();
    for (base::Bytes rest = stream; !rest.empty() && outcome.answers.empty();) {
      const base::Bytes piece = step == 0 ? rest : rest.first(std::min(step, rest.size()));
      rest = rest.subspan(piece.size());
      client.handle_octets(server, piece, now);
      drain();
    }
    if (outcome.opened == opened) client.handle_closed(server, now);
    drain();
  }
  client.handle_deadline(now + 60s);
  drain();
  require(client.size() == 0, "nothing is left");
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const base::Bytes input = fuzz::bytes_of(data, size);
  const Outcome whole = talk(input.subspan(1), 0);
  const Outcome pieces = talk(input.subspan(1), 1 + data[0]);
  for (const Outcome* const one : {&whole, &pieces}) {
    require(one->answers.size() == 1, "one answer");
    require(one->opened <= redirects_max + 1, "redirects are bounded");
    const auto& content = one->answers.front().content;
    require(!content || content->size() <= body_max, "the document is bounded");
  }
  const auto& a = whole.answers.front().content;
  const auto& b = pieces.answers.front().content;
  require(!a || !b || *a == *b, "cuts do not matter");
  require(a.has_value() == b.has_value(), "as a whole as in pieces");
  return 0;
}
