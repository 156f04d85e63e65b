#include "wire/encrypted_dns.h"

#include <algorithm>

#include "base/error.h"

namespace caponier::wire {
namespace {

using base::Bytes;
using base::Reader;
using base::Wire;
using base::WireFault;
using base::Writer;

enum class Key : std::uint16_t {
  mandatory = 0,
  alpn = 1,
  port = 3,
  dohpath = 7
};  // RFC 9460, 9461

Wire<std::vector<std::string>> read_protocols(Reader in) {
  std::vector<std::string> protocols;
  while (in.remaining() > 0) {
    const auto size = TRY(in.u8("alpn.length"));
    protocols.emplace_back(base::as_text(TRY(in.take(size, "alpn.id"))));
  }
  return protocols;
}

Wire<void> read_parameter(EncryptedDns& to, std::uint16_t key, Reader value) {
  switch (static_cast<Key>(key)) {
    case Key::alpn: to.protocols = TRY(read_protocols(value)); break;
    case Key::port: to.port = TRY(value.u16("port")); return value.finish("port");
    case Key::dohpath: to.doh_path = base::as_text(value.take_rest()); break;
    case Key::mandatory: return std::unexpected{value.error(WireFault::out_of_range, "mandatory")};
  }
  return {};
}

void write_parameter(Writer& out, Key key, Bytes value) {
  out.u16(static_cast<std::uint16_t>(key));
  out.u16(static_cast<std::uint16_t>(value.size()));
  out.bytes(value);
}

}  // namespace

Wire<EncryptedDns> EncryptedDns::decode(Bytes value, base::Family family) {
  Reader in{value};
  EncryptedDns out;
  out.priority = TRY(in.u16("encdns.priority"));
  const auto count = TRY(in.u8("encdns.addresses"));
  const auto name_size = TRY(in.u8("encdns.name.length"));
  if (out.priority == 0 || count > addresses_max || name_size > name_size_max) {
    return std::unexpected{in.error(WireFault::out_of_range, "encdns")};
  }
  for (unsigned i = 0; i < count; ++i) {
    const std::size_t size = family == base::Family::v4 ? 4 : 16;
    out.addresses.push_back(base::IpAddress::from_bytes(TRY(in.take(size, "encdns.address"))));
  }
  out.name = base::as_text(TRY(in.take(name_size, "encdns.name")));
  while (in.remaining() > 0) {
    const auto key = TRY(in.u16("svcparam.key"));
    const auto size = TRY(in.u16("svcparam.length"));
    const Reader parameter = TRY(in.sub(size, "svcparam.value"));
    TRY_VOID(read_parameter(out, key, parameter));
  }
  return out;
}

base::ByteVec EncryptedDns::encode() const {
  Writer out;
  out.u16(priority);
  out.u8(static_cast<std::uint8_t>(addresses.size()));
  out.u8(static_cast<std::uint8_t>(name.size()));
  for (const base::IpAddress& address : addresses) out.bytes(address.bytes());
  out.bytes(base::as_bytes(name));
  Writer list;
  for (const std::string& protocol : protocols) {
    list.u8(static_cast<std::uint8_t>(protocol.size()));
    list.bytes(base::as_bytes(protocol));
  }
  // RFC 9460 s2.2: in the order of their numbers.
  if (!protocols.empty()) write_parameter(out, Key::alpn, list.view());
  if (port) {
    Writer number;
    number.u16(*port);
    write_parameter(out, Key::port, number.view());
  }
  if (!doh_path.empty()) write_parameter(out, Key::dohpath, base::as_bytes(doh_path));
  return base::to_vec(out.view());
}

}  // namespace caponier::wire
