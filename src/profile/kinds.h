#pragma once
// One function a kind.

#include "profile/profile.h"

namespace caponier::profile {

/// Takes the text over and wipes it.
[[nodiscard]] base::SecretBytes seal(std::string&& text);

[[nodiscard]] base::SecretBytes apple_profile(const Client& client, base::Rng& rng);
[[nodiscard]] base::SecretBytes windows_script(const Client& client);
[[nodiscard]] base::SecretBytes android_profile(const Client& client, base::Rng& rng);
[[nodiscard]] std::vector<File> swanctl_files(const Client& client);
[[nodiscard]] base::SecretBytes join_line(const Client& client);

}  // namespace caponier::profile
