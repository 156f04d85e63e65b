#include "io/os/thread.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>

#include <ctime>
#include <utility>

namespace caponier::io {

std::vector<unsigned> usable_cpus() {
  std::vector<unsigned> cpus;
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof set, &set) == 0) {
    for (unsigned cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
    }
  }
  if (cpus.empty()) cpus.push_back(0);
  return cpus;
}

Thread::Thread(const std::string& name, std::optional<unsigned> cpu, std::function<void()> body) {
  // The new thread inherits the mask: no signal can reach it before it has set its own.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread{std::move(body)};
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  constexpr std::size_t name_max = 15;
  static_cast<void>(
      ::pthread_setname_np(thread_.native_handle(), name.substr(0, name_max).c_str()));
  if (!cpu) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(*cpu, &set);
  static_cast<void>(::pthread_setaffinity_np(thread_.native_handle(), sizeof set, &set));
}

Thread::~Thread() { thread_.join(); }

base::Duration Thread::cpu_time() const {
  clockid_t clock{};
  timespec taken{};
  if (::pthread_getcpuclockid(thread_.native_handle(), &clock) != 0) return {};
  if (::clock_gettime(clock, &taken) != 0) return {};
  return std::chrono::seconds{taken.tv_sec} + std::chrono::nanoseconds{taken.tv_nsec};
}

}  // namespace caponier::io
