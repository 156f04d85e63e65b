#Requires -RunAsAdministrator
$ErrorActionPreference = 'Stop'
$name = 'vpn.example.org'
$server = 'vpn.example.org'
$networks = @('10.1.0.0/16', '2001:db8::/32')
$split = $true
$authority = 'YXV0aG9yaXR5IGluIERFUg=='
$certificate = 'dGhlIFBLQ1MgIzEy'

$ca = [Security.Cryptography.X509Certificates.X509Certificate2]::new(
  [Convert]::FromBase64String($authority))
$root = [Security.Cryptography.X509Certificates.X509Store]::new('Root', 'LocalMachine')
$root.Open('ReadWrite')
$root.Add($ca)
$root.Close()

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
