#include "policy/product.h"

#include <algorithm>
#include <array>

namespace caponier::policy {

namespace {

using enum Product;
using wire::NotifyType;

constexpr std::array rows = {
    ProductRow{caponier, "caponier", "Caponier"},
    ProductRow{strongswan, "strongswan", "strongSwan"},
    ProductRow{libreswan, "libreswan", "Libreswan"},
    ProductRow{
        windows, "windows", "Windows",
        Quirks{.peer_rekeys_ike = true,
               .peer_rekeys_children = true,
               .no_pfs = true,
               .asks_dhcp = true},
        "It refuses a key exchange that it has not configured when a Child SA is rekeyed, "
        "goes back to MODP-1024 when we rekey the IKE SA, and refuses our rekeys of Child SAs "
        "behind a NAT. It learns by DHCP inside the tunnel which networks it may reach."},
    ProductRow{apple, "apple", "Apple", Quirks{.no_pfs = true},
               "Without EnablePFS in its profile it ends the tunnel when a rekey has a key "
               "exchange."},
    ProductRow{android, "android", "Android"},
    ProductRow{cisco, "cisco", "Cisco", Quirks{.no_mobike = true}, "It has no MOBIKE."},
    ProductRow{juniper, "juniper", "Juniper", Quirks{.no_mobike = true}, "It has no MOBIKE."},
    ProductRow{fortinet, "fortinet", "Fortinet", Quirks{.no_mobike = true}, "It has no MOBIKE."},
    ProductRow{palo_alto, "palo_alto", "Palo Alto", Quirks{.no_mobike = true}, "It has no MOBIKE."},
    ProductRow{mikrotik, "mikrotik", "MikroTik",
               Quirks{.no_mobike = true, .no_fragmentation = true},
               "It has no MOBIKE, and some versions refuse the fragments that they announce."},
    ProductRow{aws, "aws", "AWS", Quirks{.no_mobike = true}, "Its gateways never move."},
    ProductRow{azure, "azure", "Azure", Quirks{.no_pfs = true, .no_mobike = true},
               "Its default has no key exchange for Child SAs, and its gateways never move."},
    ProductRow{gcp, "gcp", "Google Cloud", Quirks{.no_mobike = true}, "Its gateways never move."},
    ProductRow{cloudflare, "cloudflare", "Cloudflare", Quirks{.no_mobike = true, .no_esn = true},
               "It has no extended sequence numbers, and its addresses are anycast."},
};

/// A vendor ID begins with this: hexadecimal octets, or text.
struct VendorRow {
  Product product{};
  std::string_view hex;
  std::string_view text;
};

constexpr std::array vendors = {
    VendorRow{caponier, "741dcbe9a15cd6aa4b291b8432644ea0", {}},
    VendorRow{strongswan, "882fe56d6fd20dbc2251613b2ebe5beb", {}},
    VendorRow{libreswan, {}, "OE-Libreswan-"}, VendorRow{libreswan, {}, "Libreswan "},
    // "MS NT5 ISAKMPOAKLEY", a version behind it; "MS-Negotiation Discovery Capable".
    VendorRow{windows, "1e2b516905991c7d7c96fcbfb587e461", {}},
    VendorRow{windows, "fb1de3cdf341b7ea16b7e5be0855f120", {}}, VendorRow{cisco, {}, "CISCO"},
    VendorRow{cisco, {}, "FLEXVPN-SUPPORTED"},
    VendorRow{cisco, "12f5f28c457168a9702d9fe274cc", {}},  // Unity
    VendorRow{juniper, "699369228741c6d4ca094c93e242c9de19e7b7c6", {}},
    VendorRow{juniper, "166f932d55eb64d8e4df4fd37e2313f0d0fd8451", {}},
    VendorRow{fortinet, "1d6e178f6c2c0be284985465450fe9d4", {}},
    VendorRow{fortinet, "8299031757a36082c6a621de", {}},  // endpoint control
};

constexpr std::size_t shape_size_max = 6;

/// The notifies of a message without a vendor ID, in order.
struct ShapeRow {
  Product product{};
  std::array<NotifyType, shape_size_max> notifies{};  ///< zeros at the end
};

using enum NotifyType;
constexpr std::array shapes = {
    ShapeRow{apple,
             {redirect_supported, nat_detection_source_ip, nat_detection_destination_ip,
              ikev2_fragmentation_supported}},
    ShapeRow{apple,
             {redirect_supported, nat_detection_source_ip, nat_detection_destination_ip,
              ikev2_fragmentation_supported, signature_hash_algorithms}},
    // A Caponier that does not want ESP in UDP says nothing else either.
    ShapeRow{strongswan,
             {nat_detection_source_ip, nat_detection_destination_ip, ikev2_fragmentation_supported,
              signature_hash_algorithms, redirect_supported}},
    // As the responder.
    ShapeRow{strongswan,
             {nat_detection_source_ip, nat_detection_destination_ip, ikev2_fragmentation_supported,
              signature_hash_algorithms, childless_ikev2_supported, multiple_auth_supported}},
    ShapeRow{android,
             {nat_detection_source_ip, nat_detection_destination_ip, ikev2_fragmentation_supported,
              signature_hash_algorithms}},
};

bool begins_with(base::Bytes id, const VendorRow& row) {
  if (!row.text.empty()) return base::as_text(id).starts_with(row.text);
  const auto prefix = base::from_hex(row.hex);
  return prefix && id.size() >= prefix->size() &&
         std::ranges::equal(id.first(prefix->size()), *prefix);
}

Product by_vendor_id(base::Bytes id) {
  const auto found =
      std::ranges::find_if(vendors, [&](const VendorRow& row) { return begins_with(id, row); });
  return found == vendors.end() ? unknown : found->product;
}

}  // namespace

std::span<const ProductRow> all_products() { return rows; }

const ProductRow* find(Product product) {
  const auto found = std::ranges::find(rows, product, &ProductRow::product);
  return found == rows.end() ? nullptr : &*found;
}

std::string_view word_of(Product product) {
  const ProductRow* const row = find(product);
  return row == nullptr ? std::string_view{} : row->word;
}

std::optional<Product> product_by_word(std::string_view word) {
  const auto found = std::ranges::find(rows, word, &ProductRow::word);
  if (found == rows.end()) return std::nullopt;
  return found->product;
}

Quirks quirks_of(Product product) {
  const ProductRow* const row = find(product);
  return row == nullptr ? Quirks{} : row->quirks;
}

Product recognize(const std::vector<wire::Payload>& init) {
  std::array<NotifyType, shape_size_max> notifies{};
  std::size_t count = 0;
  bool has_vendor_id = false;
  for (const wire::Payload& payload : init) {
    if (const auto* const vendor = std::get_if<wire::VendorIdPayload>(&payload)) {
      has_vendor_id = true;
      if (const Product product = by_vendor_id(vendor->data); product != unknown) return product;
    }
    const auto* const notify = std::get_if<wire::NotifyPayload>(&payload);
    // A cookie is ours.
    if (notify == nullptr || notify->type == cookie) continue;
    if (count < notifies.size()) notifies[count] = notify->type;
    ++count;
  }
  if (has_vendor_id || count > notifies.size()) return unknown;
  const auto found = std::ranges::find(shapes, notifies, &ShapeRow::notifies);
  return found == shapes.end() ? unknown : found->product;
}

}  // namespace caponier::policy
