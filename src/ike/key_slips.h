#pragma once
// How people write one pre-shared key in two ways. When a peer's AUTH does not fit our key, these
// are tried with it: only what can be made of our own key, so that nothing is learnt by guessing.

#include <optional>
#include <string_view>

#include "crypto/crypto.h"
#include "ike/actions.h"

namespace caponier::ike {

struct KeySlip {
  std::string_view word;      ///< policy::Evidence::fault
  std::string_view sentence;  ///< what follows "the peer's key is ours, but"
  std::string_view cure;      ///< what is to be done at the peer
};

/// Null: no slip has this word.
[[nodiscard]] const KeySlip* find_key_slip(std::string_view word);

/// Which slip makes the peer's AUTH right; null: none. `request` has a proof by a shared key.
[[nodiscard]] const KeySlip* find_key_slip(const AuthRequest& request,
                                           const crypto::CryptoProvider& crypto, base::Bytes key);

}  // namespace caponier::ike
