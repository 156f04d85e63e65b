#include "io/dns/resolver.h"

#include <netdb.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <system_error>
#include <thread>

#include "io/os/fd.h"
#include "io/socket/sockaddr.h"

namespace caponier::io {
namespace {

struct Question {
  std::string connection;
  std::string name;
  std::optional<base::Family> family;
};

std::vector<base::IpAddress> resolve(const Question& question) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_DGRAM;
  hints.ai_flags = AI_ADDRCONFIG;
  if (question.family) hints.ai_family = *question.family == base::Family::v4 ? AF_INET : AF_INET6;
  addrinfo* list = nullptr;
  if (::getaddrinfo(question.name.c_str(), nullptr, &hints, &list) != 0) return {};
  std::vector<base::IpAddress> found;
  for (const addrinfo* at = list; at != nullptr; at = at->ai_next) {
    const auto address = SocketAddress::endpoint_of(*at->ai_addr).address;
    if (std::find(found.begin(), found.end(), address) == found.end()) found.push_back(address);
  }
  ::freeaddrinfo(list);
  return found;
}

}  // namespace

struct Resolver::Shared {
  std::mutex mutex;
  std::condition_variable wake;
  std::deque<Question> questions;
  std::vector<LookupAnswer> answers;
  bool stopping = false;
  Fd ready;
};

Resolver::Resolver(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {}
Resolver::Resolver(Resolver&&) noexcept = default;

Io<Resolver> Resolver::start() {
  auto shared = std::make_shared<Shared>();
  shared->ready.reset(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!shared->ready.is_open()) {
    return std::unexpected{error_from_errno("cannot create an eventfd", errno)};
  }
  // Signals belong to the loop's thread.
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  int error = 0;
  try {
    std::thread{[shared] { work(shared); }}.detach();
  } catch (const std::system_error& failure) {
    error = failure.code().value();
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (error != 0) return std::unexpected{error_from_errno("cannot start a thread", error)};
  return Resolver{std::move(shared)};
}

Resolver::~Resolver() {
  if (!shared_) return;
  const std::lock_guard lock{shared_->mutex};
  shared_->stopping = true;
  shared_->wake.notify_one();
}

int Resolver::fd() const { return shared_->ready.get(); }

bool Resolver::lookup(std::string connection, std::string name,
                      std::optional<base::Family> family) {
  const std::lock_guard lock{shared_->mutex};
  if (shared_->questions.size() >= lookups_waiting_max) return false;
  shared_->questions.push_back({std::move(connection), std::move(name), family});
  shared_->wake.notify_one();
  return true;
}

std::vector<LookupAnswer> Resolver::take_answers() {
  eventfd_t ignored = 0;
  static_cast<void>(::eventfd_read(shared_->ready.get(), &ignored));
  const std::lock_guard lock{shared_->mutex};
  return std::exchange(shared_->answers, {});
}

void Resolver::work(const std::shared_ptr<Shared>& shared) {
  std::unique_lock lock{shared->mutex};
  for (;;) {
    shared->wake.wait(lock, [&] { return shared->stopping || !shared->questions.empty(); });
    if (shared->stopping) return;
    const Question question = std::move(shared->questions.front());
    shared->questions.pop_front();
    lock.unlock();
    LookupAnswer answer{question.connection, resolve(question)};
    lock.lock();
    shared->answers.push_back(std::move(answer));
    static_cast<void>(::eventfd_write(shared->ready.get(), 1));
  }
}

}  // namespace caponier::io
