#Requires -RunAsAdministrator
$ErrorActionPreference = 'Stop'
$name = 'vpn.example.org'
$server = 'vpn.example.org'
$networks = @()
$split = $false
$authority = 'YXV0aG9yaXR5IGluIERFUg=='

$ca = [Security.Cryptography.X509Certificates.X509Certificate2]::new(
  [Convert]::FromBase64String($authority))
$root = [Security.Cryptography.X509Certificates.X509Store]::new('Root', 'LocalMachine')
$root.Open('ReadWrite')
$root.Add($ca)
$root.Close()

$login = @{
  AuthenticationMethod = 'Eap'
  EapConfigXmlStream = (New-EapConfiguration).EapConfigXmlStream
  RememberCredential = $true
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
