#pragma once
// ipsec.conf and ipsec.secrets, as strongSwan's `stroke` and libreswan read them. What they say is
// said again in swanctl.conf's words, with the places it comes from, and read as that.

#include <expected>
#include <string>
#include <vector>

#include "swan/report.h"
#include "swan/settings.h"

namespace caponier::swan {

enum class Dialect : std::uint8_t { strongswan, libreswan };
[[nodiscard]] std::string_view name_of(Dialect dialect);

/// A file as it stands: sections "config setup", "conn NAME" and "ca NAME", each with its values;
/// `also` is a list.
struct IpsecFile {
  Section setup;
  std::vector<Section> conns;  ///< %default is not among them
  std::vector<Section> authorities;
  Section defaults;  ///< conn %default
};
/// Reads `path` and what it includes; every mistake at once.
[[nodiscard]] std::expected<IpsecFile, std::vector<config::ConfigError>> load_ipsec_conf(
    const std::string& path, Files& files);
/// Whose language it is, by the keys that only one of the two knows.
[[nodiscard]] Dialect detect_dialect(const IpsecFile& file);

struct IpsecOptions {
  /// Addresses of this host: they tell which of left and right is here.
  std::vector<base::IpAddress> own;
};
/// In swanctl.conf's words: connections, pools and authorities. What has no words there is told.
[[nodiscard]] Section swanctl_of(const IpsecFile& file, Dialect dialect,
                                 const IpsecOptions& options, Report& report);

/// The section `secrets` of an ipsec.secrets; nothing when there is no such file.
[[nodiscard]] Section load_ipsec_secrets(const std::string& path, Files& files, Report& report);

/// "aes256-sha2_512+sha2_256;dh14" of libreswan in strongSwan's spelling.
[[nodiscard]] std::string libreswan_proposals(std::string_view text);

/// Connections that are for IKEv1 alone, as IKEv2 would have them; each is told.
void offer_ike2(Section& root, Report& report);

}  // namespace caponier::swan
