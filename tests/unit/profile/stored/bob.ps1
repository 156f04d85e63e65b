#Requires -RunAsAdministrator
$ErrorActionPreference = 'Stop'
$name = 'vpn.example.org'
$server = 'vpn.example.org'
$networks = @()
$split = $false
$authority = 'YXV0aG9yaXR5IGluIERFUg=='

$ca = [Security.Cryptography.X509Certificates.X509Certificate2]::new([Convert]::FromBase64String($authority))
$root = [Security.Cryptography.X509Certificates.X509Store]::new('Root', 'LocalMachine')
$root.Open('ReadWrite')
$root.Add($ca)
$root.Close()

$login = @{ AuthenticationMethod = 'Eap'; EapConfigXmlStream = (New-EapConfiguration).EapConfigXmlStream; RememberCredential = $true }

Get-VpnConnection -Name $name -AllUserConnection -ErrorAction SilentlyContinue | Remove-VpnConnection -Force
Add-VpnConnection -Name $name -ServerAddress $server -AllUserConnection -TunnelType Ikev2 -EncryptionLevel Required -SplitTunneling:$split @login
Set-VpnConnectionIPsecConfiguration -ConnectionName $name -AllUserConnection -AuthenticationTransformConstants GCMAES256 -CipherTransformConstants GCMAES256 -EncryptionMethod GCMAES256 -IntegrityCheckMethod SHA384 -DHGroup ECP384 -PfsGroup ECP384 -Force
foreach ($network in $networks) {
  Add-VpnConnectionRoute -ConnectionName $name -AllUserConnection -DestinationPrefix $network
}
