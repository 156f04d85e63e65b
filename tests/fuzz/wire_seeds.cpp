// Writes the seed corpora of wire's fuzz targets: samples of the unit tests, each whole, cut in the
// middle, and with one length spoiled.

#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>

#include <fmt/format.h>

#include "unit/wire/samples.h"
#include "wire/icmp.h"
#include "wire/ip.h"
#include "wire/udp.h"

namespace {

namespace fs = std::filesystem;
using namespace caponier;
using base::Bytes;
using base::ByteVec;
namespace samples = wire::samples;

class Seeds {
 public:
  explicit Seeds(fs::path root) : root_(std::move(root)) {}

  void add(const std::string& target, const std::string& name, Bytes seed) {
    write(target, name, seed);
    if (seed.size() < 2) return;
    write(target, name + "-cut", seed.first(seed.size() / 2));
    ByteVec spoiled = base::to_vec(seed);
    spoiled[std::min<std::size_t>(3, spoiled.size() - 1)] ^= std::byte{0x21};
    write(target, name + "-spoiled", spoiled);
  }
  void add_hex(const std::string& target, const std::string& name, std::string_view hex) {
    add(target, name, samples::bytes(hex));
  }
  [[nodiscard]] bool failed() const { return failed_; }

 private:
  void write(const std::string& target, const std::string& name, Bytes seed) {
    std::error_code error;
    fs::create_directories(root_ / target, error);
    std::ofstream out{root_ / target / name, std::ios::binary};
    const std::string_view text = base::as_text(seed);
    out.write(text.data(), static_cast<std::streamsize>(text.size()));
    if (error || !out) failed_ = true;
  }

  fs::path root_;
  bool failed_ = false;
};

void add_payloads(Seeds& seeds) {
  seeds.add_hex("payload_sa", "ike", samples::body_sa);
  seeds.add_hex("payload_sa", "esp", samples::body_sa_esp);
  seeds.add_hex("payload_sa", "tlv", "00000015010300010000000d0100000100090001aa");
  seeds.add_hex("payload_ke", "x25519", samples::body_ke);
  seeds.add_hex("payload_id_i", "fqdn", samples::body_id_i);
  seeds.add_hex("payload_id_r", "ipv4", samples::body_id_r);
  seeds.add_hex("payload_cert", "x509", samples::body_cert);
  seeds.add_hex("payload_cert_req", "x509", samples::body_cert_req);
  seeds.add_hex("payload_auth", "psk", samples::body_auth);
  seeds.add_hex("payload_nonce", "32", samples::body_nonce);
  seeds.add_hex("payload_notify", "rekey_sa", samples::body_notify);
  seeds.add_hex("payload_delete", "esp", samples::body_delete);
  seeds.add_hex("payload_delete", "ike", "01000000");
  seeds.add_hex("payload_vendor_id", "caponier", samples::body_vendor_id);
  seeds.add_hex("payload_ts_i", "both", samples::body_ts_i);
  seeds.add_hex("payload_ts_r", "label", samples::body_ts_r);
  seeds.add_hex("payload_cp", "request", samples::body_cp);
  seeds.add_hex("payload_eap", "identity", samples::body_eap);
  seeds.add_hex("payload_unknown", "puzzle", samples::body_puzzle);
  seeds.add_hex("payload_sk", "auth", "230102030405060708aabbccdd");
  seeds.add_hex("payload_skf", "first", "23000100020102030405060708aabbccdd");
}

void add_messages(Seeds& seeds) {
  seeds.add_hex("ike_message", "ike_sa_init_request", samples::ike_sa_init_request);
  seeds.add_hex("ike_message", "cookie_response", samples::cookie_response);
  seeds.add_hex("ike_message", "no_proposal_response", samples::no_proposal_response);
  seeds.add_hex("ike_message", "ike_auth_request", samples::ike_auth_request);
  seeds.add_hex("ike_message", "ike_auth_fragment", samples::ike_auth_fragment);
  seeds.add_hex("ike_message", "header_only", samples::header_only);
  seeds.add_hex("ike_message", "inner", "23" + std::string{samples::ike_auth_inner});
  seeds.add_hex("ike_header", "header", samples::header_only);
  seeds.add_hex("natt", "keepalive", "ff");
  seeds.add_hex("natt", "ike", "00000000" + std::string{samples::header_only});
  seeds.add_hex("natt", "esp", "c0ffee0100000001aabbccddeeff0011");
}

void add_packets(Seeds& seeds) {
  const auto v4_a = base::IpAddress::v4(0xc0000201);
  const auto v4_b = base::IpAddress::v4(0xc6336401);
  const auto v6_a = *base::IpAddress::parse("2001:db8::1");
  const auto v6_b = *base::IpAddress::parse("2001:db8::2");
  const Bytes text = base::as_bytes("payload");
  seeds.add("ip_views", "udp4", wire::make_udp_packet({v4_a, 1024}, {v4_b, 53}, text));
  seeds.add("ip_views", "udp6", wire::make_udp_packet({v6_a, 1024}, {v6_b, 53}, text));
  seeds.add("ip_views", "echo4", wire::make_echo_packet(v4_a, v4_b, {false, 1, 2, text}));
  seeds.add("ip_views", "echo6", wire::make_echo_packet(v6_a, v6_b, {true, 1, 2, text}));
  seeds.add_hex("ip_views", "tcp4-syn-mss",
                "4500002c0001400040060000c0000201c6336401"
                "04000050000000010000000060022000"
                "00000000020405b4");
  seeds.add_hex("ip_views", "fragment4",
                "4500001c0001200140110000c0000201"
                "c63364010102030405060708");
  seeds.add_hex("ip_views", "chain6",
                "600000000020004020010db8000000000000000000000001"
                "20010db8000000000000000000000002"
                "2c000104000000003c0000010000000a1100010400000000"
                "0400003500080000");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    fmt::print(stderr, "usage: fuzz_seeds <tests/fuzz/corpus>\n");
    return 2;
  }
  Seeds seeds{argv[1]};
  add_payloads(seeds);
  add_messages(seeds);
  add_packets(seeds);
  return seeds.failed() ? 1 : 0;
}
