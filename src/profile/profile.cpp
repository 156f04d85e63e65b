#include "profile/profile.h"

#include "profile/kinds.h"

namespace caponier::profile {

base::SecretBytes seal(std::string&& text) {
  base::SecretBytes out{base::as_bytes(text)};
  base::wipe(std::as_writable_bytes(std::span{text}));
  text.clear();
  return out;
}

std::vector<File> make_profile(Kind kind, const Client& client, base::Rng& rng) {
  std::vector<File> files;
  switch (kind) {
    case Kind::apple:
      files.push_back({client.user + ".mobileconfig", apple_profile(client, rng)});
      break;
    case Kind::windows: files.push_back({client.user + ".ps1", windows_script(client)}); break;
    case Kind::android:
      files.push_back({client.user + ".sswan", android_profile(client, rng)});
      break;
    case Kind::strongswan: return swanctl_files(client);
    case Kind::caponier: files.push_back({client.user + ".join", join_line(client)}); break;
  }
  return files;
}

}  // namespace caponier::profile
