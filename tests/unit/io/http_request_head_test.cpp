#include <gtest/gtest.h>

#include "io/http/http_server.h"

namespace caponier::io {
namespace {

using Progress = HttpRequestHead::Progress;

TEST(HttpRequestHead, is_read_in_pieces_of_any_size) {
  const std::string_view request =
      "GET /metrics?name=a HTTP/1.1\r\nHost: localhost\r\nAccept: text/plain\r\n\r\n";
  for (std::size_t size = 1; size <= request.size(); ++size) {
    HttpRequestHead head;
    Progress progress = Progress::more;
    for (std::size_t at = 0; at < request.size() && progress == Progress::more; at += size) {
      progress = head.take(request.substr(at, size));
    }
    ASSERT_EQ(progress, Progress::done) << size;
    EXPECT_TRUE(head.is_get());
    EXPECT_EQ(head.path(), "/metrics");
  }
}

TEST(HttpRequestHead, other_methods_are_known_as_such) {
  HttpRequestHead head;
  ASSERT_EQ(head.take("POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"),
            Progress::done);
  EXPECT_FALSE(head.is_get());
}

TEST(HttpRequestHead, what_is_no_http_or_never_ends_is_refused) {
  EXPECT_EQ(HttpRequestHead{}.take("nonsense\r\n\r\n"), Progress::failed);
  HttpRequestHead long_line;
  Progress progress = Progress::more;
  std::size_t taken = 0;
  for (; progress == Progress::more && taken < 4 * HttpRequestHead::size_max; taken += 100) {
    progress = long_line.take(taken == 0 ? "GET /" : std::string(100, 'a'));
  }
  EXPECT_EQ(progress, Progress::failed);
  EXPECT_LE(taken, HttpRequestHead::size_max + 200);
}

}  // namespace
}  // namespace caponier::io
