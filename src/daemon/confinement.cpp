#include "daemon/confinement.h"

#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace caponier::daemon {

namespace {

#if defined(__x86_64__)
constexpr std::uint32_t architecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr std::uint32_t architecture = AUDIT_ARCH_AARCH64;
#else
constexpr std::uint32_t architecture = 0;
#endif

constexpr std::array forbidden = {
    SYS_execve,
    SYS_execveat,
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_kcmp,
    SYS_pidfd_getfd,
    SYS_bpf,
    SYS_perf_event_open,
    SYS_userfaultfd,
    SYS_mount,
    SYS_umount2,
    SYS_pivot_root,
    SYS_chroot,
    SYS_setns,
    SYS_unshare,
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_kexec_load,
    SYS_reboot,
    SYS_swapon,
    SYS_swapoff,
    SYS_keyctl,
    SYS_add_key,
    SYS_request_key,
    SYS_open_by_handle_at,
    SYS_io_uring_setup,
};

sock_filter statement(std::uint16_t code, std::uint32_t value) { return {code, 0, 0, value}; }
sock_filter jump(std::uint16_t code, std::uint32_t value, std::uint8_t yes, std::uint8_t no) {
  return {code, yes, no, value};
}

std::vector<sock_filter> make_filter() {
  constexpr auto load = static_cast<std::uint16_t>(BPF_LD | BPF_W | BPF_ABS);
  constexpr auto equal = static_cast<std::uint16_t>(BPF_JMP | BPF_JEQ | BPF_K);
  constexpr auto at_least = static_cast<std::uint16_t>(BPF_JMP | BPF_JGE | BPF_K);
  constexpr auto result = static_cast<std::uint16_t>(BPF_RET | BPF_K);
  constexpr std::uint32_t refuse = SECCOMP_RET_ERRNO | EPERM;
  constexpr std::uint32_t x32_bit = 0x40000000;
  std::vector<sock_filter> code{
      statement(load, offsetof(seccomp_data, arch)),
      jump(equal, architecture, 1, 0),
      statement(result, SECCOMP_RET_KILL_PROCESS),
      statement(load, offsetof(seccomp_data, nr)),
      jump(at_least, x32_bit, 0, 1),
      statement(result, refuse),
  };
  for (const long call : forbidden) {
    code.push_back(jump(equal, static_cast<std::uint32_t>(call), 0, 1));
    code.push_back(statement(result, refuse));
  }
  code.push_back(jump(equal, SYS_socket, 0, 3));
  code.push_back(statement(load, offsetof(seccomp_data, args)));  // the family, little-endian
  code.push_back(jump(equal, AF_UNIX, 1, 0));
  code.push_back(statement(result, refuse));
  code.push_back(statement(result, SECCOMP_RET_ALLOW));
  return code;
}

void drop_capabilities() {
  for (int capability = 0; ::prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; ++capability) {
    ::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
  }
  ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, 2> none{};
  ::syscall(SYS_capset, &header, none.data());
}

}  // namespace

void confine_key_process() {
  ::prctl(PR_SET_NAME, "caponier-keys");
  drop_capabilities();
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  if (architecture == 0) return;
  std::vector<sock_filter> code = make_filter();
  const sock_fprog program{static_cast<unsigned short>(code.size()), code.data()};
  ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

}  // namespace caponier::daemon
