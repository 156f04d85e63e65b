#pragma once
// One HTTP/1.1 response as it comes in, octet by octet if need be. Boost.Beast reads it; what it
// may cost is bounded here.

#include <memory>
#include <string>

#include "base/bytes.h"

namespace caponier::io {

class HttpResponse {
 public:
  struct Limits {
    std::size_t header_size_max = 0;  ///< of all header fields, and of a chunk's
    std::size_t body_size_max = 0;
  };
  enum class Progress : std::uint8_t { more, done, failed };

  explicit HttpResponse(const Limits& limits);
  HttpResponse(HttpResponse&&) noexcept;
  HttpResponse& operator=(HttpResponse&&) noexcept;
  ~HttpResponse();

  /// Of a response that is no 200 only the head is read. Not to be called after done or failed.
  [[nodiscard]] Progress take(base::Bytes octets);
  /// The stream has ended.
  [[nodiscard]] Progress take_end();

  [[nodiscard]] unsigned status() const;
  [[nodiscard]] std::string location() const;  ///< empty when there is none
  [[nodiscard]] base::ByteVec take_body();
  [[nodiscard]] const std::string& failure() const;  ///< a sentence

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace caponier::io
