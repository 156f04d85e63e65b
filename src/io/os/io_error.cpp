#include "io/os/io_error.h"

#include <fmt/format.h>

#include <cerrno>
#include <system_error>

namespace caponier::io {
namespace {

IoFault fault_of(int error) {
  switch (error) {
    case EPERM:
    case EACCES: return IoFault::permission;
    case EADDRINUSE: return IoFault::in_use;
    case EADDRNOTAVAIL:
    case EAFNOSUPPORT:
    case ENETDOWN:
    case ENETUNREACH:
    case EPROTONOSUPPORT: return IoFault::network;
    default: return IoFault::other;
  }
}

}  // namespace

std::string errno_text(int error) { return std::generic_category().message(error); }

IoError error_from_errno(std::string_view what, int error, std::string fix) {
  return {fault_of(error), fmt::format("{}: {}", what, errno_text(error)), std::move(fix)};
}

}  // namespace caponier::io
