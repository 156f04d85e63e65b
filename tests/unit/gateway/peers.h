#pragma once
// Configured peers for the tests of this folder.

#include "config/config.h"

namespace caponier::gateway {

inline base::IpAddress address(const char* text) { return base::IpAddress::parse(text).value(); }
inline base::Prefix prefix(const char* text) { return base::Prefix::parse(text).value(); }

inline config::PeerConfig site_peer() {
  config::PeerConfig peer;
  peer.name = "branch";
  peer.child().name = "branch";
  peer.remote = "192.0.2.2";
  peer.remote_address = address("192.0.2.2");
  peer.local = address("192.0.2.1");
  peer.child().local = config::Reach::of({prefix("10.1.0.0/16")});
  peer.child().remote = config::Reach::of({prefix("10.2.0.0/16"), prefix("10.3.0.0/16")});
  peer.psk = std::make_shared<const base::SecretBytes>(base::as_bytes("a secret of some length"));
  peer.ike = policy::default_ike_offers();
  peer.child().esp = policy::default_esp_offers();
  return peer;
}

inline config::PeerConfig host_peer() {
  config::PeerConfig peer = site_peer();
  peer.name = "db1";
  peer.child().name = "db1";
  peer.child().mode = policy::SaMode::transport;
  peer.kind = config::PeerKind::host;
  peer.local.reset();
  peer.child().local = config::Reach::of_itself();
  peer.child().remote = config::Reach::of_itself();
  return peer;
}

}  // namespace caponier::gateway
