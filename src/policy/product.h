#pragma once
// Which product the peer is, as far as its IKE_SA_INIT message shows, and what we do otherwise with
// it than with one that keeps to the RFCs. Data: a row for each product, a field for each habit.

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "wire/ike.h"

namespace caponier::policy {

enum class Product : std::uint8_t {
  unknown,
  caponier,
  strongswan,  ///< its Android app, too
  libreswan,
  windows,  ///< and Azure's gateways, which look the same
  apple,
  android,  ///< the client that is built in
  cisco,
  juniper,
  fortinet,
  palo_alto,
  mikrotik,
  aws,
  azure,
  gcp,
  cloudflare,
};

/// What we do otherwise with a product.
struct Quirks {
  /// As the responder we leave rekeys of the IKE SA to the peer, up to the hard lifetime.
  bool peer_rekeys_ike = false;
  /// The same for Child SAs.
  bool peer_rekeys_children = false;
  bool no_pfs = false;     ///< no key exchange for a Child SA, where our offers may do without
  bool no_mobike = false;  ///< neither offered nor accepted
  bool no_fragmentation = false;  ///< of IKE messages
  bool no_esn = false;            ///< where our offers may do without
  /// As our user it asks by DHCP, at the broadcast address, which networks it may reach: its Child
  /// SAs hold that address too.
  bool asks_dhcp = false;
  friend bool operator==(const Quirks&, const Quirks&) = default;
};

struct ProductRow {
  Product product{};
  std::string_view word;  ///< of the configuration
  std::string_view name;  ///< for people
  Quirks quirks{};
  std::string_view why{};  ///< a sentence for each of them
};

/// Every product but `unknown`, in the order of the enumeration.
[[nodiscard]] std::span<const ProductRow> all_products();
/// Null: `unknown`.
[[nodiscard]] const ProductRow* find(Product product);
[[nodiscard]] std::string_view word_of(Product product);  ///< "" when unknown
[[nodiscard]] std::optional<Product> product_by_word(std::string_view word);
[[nodiscard]] Quirks quirks_of(Product product);

/// By the vendor IDs of an IKE_SA_INIT message or, where there are none, by its notifies and their
/// order. Nothing of it is proven: whoever wants to may look like another. Products that say
/// nothing of themselves must be configured.
[[nodiscard]] Product recognize(const std::vector<wire::Payload>& init);

}  // namespace caponier::policy
