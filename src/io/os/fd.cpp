#include "io/os/fd.h"

#include <unistd.h>

namespace caponier::io {

void Fd::reset(int fd) {
  if (fd_ >= 0) ::close(fd_);
  fd_ = fd;
}

}  // namespace caponier::io
