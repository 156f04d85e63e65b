#include "profile/profile.h"

#include <gtest/gtest.h>

#include <fstream>

namespace caponier::profile {
namespace {

base::SecretBytes secret(std::string_view text) { return base::SecretBytes{base::as_bytes(text)}; }

Client alice() {
  Client client;
  client.server = "vpn.example.org";
  client.user = "alice";
  client.authority = "vpn.example.org CA";
  client.authority_der = base::to_vec(base::as_bytes("authority in DER"));
  client.authority_pem = "authority in PEM\n";
  client.networks = {*base::Prefix::parse("10.1.0.0/16"), *base::Prefix::parse("2001:db8::/32")};
  client.login = CertificateLogin{"alice", KeyKind::ecdsa256, "certificate in PEM\n",
                                  secret("key in PEM\n"), secret("the PKCS #12")};
  return client;
}

/// With a password, everything through the tunnel, and a name that means something to each syntax.
Client bob() {
  Client client = alice();
  client.user = "b<o>b & \"co\"";
  client.networks.clear();
  client.login = PasswordLogin{secret("it's \"secret\" \\ <here>")};
  return client;
}

void expect_stored(Kind kind, const Client& client, const std::string& name) {
  base::SeededRng rng{1};
  const auto files = make_profile(kind, client, rng);
  std::string made;
  for (const File& file : files) {
    if (files.size() > 1) made += "==> " + file.path + "\n";
    made += base::as_text(file.content.reveal());
  }
  std::ifstream file{CAPONIER_SOURCE_DIR "/tests/unit/profile/stored/" + name};
  const std::string stored{std::istreambuf_iterator<char>{file}, {}};
  if (stored == made) return;
  const std::string place = testing::TempDir() + name;
  std::ofstream{place} << made;
  FAIL() << "If the change is meant, store " << place << " in tests/unit/profile/stored.";
}

TEST(Profile, of_a_certificate_is_as_stored) {
  expect_stored(Kind::apple, alice(), "alice.mobileconfig");
  expect_stored(Kind::windows, alice(), "alice.ps1");
  expect_stored(Kind::android, alice(), "alice.sswan");
  expect_stored(Kind::strongswan, alice(), "alice.swanctl");
  expect_stored(Kind::caponier, alice(), "alice.join");
}

TEST(Profile, of_a_password_and_a_hostile_name_is_as_stored) {
  expect_stored(Kind::apple, bob(), "bob.mobileconfig");
  expect_stored(Kind::windows, bob(), "bob.ps1");
  expect_stored(Kind::android, bob(), "bob.sswan");
  expect_stored(Kind::strongswan, bob(), "bob.swanctl");
  expect_stored(Kind::caponier, bob(), "bob.join");
}

std::string join_word(const Client& client) {
  base::SeededRng rng{1};
  const auto files = make_profile(Kind::caponier, client, rng);
  const std::string line{base::as_text(files.front().content.reveal())};
  constexpr std::string_view verb = "caponier join ";
  EXPECT_TRUE(line.starts_with(verb) && line.ends_with('\n'));
  return line.substr(verb.size(), line.size() - verb.size() - 1);
}

TEST(Join, reads_back_what_the_line_says) {
  const auto join = read_join(join_word(alice()));
  ASSERT_TRUE(join.has_value());
  EXPECT_EQ(join->server, "vpn.example.org");
  EXPECT_EQ(join->user, "alice");
  EXPECT_EQ(join->authority_pem, "authority in PEM\n");
  EXPECT_EQ(join->networks, alice().networks);
  EXPECT_EQ(join->certificate_pem, "certificate in PEM\n");
  EXPECT_EQ(base::as_text(join->secret.reveal()), "key in PEM\n");

  const auto other = read_join(join_word(bob()));
  ASSERT_TRUE(other.has_value());
  EXPECT_TRUE(other->certificate_pem.empty());
  EXPECT_EQ(base::as_text(other->secret.reveal()), "it's \"secret\" \\ <here>");
}

TEST(Join, refuses_every_damaged_line_without_harm) {
  const std::string word = join_word(alice());
  for (std::size_t size = 0; size < word.size(); ++size) {
    EXPECT_FALSE(read_join(word.substr(0, size)).has_value()) << size;
  }
  EXPECT_FALSE(read_join("cj1:" + std::string(join_size_max, 'A')).has_value());
  EXPECT_FALSE(read_join("cj1:bnVsbA==").has_value());              // null
  EXPECT_FALSE(read_join("cj1:eyJuZXR3b3JrcyI6MX0=").has_value());  // {"networks":1}
}

}  // namespace
}  // namespace caponier::profile
