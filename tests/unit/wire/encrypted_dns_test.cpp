#include "wire/encrypted_dns.h"

#include <gtest/gtest.h>

namespace caponier::wire {
namespace {

base::ByteVec octets(std::initializer_list<int> values) {
  base::ByteVec out;
  for (const int value : values) out.push_back(static_cast<std::byte>(value));
  return out;
}

TEST(EncryptedDns, is_written_as_rfc_9464_draws_it) {
  EncryptedDns dns;
  dns.addresses = {*base::IpAddress::parse("10.1.0.53")};
  dns.name = "dns";
  dns.protocols = {"dot"};
  dns.port = 8853;
  const auto written = dns.encode();
  EXPECT_EQ(written, octets({0, 1, 1, 3,   10,  1,   0, 53, 'd', 'n', 's',  0,   1,
                             0, 4, 3, 'd', 'o', 't', 0, 3,  0,   2,   0x22, 0x95}));
  const auto read = EncryptedDns::decode(written, base::Family::v4);
  ASSERT_TRUE(read);
  EXPECT_EQ(*read, dns);
}

TEST(EncryptedDns, of_https_has_a_path_and_what_is_unknown_is_passed_over) {
  EncryptedDns dns;
  dns.addresses = {*base::IpAddress::parse("fd00::53")};
  dns.name = "dns.example.org";
  dns.protocols = {"h2", "h3"};
  dns.doh_path = "/dns-query{?dns}";
  auto written = dns.encode();
  base::append(written, octets({0, 200, 0, 1, 7}));
  const auto read = EncryptedDns::decode(written, base::Family::v6);
  ASSERT_TRUE(read);
  EXPECT_EQ(*read, dns);
}

TEST(EncryptedDns, that_lies_about_its_lengths_or_is_an_alias_does_not_decode) {
  EncryptedDns dns;
  dns.addresses = {*base::IpAddress::parse("10.1.0.53")};
  dns.name = "dns";
  dns.protocols = {"dot"};
  const auto written = dns.encode();
  for (std::size_t size = 0; size < written.size(); ++size) {
    if (size == 11) continue;  // no service parameters at all
    EXPECT_FALSE(EncryptedDns::decode(base::Bytes{written}.first(size), base::Family::v4)) << size;
  }
  dns.priority = 0;
  EXPECT_FALSE(EncryptedDns::decode(dns.encode(), base::Family::v4));
  EXPECT_FALSE(EncryptedDns::decode(octets({0, 1, 255, 0}), base::Family::v4));
  EXPECT_FALSE(EncryptedDns::decode(octets({0, 1, 0, 1, 'a', 0, 0, 0, 2, 0, 1}), base::Family::v4));
}

}  // namespace
}  // namespace caponier::wire
