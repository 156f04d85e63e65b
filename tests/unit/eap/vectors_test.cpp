// Published values: RFC 1320, RFC 2104/2202, RFC 2759 s9, RFC 3079 s3.5.3.

#include <gtest/gtest.h>

#include "crypto/openssl/legacy.h"
#include "eap/mschapv2.h"

namespace caponier::eap {
namespace {

using base::Bytes;
using base::ByteVec;
using base::to_hex;

ByteVec hex(std::string_view digits) { return base::from_hex(digits).value(); }

template <std::size_t N>
std::array<std::byte, N> array_of(std::string_view digits) {
  std::array<std::byte, N> out{};
  base::copy_into(out, hex(digits));
  return out;
}

const crypto::OpensslLegacy legacy;

mschapv2::Exchange rfc2759_exchange() {
  return {array_of<16>("5b5d7c7d7b3f2f3e3c2c602132262628"),
          array_of<16>("21402324255e262a28295f2b3a337c7e"), "User"};
}
constexpr std::string_view rfc2759_response = "82309ecd8d708b5ea08faa3981cd83544233114a3d85d6df";

TEST(LegacyVectors, md4_of_rfc1320) {
  const Bytes text = base::as_bytes("message digest");
  EXPECT_EQ(to_hex(legacy.md4({&text, 1})), "d9130a8164549fe818874806e1c7014b");
  EXPECT_EQ(to_hex(legacy.md4({})), "31d6cfe0d16ae931b73c59d7e0c089c0");
}

TEST(LegacyVectors, parts_are_hashed_as_one) {
  const std::array<Bytes, 3> parts = {base::as_bytes("message"), Bytes{},
                                      base::as_bytes(" digest")};
  EXPECT_EQ(to_hex(legacy.md5(parts)), "f96b697d7cb7938d525a2f31aaf161d0");
  EXPECT_EQ(to_hex(legacy.md4(parts)), "d9130a8164549fe818874806e1c7014b");
}

TEST(LegacyVectors, hmac_md5_of_rfc2202) {
  const ByteVec key = hex("0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b");
  const Bytes text = base::as_bytes("Hi There");
  EXPECT_EQ(to_hex(crypto::hmac_md5(legacy, key, {&text, 1})), "9294727a3638bb1c13f48ef8158bfc9d");
  const ByteVec long_key(80, std::byte{0xaa});
  const Bytes long_text = base::as_bytes("Test Using Larger Than Block-Size Key - Hash Key First");
  EXPECT_EQ(to_hex(crypto::hmac_md5(legacy, long_key, {&long_text, 1})),
            "6b1ab7fe4bd7bf8f0b62e6ce61b9d0cd");
}

TEST(MschapVectors, password_hash_of_rfc2759) {
  const auto hash = mschapv2::nt_hash(legacy, base::as_bytes("clientPass"));
  EXPECT_EQ(to_hex(hash.reveal()), "44ebba8d5312b8d611474411f56989ae");
  EXPECT_EQ(to_hex(mschapv2::nt_hash(legacy, base::as_bytes("MyPw")).reveal()),
            "fc156af7edcd6c0edde3337d427f4eac");
}

TEST(MschapVectors, nt_response_of_rfc2759) {
  const auto hash = mschapv2::nt_hash(legacy, base::as_bytes("clientPass"));
  EXPECT_EQ(to_hex(mschapv2::nt_response(legacy, hash, rfc2759_exchange())), rfc2759_response);
}

TEST(MschapVectors, authenticator_response_of_rfc2759) {
  const auto hash = mschapv2::nt_hash(legacy, base::as_bytes("clientPass"));
  EXPECT_EQ(mschapv2::authenticator_response(legacy, hash, array_of<24>(rfc2759_response),
                                             rfc2759_exchange()),
            "S=407A5589115FD0D6209F510FE9C04566932CDA56");
}

TEST(MschapVectors, send_key_of_rfc3079) {
  const auto hash = mschapv2::nt_hash(legacy, base::as_bytes("clientPass"));
  const auto keys = mschapv2::master_keys(legacy, hash, array_of<24>(rfc2759_response));
  EXPECT_EQ(to_hex(keys.send.reveal()), "8b7cdc149b993a1ba118cb153f56dccb");
}

TEST(MschapVectors, the_msk_is_receive_key_send_key_and_zeros) {
  const auto hash = mschapv2::nt_hash(legacy, base::as_bytes("clientPass"));
  const auto response = array_of<24>(rfc2759_response);
  const auto keys = mschapv2::master_keys(legacy, hash, response);
  EXPECT_EQ(to_hex(mschapv2::msk(legacy, hash, response).reveal()),
            to_hex(keys.receive.reveal()) + to_hex(keys.send.reveal()) + std::string(64, '0'));
}

TEST(MschapVectors, passwords_beyond_ascii_are_utf16) {
  // "pass\u00e9" and "\U0001f511": MD4 of the UTF-16 written out here.
  const ByteVec accented = hex("7000610073007300e900");
  const ByteVec key_sign = hex("3dd811dd");
  const Bytes accented_view = accented;
  const Bytes key_view = key_sign;
  EXPECT_EQ(to_hex(mschapv2::nt_hash(legacy, base::as_bytes("pass\xc3\xa9")).reveal()),
            to_hex(legacy.md4({&accented_view, 1})));
  EXPECT_EQ(to_hex(mschapv2::nt_hash(legacy, base::as_bytes("\xf0\x9f\x94\x91")).reveal()),
            to_hex(legacy.md4({&key_view, 1})));
}

TEST(MschapVectors, octets_that_are_no_utf8_stand_for_themselves) {
  for (const std::string_view bad : {"\xe9", "\xc3", "\xc0\xaf", "\xed\xa0\x80", "\xf8\x88"}) {
    base::Writer utf16;
    for (const char octet : bad) {
      utf16.u8(static_cast<std::uint8_t>(octet));
      utf16.u8(0);
    }
    const Bytes view = utf16.view();
    EXPECT_EQ(to_hex(mschapv2::nt_hash(legacy, base::as_bytes(bad)).reveal()),
              to_hex(legacy.md4({&view, 1})));
  }
}

}  // namespace
}  // namespace caponier::eap
