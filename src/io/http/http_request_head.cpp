#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>

#include "io/http/http_server.h"

namespace caponier::io {
namespace {

namespace http = boost::beast::http;

}  // namespace

struct HttpRequestHead::Impl {
  http::request_parser<http::empty_body> parser;
  std::string pending;
};

HttpRequestHead::HttpRequestHead() : impl_(std::make_unique<Impl>()) {
  impl_->parser.header_limit(static_cast<std::uint32_t>(size_max));
}
HttpRequestHead::HttpRequestHead(HttpRequestHead&&) noexcept = default;
HttpRequestHead& HttpRequestHead::operator=(HttpRequestHead&&) noexcept = default;
HttpRequestHead::~HttpRequestHead() = default;

HttpRequestHead::Progress HttpRequestHead::take(std::string_view octets) {
  try {
    impl_->pending += octets;
    boost::system::error_code error;
    const boost::asio::const_buffer all{impl_->pending.data(), impl_->pending.size()};
    const std::size_t used = impl_->parser.put(all, error);
    impl_->pending.erase(0, used);
    if (error == http::error::need_more) error = {};
    if (error || impl_->pending.size() > size_max) return Progress::failed;
  } catch (const std::exception&) {
    return Progress::failed;
  }
  return impl_->parser.is_header_done() ? Progress::done : Progress::more;
}

bool HttpRequestHead::is_get() const { return impl_->parser.get().method() == http::verb::get; }

std::string HttpRequestHead::path() const {
  const std::string_view target{impl_->parser.get().target().data(),
                                impl_->parser.get().target().size()};
  return std::string{target.substr(0, target.find('?'))};
}

}  // namespace caponier::io
