// RFC 7296 s3.3: proposals, transforms and their attributes.

#include <algorithm>

#include "wire/ike.h"
#include "wire/ike_codec.h"

namespace caponier::wire {

using base::WireFault;

namespace {

constexpr std::uint16_t attribute_format_tv = 0x8000;
constexpr std::size_t proposal_header_size = 8;
constexpr std::size_t transform_header_size = 8;

/// The "Last Substruc" octet: 0 for the last, else what IKEv1 called the next payload.
constexpr std::uint8_t last_substructure = 0;
constexpr std::uint8_t more_proposals = 2;
constexpr std::uint8_t more_transforms = 3;

Wire<TransformAttribute> decode_attribute(Reader& in) {
  const std::uint16_t word = TRY(in.u16("sa.attribute.type"));
  TransformAttribute attribute;
  attribute.type = word & static_cast<std::uint16_t>(~attribute_format_tv);
  attribute.is_tv = (word & attribute_format_tv) != 0;
  std::size_t size = 2;
  if (!attribute.is_tv) size = TRY(in.u16("sa.attribute.length"));
  attribute.value = base::to_vec(TRY(in.take(size, "sa.attribute.value")));
  return attribute;
}

void encode_attribute(const TransformAttribute& attribute, Writer& out) {
  fail_unless(out, attribute.type < attribute_format_tv);
  if (attribute.is_tv) {
    fail_unless(out, attribute.value.size() == 2);
    out.u16(attribute.type | attribute_format_tv);
  } else {
    out.u16(attribute.type);
    write_u16_size(out, attribute.value.size());
  }
  out.bytes(attribute.value);
}

/// The start shared by proposals and transforms (s3.3.1, s3.3.2): a reader over what follows the
/// length field. The first octet must tell whether the structure ends its parent.
Wire<Reader> open_substructure(Reader& in, std::uint8_t more, std::size_t size_min) {
  const std::size_t parent_size = in.remaining();
  const Reader at_start = in;
  const std::uint8_t position = TRY(in.u8("sa.last_substruc"));
  //= rfc7296#3.3.1-1
  TRY_VOID(in.skip(1, "sa.reserved"));
  const std::size_t size = TRY(in.u16("sa.substructure_length"));
  if (size < size_min)
    return wire_failure(at_start, WireFault::bad_length, "sa.substructure_length");
  if (size > parent_size) return wire_failure(in, WireFault::truncated, "sa.substructure");
  const bool is_last = size == parent_size;
  if (position != (is_last ? last_substructure : more)) {
    return wire_failure(at_start, WireFault::out_of_range, "sa.last_substruc");
  }
  return in.sub(size - 4, "sa.substructure");
}

Wire<Transform> decode_transform(Reader& parent) {
  Reader in = TRY(open_substructure(parent, more_transforms, transform_header_size));
  Transform transform;
  transform.type = static_cast<TransformType>(TRY(in.u8("sa.transform.type")));
  //= rfc7296#3.3.2-1
  TRY_VOID(in.skip(1, "sa.transform.reserved"));
  transform.id = TRY(in.u16("sa.transform.id"));
  while (in.remaining() != 0) {
    if (transform.attributes.size() == transform_attribute_count_max) {
      return wire_failure(in, WireFault::out_of_range, "sa.attribute_count");
    }
    transform.attributes.push_back(TRY(decode_attribute(in)));
  }
  return transform;
}

void encode_transform(const Transform& transform, bool is_last, Writer& out) {
  const std::size_t start = out.size();
  fail_unless(out, transform.attributes.size() <= transform_attribute_count_max);
  out.u8(is_last ? last_substructure : more_transforms);
  out.u8(0);
  out.u16(0);
  out.u8(static_cast<std::uint8_t>(transform.type));
  out.u8(0);
  out.u16(transform.id);
  for (const TransformAttribute& attribute : transform.attributes) encode_attribute(attribute, out);
  out.patch_u16(start + 2, out.size() - start);
}

Wire<Proposal> decode_proposal(Reader& parent) {
  Reader in = TRY(open_substructure(parent, more_proposals, proposal_header_size));
  Proposal proposal;
  proposal.number = TRY(in.u8("sa.proposal.number"));
  proposal.protocol = static_cast<ProtocolId>(TRY(in.u8("sa.proposal.protocol")));
  const std::size_t spi_size = TRY(in.u8("sa.proposal.spi_size"));
  const std::size_t count = TRY(in.u8("sa.proposal.transform_count"));
  proposal.spi = base::to_vec(TRY(in.take(spi_size, "sa.proposal.spi")));
  constexpr std::size_t transform_count_usual = 8;
  proposal.transforms.reserve(std::min(count, transform_count_usual));
  //= rfc7296#3.3-4
  for (std::size_t i = 0; i < count; ++i) {
    proposal.transforms.push_back(TRY(decode_transform(in)));
  }
  TRY_VOID(in.finish("sa.proposal"));
  return proposal;
}

void encode_proposal(const Proposal& proposal, bool is_last, Writer& out) {
  const std::size_t start = out.size();
  out.u8(is_last ? last_substructure : more_proposals);
  out.u8(0);
  out.u16(0);
  out.u8(proposal.number);
  out.u8(static_cast<std::uint8_t>(proposal.protocol));
  write_u8_size(out, proposal.spi.size());
  static_assert(transform_count_max == 255, "the count is one octet");
  write_u8_size(out, proposal.transforms.size());
  out.bytes(proposal.spi);
  for (const Transform& transform : proposal.transforms) {
    encode_transform(transform, &transform == &proposal.transforms.back(), out);
  }
  out.patch_u16(start + 2, out.size() - start);
}

}  // namespace

std::optional<std::uint16_t> Transform::key_length() const {
  for (const TransformAttribute& attribute : attributes) {
    //= rfc7296#3.3.5-1..3
    if (attribute.type == attribute_key_length && attribute.is_tv && attribute.value.size() == 2) {
      return base::load_be<std::uint16_t>(attribute.value.data());
    }
  }
  return std::nullopt;
}

Transform make_transform(TransformType type, std::uint16_t id, std::uint16_t key_bits) {
  Transform transform{type, id, {}};
  if (key_bits != 0) {
    ByteVec value(2);
    base::store_be(value.data(), key_bits);
    //= rfc7296#3.3.5-1..3
    transform.attributes.push_back({attribute_key_length, true, std::move(value)});
  }
  return transform;
}

Wire<SaPayload> SaPayload::decode(Reader& in) {
  SaPayload sa;
  while (in.remaining() != 0) {
    if (sa.proposals.size() == proposal_count_max) {
      return wire_failure(in, WireFault::out_of_range, "sa.proposal_count");
    }
    sa.proposals.push_back(TRY(decode_proposal(in)));
  }
  return sa;
}

void SaPayload::encode(Writer& out) const {
  fail_unless(out, proposals.size() <= proposal_count_max);
  for (const Proposal& proposal : proposals) {
    encode_proposal(proposal, &proposal == &proposals.back(), out);
  }
}

}  // namespace caponier::wire
