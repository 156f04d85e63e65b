#include "daemon/proof_side.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "io/os/clock.h"

namespace caponier::daemon {

namespace {
pki::UnixTime wall_clock() {
  constexpr std::int64_t microseconds_per_second = 1'000'000;
  return {io::unix_microseconds_now() / microseconds_per_second};
}
}  // namespace

io::Io<std::unique_ptr<ProofSide>> ProofSide::open(const Options& options,
                                                   const pki::PkiProvider& pki, io::Loop& loop) {
  auto http = TRY(io::HttpDriver::start(io::HttpLimits{}, options.own_mark, loop));
  return std::unique_ptr<ProofSide>{new ProofSide{options, pki, std::move(http)}};
}

ProofSide::ProofSide(const Options& options, const pki::PkiProvider& pki,
                     std::unique_ptr<io::HttpDriver> http)
    : desk_(&pki), http_(std::move(http)), kept_(options.state_dir + "/crls") {}

void ProofSide::apply(std::shared_ptr<const config::Config> config, base::Instant now) {
  const bool has_store = config->store != nullptr;
  expiries_.apply(*config, now, wall_clock());
  desk_.apply(std::move(config));
  if (!has_store || std::exchange(is_restored_, true)) return;
  for (const gateway::KeepCrl& crl : kept_.load()) {
    static_cast<void>(desk_.restore(crl, wall_clock()));
  }
}

void ProofSide::handle(ike::AuthRequest request, base::Instant now) {
  desk_.handle(std::move(request), now, wall_clock());
}

void ProofSide::note(const ike::AuthRequest& request, base::Instant now) {
  desk_.note(request, now, wall_clock());
}

void ProofSide::complete(ike::AuthReply reply, base::Instant now) {
  desk_.complete(std::move(reply), now, wall_clock());
}

std::optional<base::Event> ProofSide::poll_event() {
  auto event = desk_.poll_event();
  return event ? std::move(event) : expiries_.poll_event();
}

void ProofSide::handle_deadline(base::Instant now) {
  expiries_.handle_deadline(now, wall_clock());
  http_->handle_deadline(now);
  const auto deadline = desk_.poll_deadline();
  if (deadline && deadline->at <= now) desk_.handle_deadline(now, wall_clock());
  carry(now);
}

void ProofSide::carry(base::Instant now) {
  while (auto request = desk_.poll_request()) http_->handle_request(std::move(*request), now);
  while (const auto answer = http_->poll_answer()) {
    desk_.handle_answer(*answer, now, wall_clock());
    while (auto request = desk_.poll_request()) http_->handle_request(std::move(*request), now);
  }
  while (const auto crl = desk_.poll_kept()) {
    const auto done = kept_.keep(*crl);
    if (!done) fault_ = fmt::format("{}; {}", done.error().message, done.error().fix);
  }
}

std::optional<base::Instant> ProofSide::poll_deadline() const {
  std::optional<base::Instant> first;
  for (const auto& deadline :
       {desk_.poll_deadline(), http_->poll_deadline(), expiries_.poll_deadline()}) {
    if (deadline && (!first || deadline->at < *first)) first = deadline->at;
  }
  return first;
}

}  // namespace caponier::daemon
