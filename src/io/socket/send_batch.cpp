#include "io/socket/send_batch.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/error.h"

namespace caponier::io {
namespace {

bool has_same_headers(const Outgoing& one, const Outgoing& other) {
  return one.path == other.path && one.tos == other.tos && one.ttl == other.ttl &&
         one.flow_label == other.flow_label && one.dont_fragment == other.dont_fragment;
}

bool is_full(int error) { return error == EAGAIN || error == ENOBUFS; }

}  // namespace

std::size_t SendBatch::run_length(std::span<const Outgoing> batch) {
  const std::size_t segment = batch.front().bytes.size();
  std::size_t bytes = segment;
  std::size_t count = 1;
  while (count < std::min(batch.size(), segments_max)) {
    const std::size_t size = batch[count].bytes.size();
    if (size > segment || size == 0 || bytes + size > message_bytes_max) break;
    if (!has_same_headers(batch.front(), batch[count])) break;
    bytes += size;
    ++count;
    if (size < segment) break;  // only the last may be shorter
  }
  return count;
}

void SendBatch::lay_out(std::span<const Outgoing> batch, bool has_ports, bool may_merge) {
  count_ = 0;
  for (std::size_t at = 0; at < batch.size(); ++count_) {
    const std::size_t run = may_merge ? run_length(batch.subspan(at)) : 1;
    const Outgoing& first = batch[at];
    for (std::size_t i = at; i < at + run; ++i) {
      // sendmmsg only reads, but its structure is shared with recvmmsg.
      parts_[i] = {const_cast<std::byte*>(batch[i].bytes.data()), batch[i].bytes.size()};
    }
    // A raw IPv6 socket takes a port for a protocol number.
    addresses_[count_] = SocketAddress{
        {first.path.remote.address, has_ports ? first.path.remote.port : std::uint16_t{0}}};
    msghdr& header = messages_[count_].msg_hdr;
    header = {};
    header.msg_name = addresses_[count_].get_mutable();
    header.msg_namelen = addresses_[count_].size();
    header.msg_iov = &parts_[at];
    header.msg_iovlen = run;
    header.msg_control = controls_[count_].bytes.data();
    write_controls(header, first, run > 1 ? first.bytes.size() : 0);
    first_of_[count_] = &first;
    at += run;
  }
}

void SendBatch::send(int fd, std::span<const Outgoing> batch, bool has_ports, bool& may_merge,
                     SendResult& result) {
  CAPONIER_ASSERT(batch.size() <= packets_max);
  lay_out(batch, has_ports, may_merge);
  std::size_t done = 0;
  bool retried = false;
  const auto waiting = [&] {
    return batch.size() - static_cast<std::size_t>(first_of_[done] - batch.data());
  };
  while (done < count_) {
    const int count =
        ::sendmmsg(fd, &messages_[done], static_cast<unsigned>(count_ - done), MSG_DONTWAIT);
    if (count > 0) {
      for (int i = 0; i < count; ++i) result.sent += messages_[done++].msg_hdr.msg_iovlen;
      retried = false;
      continue;
    }
    if (errno == EINTR) continue;
    if (is_full(errno)) {
      result.queue_full += waiting();
      return;
    }
    // The error may be an older packet's (ICMP); a second refusal is about this one.
    if (!retried) {
      retried = true;
      continue;
    }
    retried = false;
    if (messages_[done].msg_hdr.msg_iovlen > 1) {
      // No checksums by the device, or segments that must be fragmented: not as one, then.
      if (errno == EIO) may_merge = false;
      if (!send_one_by_one(fd, done, result)) {
        if (++done < count_) result.queue_full += waiting();
        return;
      }
    } else {
      ++result.refused;
    }
    ++done;
  }
}

bool SendBatch::send_one_by_one(int fd, std::size_t message, SendResult& result) {
  msghdr header = messages_[message].msg_hdr;
  const std::size_t count = std::exchange(header.msg_iovlen, 1);
  write_controls(header, *first_of_[message], 0);
  for (std::size_t i = 0; i < count; ++i, ++header.msg_iov) {
    for (bool retried = false;; retried = true) {
      if (::sendmsg(fd, &header, MSG_DONTWAIT) >= 0) {
        ++result.sent;
        break;
      }
      if (is_full(errno)) {
        result.queue_full += count - i;
        return false;
      }
      if (retried && errno != EINTR) {
        ++result.refused;
        break;
      }
    }
  }
  return true;
}

}  // namespace caponier::io
