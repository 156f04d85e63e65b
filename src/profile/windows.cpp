// A script for Windows PowerShell 5.1 and later (module VpnClient).

#include <fmt/format.h>

#include "base/base64.h"
#include "profile/escape.h"
#include "profile/kinds.h"

namespace caponier::profile {
namespace {

std::string quoted(std::string_view text) { return powershell_string(printable_text(text)); }

// Without the byte order mark Windows PowerShell would read the file in the machine's code page.
constexpr std::string_view head =
    "\xef\xbb\xbf#Requires -RunAsAdministrator\n"
    "$ErrorActionPreference = 'Stop'\n";

constexpr std::string_view trust = R"(
$ca = [Security.Cryptography.X509Certificates.X509Certificate2]::new(
  [Convert]::FromBase64String($authority))
$root = [Security.Cryptography.X509Certificates.X509Store]::new('Root', 'LocalMachine')
$root.Open('ReadWrite')
$root.Add($ca)
$root.Close()
)";

constexpr std::string_view import_certificate = R"(
$file = Join-Path ([IO.Path]::GetTempPath()) ([Guid]::NewGuid().ToString() + '.p12')
$import = @{
  FilePath = $file
  CertStoreLocation = 'Cert:\LocalMachine\My'
  Password = Read-Host -AsSecureString 'Password of the certificate'
}
try {
  [IO.File]::WriteAllBytes($file, [Convert]::FromBase64String($certificate))
  Import-PfxCertificate @import | Out-Null
} finally {
  Remove-Item -LiteralPath $file -ErrorAction SilentlyContinue
}
$login = @{
  AuthenticationMethod = 'MachineCertificate'
  MachineCertificateIssuerFilter = $ca
}
)";

constexpr std::string_view ask_for_password = R"(
$login = @{
  AuthenticationMethod = 'Eap'
  EapConfigXmlStream = (New-EapConfiguration).EapConfigXmlStream
  RememberCredential = $true
}
)";

constexpr std::string_view connect = R"(
$algorithms = @{
  AuthenticationTransformConstants = 'GCMAES256'
  CipherTransformConstants = 'GCMAES256'
  EncryptionMethod = 'GCMAES256'
  IntegrityCheckMethod = 'SHA384'
  DHGroup = 'ECP384'
  PfsGroup = 'ECP384'
}
$connection = @{
  Name = $name
  ServerAddress = $server
  TunnelType = 'Ikev2'
  EncryptionLevel = 'Required'
  SplitTunneling = $split
}
Get-VpnConnection -Name $name -AllUserConnection -ErrorAction SilentlyContinue |
  Remove-VpnConnection -Force
Add-VpnConnection -AllUserConnection @connection @login
Set-VpnConnectionIPsecConfiguration -ConnectionName $name -AllUserConnection @algorithms -Force
foreach ($network in $networks) {
  Add-VpnConnectionRoute -ConnectionName $name -AllUserConnection -DestinationPrefix $network
}
)";

}  // namespace

base::SecretBytes windows_script(const Client& client) {
  std::string networks;
  for (const base::Prefix& network : client.networks) {
    networks += (networks.empty() ? "" : ", ") + quoted(network.to_string());
  }
  std::string out{head};
  out += fmt::format("$name = {0}\n$server = {0}\n$networks = @({1})\n$split = ${2}\n",
                     quoted(client.server), networks, client.networks.empty() ? "false" : "true");
  out += fmt::format("$authority = '{}'\n", base::to_base64(client.authority_der));
  const auto* certificate = std::get_if<CertificateLogin>(&client.login);
  if (certificate != nullptr) {
    out += fmt::format("$certificate = '{}'\n", base::to_base64(certificate->pkcs12.reveal()));
  }
  out += trust;
  out += certificate != nullptr ? import_certificate : ask_for_password;
  out += connect;
  return seal(std::move(out));
}

}  // namespace caponier::profile
