// Products by their bytes, and the table of what changes with them.

#include "policy/product.h"

#include <gtest/gtest.h>

#include <set>

namespace caponier::policy {
namespace {

using wire::NotifyType;
using Payloads = std::vector<wire::Payload>;

wire::VendorIdPayload vendor(std::string_view hex) { return {base::from_hex(hex).value()}; }
wire::VendorIdPayload vendor_text(std::string_view text) {
  return {base::to_vec(base::as_bytes(text))};
}

Payloads with(std::initializer_list<NotifyType> types) {
  Payloads payloads;
  for (const NotifyType type : types) {
    wire::NotifyPayload notify;
    notify.type = type;
    payloads.emplace_back(std::move(notify));
  }
  return payloads;
}

using enum NotifyType;
constexpr auto nat_s = nat_detection_source_ip;
constexpr auto nat_d = nat_detection_destination_ip;
constexpr auto frag = ikev2_fragmentation_supported;
constexpr auto hash = signature_hash_algorithms;

TEST(Product, vendor_ids_tell_who_it_is) {
  EXPECT_EQ(recognize({vendor("1e2b516905991c7d7c96fcbfb587e46100000009")}), Product::windows);
  EXPECT_EQ(recognize({vendor("fb1de3cdf341b7ea16b7e5be0855f120")}), Product::windows);
  EXPECT_EQ(recognize({vendor("882fe56d6fd20dbc2251613b2ebe5beb")}), Product::strongswan);
  EXPECT_EQ(recognize({vendor("741dcbe9a15cd6aa4b291b8432644ea0")}), Product::caponier);
  EXPECT_EQ(recognize({vendor_text("OE-Libreswan-4.15")}), Product::libreswan);
  EXPECT_EQ(recognize({vendor_text("Libreswan 5.2")}), Product::libreswan);
  EXPECT_EQ(recognize({vendor_text("CISCO-DELETE-REASON")}), Product::cisco);
  EXPECT_EQ(recognize({vendor_text("CISCO(COPYRIGHT)&Copyright (c) 2009 Cisco Systems, Inc.")}),
            Product::cisco);
  EXPECT_EQ(recognize({vendor_text("FLEXVPN-SUPPORTED")}), Product::cisco);
  EXPECT_EQ(recognize({vendor("12f5f28c457168a9702d9fe274cc0100")}), Product::cisco);
  EXPECT_EQ(recognize({vendor("699369228741c6d4ca094c93e242c9de19e7b7c60000000500000500")}),
            Product::juniper);
  EXPECT_EQ(recognize({vendor("1d6e178f6c2c0be284985465450fe9d4")}), Product::fortinet);
  EXPECT_EQ(recognize({vendor("8299031757a36082c6a621de00000000")}), Product::fortinet);
}

TEST(Product, the_order_of_notifies_tells_those_without_a_vendor_id) {
  EXPECT_EQ(recognize(with({redirect_supported, nat_s, nat_d, frag})), Product::apple);
  EXPECT_EQ(recognize(with({redirect_supported, nat_s, nat_d, frag, hash})), Product::apple);
  EXPECT_EQ(recognize(with({nat_s, nat_d, frag, hash})), Product::android);
  EXPECT_EQ(recognize(with({nat_s, nat_d, frag, hash, redirect_supported})), Product::strongswan);
  EXPECT_EQ(recognize(with(
                {nat_s, nat_d, frag, hash, childless_ikev2_supported, multiple_auth_supported})),
            Product::strongswan);
  EXPECT_EQ(recognize(with({cookie, redirect_supported, nat_s, nat_d, frag})), Product::apple);
}

TEST(Product, what_looks_like_nothing_known_is_unknown) {
  EXPECT_EQ(recognize({}), Product::unknown);
  EXPECT_EQ(recognize({vendor("00")}), Product::unknown);
  EXPECT_EQ(recognize({vendor("1e2b5169")}), Product::unknown) << "cut off";
  EXPECT_EQ(recognize(with({frag, nat_s, nat_d})), Product::unknown);
  EXPECT_EQ(recognize(with({nat_s, nat_d, frag, hash, hash, hash, hash, hash})), Product::unknown);
  Payloads strange = with({redirect_supported, nat_s, nat_d, frag});
  strange.emplace_back(vendor("0102030405060708"));
  EXPECT_EQ(recognize(strange), Product::unknown) << "Apple sends no vendor ID";
}

TEST(Product, every_row_has_a_word_of_its_own_and_says_why_something_changes) {
  std::set<std::string_view> words;
  for (const ProductRow& row : all_products()) {
    EXPECT_TRUE(words.insert(row.word).second) << row.word;
    EXPECT_EQ(product_by_word(row.word), row.product);
    EXPECT_EQ(word_of(row.product), row.word);
    EXPECT_EQ(find(row.product), &row);
    EXPECT_EQ(row.why.empty(), row.quirks == Quirks{}) << row.word;
    EXPECT_EQ(quirks_of(row.product), row.quirks);
  }
  EXPECT_EQ(all_products().size(), static_cast<std::size_t>(Product::cloudflare));
  EXPECT_EQ(product_by_word("amiga"), std::nullopt);
  EXPECT_EQ(word_of(Product::unknown), "");
  EXPECT_EQ(quirks_of(Product::unknown), Quirks{});
}

}  // namespace
}  // namespace caponier::policy
