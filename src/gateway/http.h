#pragma once
// HTTP as a port: what is to be got, and what came of it. The driver is io/http.

#include <cstdint>
#include <expected>
#include <string>

#include "base/bytes.h"
#include "base/time.h"

namespace caponier::gateway {

/// One document, got with GET, or with POST when there is a body. Answered with one HttpAnswer, no
/// later than time_max after it was asked for, redirects and all.
struct HttpRequest {
  std::uint64_t id = 0;  ///< repeated in the answer; never reused
  std::string url;       ///< http://
  base::ByteVec body;
  std::string content_type;  ///< of the body
  std::size_t size_max = 0;  ///< of the document, in octets; a larger one is a failure
  base::Duration time_max{};
  bool follows_redirects = true;
};

struct HttpAnswer {
  std::uint64_t id = 0;
  /// The whole document of a 200, or a sentence why there is none; text of the server in it has
  /// been through printable().
  std::expected<base::ByteVec, std::string> content;
};

}  // namespace caponier::gateway
