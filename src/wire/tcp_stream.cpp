#include "wire/tcp_stream.h"

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace caponier::wire {

bool TcpStreamReader::fill(Bytes& input, std::size_t size) {
  const std::size_t missing = size - buffer_.size();
  const Bytes taken = input.first(std::min(missing, input.size()));
  base::append(buffer_, taken);
  input = input.subspan(taken.size());
  return buffer_.size() == size;
}

std::expected<bool, TcpStreamFault> TcpStreamReader::read_prefix(Bytes& input) {
  const bool whole = fill(input, tcp_stream_prefix.size());
  // A stranger is recognised by its first wrong byte.
  if (!std::equal(buffer_.begin(), buffer_.end(), tcp_stream_prefix.begin())) {
    return std::unexpected{TcpStreamFault::bad_prefix};
  }
  if (!whole) return false;
  buffer_.clear();
  in_prefix_ = false;
  return true;
}

std::expected<std::optional<Bytes>, TcpStreamFault> TcpStreamReader::next(Bytes& input) {
  if (std::exchange(is_taken_, false)) buffer_.clear();
  if (in_prefix_) {
    const auto done = read_prefix(input);
    if (!done) return std::unexpected{done.error()};
    if (!*done) return std::nullopt;
  }
  for (;;) {
    if (buffer_.size() < tcp_length_size && !fill(input, tcp_length_size)) return std::nullopt;
    const std::size_t whole = base::load_be<std::uint16_t>(buffer_.data());
    //= rfc9329#3.1-2
    if (whole < tcp_length_size) return std::unexpected{TcpStreamFault::bad_length};
    const std::size_t size = whole - tcp_length_size;
    if (size > message_max_) return std::unexpected{TcpStreamFault::too_long};
    const bool is_fresh = buffer_.size() == tcp_length_size;
    if (is_fresh && size <= input.size()) {
      const Bytes message = input.first(size);
      input = input.subspan(size);
      buffer_.clear();
      if (size == 0) continue;  // s3: an empty message says nothing
      return message;
    }
    if (!fill(input, whole)) return std::nullopt;
    is_taken_ = true;
    return Bytes{buffer_}.subspan(tcp_length_size);
  }
}

TcpStreamWriter::TcpStreamWriter(TcpRole role) {
  if (role == TcpRole::originator) base::append(queue_, tcp_stream_prefix);
}

bool TcpStreamWriter::push(Bytes message, std::size_t unsent_max) {
  if (message.empty() || message.size() > tcp_message_max) return false;
  const std::size_t whole = tcp_length_size + message.size();
  if (unsent().size() + whole > unsent_max) return false;
  // Bytes that are gone make room before the queue grows.
  if (sent_ > 0 && queue_.size() + whole > queue_.capacity()) {
    queue_.erase(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(sent_));
    sent_ = 0;
  }
  std::array<std::byte, tcp_length_size> length{};
  base::store_be(length.data(), static_cast<std::uint16_t>(whole));
  base::append(queue_, length);
  base::append(queue_, message);
  return true;
}

void TcpStreamWriter::consume(std::size_t count) {
  CAPONIER_ASSERT(count <= unsent().size());
  sent_ += count;
  if (!is_empty()) return;
  queue_.clear();
  sent_ = 0;
}

}  // namespace caponier::wire
