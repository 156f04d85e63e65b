#Requires -RunAsAdministrator
$ErrorActionPreference = 'Stop'
$name = 'vpn.example.org'
$server = 'vpn.example.org'
$networks = @('10.1.0.0/16', '2001:db8::/32')
$split = $true
$authority = 'YXV0aG9yaXR5IGluIERFUg=='
$certificate = 'dGhlIFBLQ1MgIzEy'

$ca = [Security.Cryptography.X509Certificates.X509Certificate2]::new([Convert]::FromBase64String($authority))
$root = [Security.Cryptography.X509Certificates.X509Store]::new('Root', 'LocalMachine')
$root.Open('ReadWrite')
$root.Add($ca)
$root.Close()

$file = Join-Path ([IO.Path]::GetTempPath()) ([Guid]::NewGuid().ToString() + '.p12')
$password = Read-Host -AsSecureString 'Password of the certificate'
try {
  [IO.File]::WriteAllBytes($file, [Convert]::FromBase64String($certificate))
  Import-PfxCertificate -FilePath $file -CertStoreLocation Cert:\LocalMachine\My -Password $password | Out-Null
} finally {
  Remove-Item -LiteralPath $file -ErrorAction SilentlyContinue
}
$login = @{ AuthenticationMethod = 'MachineCertificate'; MachineCertificateIssuerFilter = $ca }

Get-VpnConnection -Name $name -AllUserConnection -ErrorAction SilentlyContinue | Remove-VpnConnection -Force
Add-VpnConnection -Name $name -ServerAddress $server -AllUserConnection -TunnelType Ikev2 -EncryptionLevel Required -SplitTunneling:$split @login
Set-VpnConnectionIPsecConfiguration -ConnectionName $name -AllUserConnection -AuthenticationTransformConstants GCMAES256 -CipherTransformConstants GCMAES256 -EncryptionMethod GCMAES256 -IntegrityCheckMethod SHA384 -DHGroup ECP384 -PfsGroup ECP384 -Force
foreach ($network in $networks) {
  Add-VpnConnectionRoute -ConnectionName $name -AllUserConnection -DestinationPrefix $network
}
