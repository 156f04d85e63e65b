#include "base/base64.h"

#include <array>
#include <utility>

#include <gtest/gtest.h>

namespace caponier::base {
namespace {

// RFC 4648 s10.
TEST(Base64, of_the_rfcs_examples_is_written_and_read_back) {
  const std::array<std::pair<const char*, const char*>, 7> examples{{{"", ""},
                                                                     {"f", "Zg=="},
                                                                     {"fo", "Zm8="},
                                                                     {"foo", "Zm9v"},
                                                                     {"foob", "Zm9vYg=="},
                                                                     {"fooba", "Zm9vYmE="},
                                                                     {"foobar", "Zm9vYmFy"}}};
  for (const auto& [plain, encoded] : examples) {
    EXPECT_EQ(to_base64(as_bytes(plain)), encoded);
    const auto decoded = from_base64(encoded);
    ASSERT_TRUE(decoded.has_value()) << encoded;
    EXPECT_EQ(as_text(*decoded), plain);
  }
}

TEST(Base64, of_every_octet_reads_back) {
  for (std::size_t size = 0; size < 300; ++size) {
    ByteVec octets(size);
    for (std::size_t i = 0; i < size; ++i) octets[i] = static_cast<std::byte>(255 - i % 256);
    EXPECT_EQ(from_base64(to_base64(octets)), octets);
  }
}

TEST(Base64, that_is_written_otherwise_is_refused) {
  for (const char* wrong : {"Zg", "Zg=", "Zg===", "=Zg=", "Z===", "====", "Zh==", "Zm9=",
                            "Zg==Zg==", "Zm9v\n", "Zm 9", "Zm9-", "Zm9_", "Z=9v"}) {
    EXPECT_FALSE(from_base64(wrong).has_value()) << wrong;
  }
}

}  // namespace
}  // namespace caponier::base
