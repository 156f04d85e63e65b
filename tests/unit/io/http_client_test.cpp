// HTTP servers that hang, drip, lie, send without end or send elsewhere.

#include "io/http/http_client.h"

#include <gtest/gtest.h>

namespace caponier::io {
namespace {

using namespace std::chrono_literals;
using base::Instant;
using gateway::HttpAnswer;
using gateway::HttpRequest;

constexpr std::size_t small = 1000;

base::Bytes octets(std::string_view text) { return base::as_bytes(text); }

/// A client, and a server that says what the test says.
struct Line {
  explicit Line(const HttpLimits& limits = {}) : client(limits) {}

  HttpClient client;
  Instant now{std::chrono::hours{1}};
  std::vector<HttpStream> opened;
  std::vector<HttpStream> closed;
  std::vector<base::Endpoint> asked;
  std::vector<std::string> names;
  std::vector<std::string> sent;
  std::vector<HttpAnswer> answers;
  std::vector<HttpStream> lookups;

  void get(const std::string& url, base::ByteVec body = {}) {
    client.handle_request({answers.size() + sent.size() + 1, url, std::move(body),
                           "application/ocsp-request", small, 60s, true},
                          now);
    drain();
  }
  void drain() {
    while (auto action = client.poll_action()) {
      if (auto* const open = std::get_if<HttpClient::Open>(&*action)) {
        opened.push_back(open->stream);
        asked.push_back(open->to);
      } else if (auto* const send = std::get_if<HttpClient::Send>(&*action)) {
        sent.emplace_back(base::as_text(send->octets));
      } else if (auto* const close = std::get_if<HttpClient::Close>(&*action)) {
        closed.push_back(close->stream);
      } else if (auto* const resolve = std::get_if<HttpClient::Resolve>(&*action)) {
        names.push_back(resolve->name);
        lookups.push_back(resolve->stream);
      } else if (auto* const answer = std::get_if<HttpAnswer>(&*action)) {
        answers.push_back(std::move(*answer));
      }
    }
  }
  void connect() {
    client.handle_opened(opened.back(), now);
    drain();
  }
  /// Connected, asked, and this comes.
  void say(std::string_view text) {
    client.handle_octets(opened.back(), octets(text), now);
    drain();
  }
  void hang_up() {
    client.handle_closed(opened.back(), now);
    drain();
  }
  void resolve(const std::vector<base::IpAddress>& addresses) {
    client.handle_lookup(lookups.back(), addresses, now);
    drain();
  }
  void pass(base::Duration time) {
    now = now + time;
    client.handle_deadline(now);
    drain();
  }
  [[nodiscard]] std::string failure() const {
    if (answers.size() != 1) return "there is no answer";
    return answers[0].content ? "it has worked" : answers[0].content.error();
  }
  [[nodiscard]] std::string content() const {
    if (answers.size() != 1 || !answers[0].content) return "(" + failure() + ")";
    return std::string{base::as_text(*answers[0].content)};
  }
  void get_connected(const std::string& url = "http://192.0.2.1/ca.crl") {
    get(url);
    connect();
  }
};

base::IpAddress address(const char* text) { return base::IpAddress::parse(text).value(); }

TEST(HttpClient, gets_a_document_by_name) {
  Line line;
  line.get("http://crl.example.org:8080/ca.crl?x=1#part");
  EXPECT_EQ(line.names, std::vector<std::string>{"crl.example.org"});
  line.resolve({address("192.0.2.7")});
  EXPECT_EQ(line.asked.at(0).to_string(), "192.0.2.7:8080");
  line.connect();
  EXPECT_TRUE(
      line.sent.at(0).starts_with("GET /ca.crl?x=1 HTTP/1.0\r\nHost: crl.example.org:8080\r\n"));
  line.say("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe");
  EXPECT_TRUE(line.answers.empty());
  line.say("llo");
  EXPECT_EQ(line.content(), "hello");
  EXPECT_EQ(line.closed, line.opened);
  EXPECT_EQ(line.client.size(), 0U);
}

TEST(HttpClient, posts_what_there_is_a_body_of) {
  Line line;
  line.get("http://[2001:db8::1]", base::to_vec(octets("request")));
  EXPECT_EQ(line.asked.at(0).to_string(), "[2001:db8::1]:80");
  line.connect();
  EXPECT_TRUE(line.sent.at(0).starts_with("POST / HTTP/1.0\r\nHost: [2001:db8::1]\r\n"));
  EXPECT_TRUE(line.sent.at(0).ends_with(
      "Content-Type: application/ocsp-request\r\nContent-Length: 7\r\n\r\nrequest"));
}

// Its second head made Beast 1.81 end the process.
TEST(HttpClient, chunks_are_refused_before_they_are_read) {
  for (const char* body : {"3\r\nabc\r\n0\r\n\r\n", "0\n\r\n", ""}) {
    Line line;
    line.get_connected();
    line.say(std::string{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chuNked\r\n\r\n"} + body);
    EXPECT_EQ(line.failure(), "the server answers in chunks, which HTTP/1.0 does not have");
  }
}

TEST(HttpClient, takes_documents_that_end_with_the_stream) {
  Line stream;
  stream.get_connected();
  stream.say("HTTP/1.0 200 OK\r\n\r\nabc");
  EXPECT_TRUE(stream.answers.empty());
  stream.hang_up();
  EXPECT_EQ(stream.content(), "abc");
}

TEST(HttpClient, octet_by_octet_is_the_same) {
  Line line;
  line.get_connected();
  for (const char c : std::string{"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"}) {
    line.say({&c, 1});
  }
  EXPECT_EQ(line.content(), "abc");
}

TEST(HttpClient, a_server_that_cannot_be_connected_is_left_for_the_name_s_next_address) {
  Line line;
  line.get("http://crl.example.org/");
  line.resolve({address("192.0.2.1"), address("192.0.2.2"), address("192.0.2.3")});
  line.pass(3s);
  EXPECT_EQ(line.asked.back().to_string(), "192.0.2.2:80");
  EXPECT_EQ(line.closed.size(), 1U);
  line.hang_up();
  EXPECT_EQ(line.asked.back().to_string(), "192.0.2.3:80");
  line.hang_up();
  EXPECT_EQ(line.failure(), "crl.example.org cannot be reached");
}

TEST(HttpClient, of_a_name_with_very_many_addresses_only_the_first_are_tried) {
  Line line;
  line.get("http://crl.example.org/");
  line.resolve(std::vector<base::IpAddress>(100, address("192.0.2.1")));
  for (int i = 0; i < 100 && line.answers.empty(); ++i) line.hang_up();
  EXPECT_EQ(line.asked.size(), HttpLimits{}.addresses_max);
}

TEST(HttpClient, a_name_that_is_not_found_and_one_that_hangs_are_failures) {
  Line unknown;
  unknown.get("http://crl.example.org/");
  unknown.resolve({});
  EXPECT_EQ(unknown.failure(), "the name crl.example.org is not found");
  Line hanging;
  hanging.get("http://crl.example.org/");
  hanging.pass(59s);
  EXPECT_TRUE(hanging.answers.empty());
  hanging.pass(1s);
  EXPECT_EQ(hanging.failure(), "it took too long");
}

TEST(HttpClient, a_server_that_hangs_is_given_up) {
  Line line;
  line.get_connected();
  line.pass(4999ms);
  EXPECT_TRUE(line.answers.empty());
  line.pass(1ms);
  EXPECT_EQ(line.failure(), "the server has fallen silent");
  EXPECT_EQ(line.closed, line.opened);
}

TEST(HttpClient, a_server_that_drips_is_given_up_when_the_whole_takes_too_long) {
  Line line;
  line.get_connected();
  line.say("HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n");
  for (int i = 0; i < 14; ++i) {
    line.pass(4s);
    line.say("x");
  }
  EXPECT_TRUE(line.answers.empty());
  line.pass(4s);
  EXPECT_EQ(line.failure(), "it took too long");
}

TEST(HttpClient, a_hundred_megabytes_are_refused_when_they_are_announced) {
  Line line;
  line.get_connected();
  line.say("HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n");
  EXPECT_EQ(line.failure(), "the server's answer is too large");
}

TEST(HttpClient, a_hundred_megabytes_that_are_not_announced_end_at_the_limit) {
  Line line;
  line.get_connected();
  line.say("HTTP/1.1 200 OK\r\n\r\n");
  const std::string some(100, 'x');
  int count = 0;
  while (line.answers.empty() && ++count < 100) line.say(some);
  EXPECT_LE(count, 11);
  EXPECT_EQ(line.failure(), "the server's answer is too large");
}

TEST(HttpClient, a_head_without_end_is_refused) {
  for (const char* head : {"HTTP/1.1 200 OK\r\nX: ", "HTTP/1.1 200 "}) {
    Line line;
    line.get_connected();
    line.say(head);
    const std::string some(1000, 'x');
    int count = 0;
    while (line.answers.empty() && ++count < 100) line.say(some);
    EXPECT_LE(count, 18) << head;
    EXPECT_FALSE(line.answers.at(0).content.has_value());
  }
}

TEST(HttpClient, what_is_no_http_and_what_stops_in_the_middle_is_refused) {
  Line wrong;
  wrong.get_connected();
  wrong.say("SSH-2.0-OpenSSH\r\n\r\n");
  EXPECT_EQ(wrong.failure(), "the server does not speak HTTP");
  Line cut;
  cut.get_connected();
  cut.say("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe");
  cut.hang_up();
  EXPECT_EQ(cut.failure(), "the server has stopped in the middle");
  Line silent;
  silent.get_connected();
  silent.hang_up();
  EXPECT_EQ(silent.failure(), "the server has said nothing");
}

TEST(HttpClient, only_status_200_is_an_answer_and_no_body_of_others_is_read) {
  for (const char* status : {"404", "500", "204", "100"}) {
    Line line;
    line.get_connected();
    line.say(std::string{"HTTP/1.1 "} + status + " X\r\nContent-Length: 3\r\n\r\n");
    EXPECT_EQ(line.failure(), std::string{"the server answers with status "} + status);
  }
}

TEST(HttpClient, follows_a_redirect_to_another_host) {
  Line line;
  line.get_connected();
  line.say("HTTP/1.1 302 X\r\nLocation: http://192.0.2.9/b\r\n\r\n");
  EXPECT_EQ(line.asked.back().to_string(), "192.0.2.9:80");
  line.connect();
  EXPECT_TRUE(line.sent.back().starts_with("GET /b HTTP/1.0\r\nHost: 192.0.2.9\r\n"));
  line.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  EXPECT_EQ(line.content(), "ok");
}

TEST(HttpClient, a_redirect_is_not_followed_where_that_is_not_wanted) {
  Line line;
  line.client.handle_request({1, "http://192.0.2.1/", {}, "", small, 60s, false}, line.now);
  line.drain();
  line.connect();
  line.say("HTTP/1.1 302 X\r\nLocation: http://192.0.2.9/b\r\n\r\n");
  EXPECT_EQ(line.failure(), "the server answers with status 302");
}

TEST(HttpClient, a_loop_of_redirects_ends) {
  Line line;
  line.get_connected();
  for (int i = 0; i < 10 && line.answers.empty(); ++i) {
    line.say("HTTP/1.1 301 X\r\nLocation: /again\r\n\r\n");
    if (line.answers.empty()) line.connect();
  }
  EXPECT_EQ(line.failure(), "it is always said to be elsewhere");
  EXPECT_EQ(line.opened.size(), HttpLimits{}.redirects_max + 1);
}

TEST(HttpClient, redirects_do_not_make_time_anew) {
  Line line;
  line.get_connected();
  line.pass(4s);
  for (int i = 0; i < 3; ++i) {
    line.say("HTTP/1.1 301 X\r\nLocation: http://slow.example.org/\r\n\r\n");
    line.pass(18s);
    if (!line.answers.empty()) break;
    line.resolve({address("192.0.2.1")});
    line.connect();
  }
  line.pass(2s);
  EXPECT_EQ(line.failure(), "it took too long");
}

TEST(HttpClient, a_redirect_to_anything_but_http_is_not_followed) {
  for (const char* to : {"https://192.0.2.1/", "file:///etc/passwd", "ftp://192.0.2.1/", "next", "",
                         "//192.0.2.1/", "http://", "http://user@192.0.2.1/", "http://[::1/"}) {
    Line line;
    line.get_connected();
    line.say(std::string{"HTTP/1.1 302 X\r\nLocation: "} + to + "\r\n\r\n");
    EXPECT_EQ(line.opened.size(), 1U) << to;
    EXPECT_TRUE(line.failure().starts_with("it is said to be elsewhere, but ")) << to;
  }
}

TEST(HttpClient, a_body_is_repeated_elsewhere_only_where_the_server_means_that) {
  for (const char* status : {"301", "302", "303", "307", "308"}) {
    Line line;
    line.get("http://192.0.2.1/", base::to_vec(octets("request")));
    line.connect();
    line.say(std::string{"HTTP/1.1 "} + status + " X\r\nLocation: /b\r\n\r\n");
    EXPECT_EQ(line.opened.size(), status[2] >= '7' ? 2U : 1U) << status;
  }
}

TEST(HttpClient, urls_that_are_none_of_ours_are_never_asked) {
  for (const char* url :
       {"https://x/", "http:///x", "http://a b/", "http://x:0/", "http://x:99999/",
        "http://x\r\nHost: y/", "ldap://x/", "", "http://[1.2.3.4]/"}) {
    Line line;
    line.get(url);
    EXPECT_TRUE(line.opened.empty() && line.names.empty()) << url;
    EXPECT_EQ(line.answers.size(), 1U) << url;
  }
}

TEST(HttpClient, so_many_are_got_at_once_and_of_one_host_so_many) {
  Line line;
  for (int i = 0; i < 20; ++i) line.get("http://192.0.2.1/");
  EXPECT_EQ(line.opened.size(), HttpLimits{}.exchanges_per_host_max);
  for (int i = 2; i < 40; ++i) line.get("http://192.0.2." + std::to_string(i) + "/");
  EXPECT_EQ(line.opened.size(), HttpLimits{}.exchanges_max);
  line.client.handle_closed(line.opened.front(), line.now);
  line.drain();
  EXPECT_EQ(line.opened.size(), HttpLimits{}.exchanges_max + 1);
}

TEST(HttpClient, what_waits_for_its_turn_has_a_limit_and_a_time) {
  Line line;
  for (std::size_t i = 0; i < 1000; ++i) line.get("http://192.0.2.1/");
  EXPECT_EQ(line.client.size(), HttpLimits{}.exchanges_per_host_max + HttpLimits{}.waiting_max);
  EXPECT_EQ(line.answers.size(), 1000 - line.client.size());
  // The first ones are told to be unreachable, the next ones follow, and so on.
  line.pass(60s);
  EXPECT_EQ(line.client.size(), 0U);
  EXPECT_EQ(line.answers.size(), 1000U);
}

}  // namespace
}  // namespace caponier::io
