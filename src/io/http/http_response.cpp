#include "io/http/http_response.h"

#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/vector_body.hpp>
#include <optional>

namespace caponier::io {
namespace {

namespace http = boost::beast::http;
using boost::system::error_code;
using Parser = http::response_parser<http::vector_body<std::byte>>;

constexpr unsigned status_ok = 200;

std::string describe(const error_code& error) {
  if (error == http::error::body_limit || error == http::error::buffer_overflow) {
    return "the server's answer is too large";
  }
  if (error == http::error::header_limit) return "the head of the server's answer is too large";
  if (error == http::error::partial_message) return "the server has stopped in the middle";
  if (error == http::error::end_of_stream) return "the server has said nothing";
  return "the server does not speak HTTP";
}

}  // namespace

/// Beast 1.81 ends the process at a chunk's head such as "0\n\r\n". We ask as HTTP/1.0 does, and
/// nobody may answer that with chunks (RFC 9112 s6.1).
constexpr std::string_view in_chunks = "the server answers in chunks, which HTTP/1.0 does not have";

struct HttpResponse::Impl {
  explicit Impl(const Limits& wanted) : limits(wanted) {
    parser.header_limit(static_cast<std::uint32_t>(wanted.header_size_max));
    parser.body_limit(wanted.body_size_max);
    // The head alone at first.
    parser.eager(false);
  }
  Progress fail(std::string why) {
    failure = std::move(why);
    return Progress::failed;
  }
  Progress parse();

  Limits limits;
  Parser parser;
  base::ByteVec pending;  ///< what the parser could not use yet
  std::string failure;
};

HttpResponse::HttpResponse(const Limits& limits) : impl_(std::make_unique<Impl>(limits)) {}
HttpResponse::HttpResponse(HttpResponse&&) noexcept = default;
HttpResponse& HttpResponse::operator=(HttpResponse&&) noexcept = default;
HttpResponse::~HttpResponse() = default;

HttpResponse::Progress HttpResponse::Impl::parse() {
  error_code error;
  std::size_t used = 0;
  while (used < pending.size() && !parser.is_done()) {
    const boost::asio::const_buffer rest{pending.data() + used, pending.size() - used};
    const std::size_t taken = parser.put(rest, error);
    used += taken;
    if (error == http::error::need_more) error = {};
    if (error) return fail(describe(error));
    if (parser.is_header_done() && parser.get().result_int() != status_ok) return Progress::done;
    if (parser.is_header_done() && parser.chunked()) return fail(std::string{in_chunks});
    if (taken == 0) break;
  }
  pending.erase(pending.begin(), pending.begin() + static_cast<std::ptrdiff_t>(used));
  if (parser.is_done()) return Progress::done;
  // A head that never ends.
  if (pending.size() > limits.header_size_max) {
    return fail("the head of the server's answer is too large");
  }
  return Progress::more;
}

HttpResponse::Progress HttpResponse::take(base::Bytes octets) {
  try {
    base::append(impl_->pending, octets);
    return impl_->parse();
  } catch (const std::exception&) {
    return impl_->fail("there is no memory for the server's answer");
  }
}

HttpResponse::Progress HttpResponse::take_end() {
  if (!impl_->parser.got_some()) return impl_->fail("the server has said nothing");
  error_code error;
  impl_->parser.put_eof(error);
  if (error) return impl_->fail(describe(error));
  return impl_->parser.is_done() ? Progress::done
                                 : impl_->fail("the server has stopped in the middle");
}

unsigned HttpResponse::status() const { return impl_->parser.get().result_int(); }

std::string HttpResponse::location() const {
  const auto& head = impl_->parser.get();
  const auto field = head.find(http::field::location);
  return field == head.end() ? std::string{} : std::string{field->value()};
}

base::ByteVec HttpResponse::take_body() {
  auto& body = impl_->parser.get().body();
  return {body.begin(), body.end()};
}

const std::string& HttpResponse::failure() const { return impl_->failure; }

}  // namespace caponier::io
