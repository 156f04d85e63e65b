#include "io/loop/loop.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <map>
#include <utility>
#include <vector>

#include "base/error.h"

namespace caponier::io {
namespace {

using boost::system::error_code;
namespace asio = boost::asio;

constexpr int callbacks_per_round_max = 16;

struct Watch {
  explicit Watch(asio::io_context& context) : descriptor(context) {}
  asio::posix::stream_descriptor descriptor;
  Loop::Callback readable;
  Loop::Callback writable;
  bool forgotten = false;
};

void wait_readable(const std::shared_ptr<Watch>& watch) {
  watch->descriptor.async_wait(asio::posix::descriptor_base::wait_read,
                               [watch](const error_code& error) {
                                 if (error || watch->forgotten) return;
                                 watch->readable();
                                 if (!watch->forgotten) wait_readable(watch);
                               });
}

struct SignalWatch {
  SignalWatch(asio::io_context& context, int signal, Loop::Callback wanted)
      : set(context), callback(std::move(wanted)) {
    error_code ignored;
    static_cast<void>(set.add(signal, ignored));
    wait();
  }
  void wait() {
    set.async_wait([this](const error_code& error, int) {
      if (error) return;
      callback();
      wait();
    });
  }
  asio::signal_set set;
  Loop::Callback callback;
};

}  // namespace

class Loop::Impl {
 public:
  asio::io_context context{1};
  asio::steady_timer timer{context};
  std::optional<base::Instant> timer_at;
  std::map<int, std::shared_ptr<Watch>> watches;
  std::vector<std::unique_ptr<SignalWatch>> signals;
  bool stopped = false;
};

Loop::Loop() : impl_(std::make_unique<Impl>()) {}

Loop::~Loop() {
  // Their descriptors belong to others and must not be closed here.
  while (!impl_->watches.empty()) forget(impl_->watches.begin()->first);
}

void Loop::on_readable(int fd, Callback callback) {
  auto watch = std::make_shared<Watch>(impl_->context);
  watch->readable = std::move(callback);
  error_code error;
  static_cast<void>(watch->descriptor.assign(fd, error));
  CAPONIER_ASSERT(!error);
  impl_->watches[fd] = watch;
  wait_readable(watch);
}

void Loop::on_writable_once(int fd, Callback callback) {
  const auto found = impl_->watches.find(fd);
  CAPONIER_ASSERT(found != impl_->watches.end());
  const auto watch = found->second;
  watch->writable = std::move(callback);
  watch->descriptor.async_wait(asio::posix::descriptor_base::wait_write,
                               [watch](const error_code& error) {
                                 if (error || watch->forgotten) return;
                                 std::exchange(watch->writable, {})();
                               });
}

void Loop::forget(int fd) {
  const auto found = impl_->watches.find(fd);
  if (found == impl_->watches.end()) return;
  found->second->forgotten = true;
  static_cast<void>(found->second->descriptor.release());
  impl_->watches.erase(found);
}

void Loop::on_signal(int signal, Callback callback) {
  impl_->signals.push_back(
      std::make_unique<SignalWatch>(impl_->context, signal, std::move(callback)));
}

void Loop::set_timer(std::optional<base::Instant> at) {
  if (at == impl_->timer_at) return;
  impl_->timer_at = at;
  impl_->timer.cancel();
  if (!at) return;
  impl_->timer.expires_at(std::chrono::steady_clock::time_point{at->since_origin});
  impl_->timer.async_wait([impl = impl_.get()](const error_code& error) {
    if (!error) impl->timer_at.reset();
  });
}

void Loop::run(const Callback& settle) {
  // A signal watch or the daemon's sockets keep the context busy for ever.
  const auto busy = asio::make_work_guard(impl_->context);
  impl_->stopped = false;
  settle();
  while (!impl_->stopped) {
    impl_->context.run_one();
    // A descriptor that is always ready must not keep settle() from its turn.
    for (int i = 0; i < callbacks_per_round_max && impl_->context.poll_one() > 0; ++i) {
    }
    settle();
  }
}

void Loop::stop() { impl_->stopped = true; }

}  // namespace caponier::io
