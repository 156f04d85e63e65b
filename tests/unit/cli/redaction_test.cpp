#include "cli/report/redaction.h"

#include <gtest/gtest.h>

#include "base/base64.h"

namespace caponier::cli {
namespace {

constexpr std::string_view value = "Zk3vQ0mY8s/RrT6uXw9bNc+hJ5pGdEaKiOyUfWtSx4";

Redaction knowing(std::string_view secret) {
  Redaction redaction;
  redaction.add_secret(base::as_bytes(secret));
  return redaction;
}

TEST(Redaction, takes_a_value_out_wherever_it_stands) {
  const Redaction redaction = knowing(std::string{value} + "\n");
  EXPECT_EQ(redaction.apply("a" + std::string{value} + "b"), "a[redacted]b");
}

TEST(Redaction, finds_hexadecimal_in_either_case) {
  const std::string hex = base::to_hex(base::as_bytes(value));
  std::string upper = hex;
  for (char& c : upper) c = c >= 'a' && c <= 'f' ? static_cast<char>(c - 'a' + 'A') : c;
  EXPECT_EQ(knowing(value).apply("x=0x" + hex + " y=" + upper), "x=0x[redacted] y=[redacted]");
}

TEST(Redaction, finds_base_64_wherever_the_value_begins_in_it) {
  for (const std::string before : {"", "a", "ab", "abc", "user:"}) {
    const std::string whole = before + std::string{value} + "tail";
    const std::string said = knowing(value).apply(base::to_base64(base::as_bytes(whole)));
    EXPECT_NE(said.find("[redacted]"), std::string::npos) << before << ": " << said;
    EXPECT_LT(said.size(), 10 + 8 + before.size() * 4 / 3 + 8) << said;
  }
}

TEST(Redaction, finds_octets_that_the_file_has_as_hexadecimal) {
  EXPECT_EQ(knowing("0x0123456789abcdef").apply("01 0123456789ABCDEF"), "01 [redacted]");
}

TEST(Redaction, takes_out_each_line_of_a_key_and_its_octets) {
  const std::string pem =
      "-----BEGIN PRIVATE KEY-----\n"
      "MC4CAQAwBQYDK2VwBCIEIEhlbGxvIHRoZXJlLCB0aGlzIGlzIGEga2V5ISEh\n"
      "-----END PRIVATE KEY-----\n";
  Redaction redaction;
  redaction.add_key_file(base::as_bytes(pem));
  EXPECT_EQ(redaction.apply("MC4CAQAwBQYDK2VwBCIEIEhlbGxvIHRoZXJlLCB0aGlzIGlzIGEga2V5ISEh"),
            "[redacted]");
  const auto octets =
      base::from_base64("MC4CAQAwBQYDK2VwBCIEIEhlbGxvIHRoZXJlLCB0aGlzIGlzIGEga2V5ISEh");
  EXPECT_EQ(redaction.apply(base::to_hex(*octets)), "[redacted]");
}

TEST(Redaction, leaves_what_is_too_short_to_be_told_from_words) {
  EXPECT_EQ(knowing("abc").apply("abc abcabc"), "abc abcabc");
}

TEST(NamedSecrets, lose_their_value_by_the_name_of_the_key) {
  EXPECT_EQ(without_named_secrets("psk = \"hunter2\"\n"), "psk = [redacted]\n");
  EXPECT_EQ(without_named_secrets("  secret = 0sAbc\n"), "  secret = [redacted]\n");
  EXPECT_EQ(without_named_secrets("{\"eap_password\": \"x\"}\n"),
            "{\"eap_password\": [redacted]\n");
  EXPECT_EQ(without_named_secrets("a = 1 key_passphrase=foo"),
            "a = 1 key_passphrase= [redacted]\n");
}

TEST(NamedSecrets, keep_references_and_what_only_looks_like_them) {
  for (const std::string line :
       {"psk = \"@branch\"\n", "psk = \"cred:branch\"\n", "pinned = 1\n", "keys: 3\n",
        "radius = { servers = [\"10.1.0.5\"], secret = \"@radius\" }\n", "passwords = true\n"}) {
    EXPECT_EQ(without_named_secrets(line), line);
  }
}

TEST(NamedSecrets, are_blocks_of_private_keys_too) {
  EXPECT_EQ(without_named_secrets("a\n-----BEGIN EC PRIVATE KEY-----\nabc\ndef\n"
                                  "-----END EC PRIVATE KEY-----\nb\n"),
            "a\n[redacted] a private key\nb\n");
}

TEST(AddressHider, gives_an_address_the_same_number_wherever_it_stands) {
  AddressHider hider;
  EXPECT_EQ(hider.apply("192.0.2.1:500 -> 192.0.2.9, again 192.0.2.1/24"),
            "ip4-1:500 -> ip4-2, again ip4-1/24");
  EXPECT_EQ(hider.apply("inet6 2001:db8::1/64 from 192.0.2.9"), "inet6 ip6-1/64 from ip4-2");
  EXPECT_EQ(hider.apply("2001:0db8:0:0::1"), "ip6-1");
  EXPECT_EQ(hider.apply("link/ether 02:42:ac:11:00:02 brd ff:ff:ff:ff:ff:ff"),
            "link/ether mac-1 brd ff:ff:ff:ff:ff:ff");
}

TEST(AddressHider, leaves_times_versions_and_what_says_nothing) {
  AddressHider hider;
  for (const std::string text : {"12:30:55 up 3:05", "127.0.0.1 ::1 0.0.0.0/0", "caponier 0.1.0",
                                 "1.2.3", "6.18.44-fc", "abc::def_x", "value 0xdeadbeef"}) {
    EXPECT_EQ(hider.apply(text), text);
  }
}

}  // namespace
}  // namespace caponier::cli
