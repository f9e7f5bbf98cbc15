#include "actors/wire/message.hpp"

#include <capnp/dynamic.h>
#include <kj/exception.h>

#include <caf/binary_deserializer.hpp>
#include <caf/sec.hpp>
#include <cstring>

namespace swarm::wire {

namespace {

constexpr size_t word_bytes = sizeof(capnp::word);

void touch(const capnp::DynamicValue::Reader& value);

void touch(const capnp::DynamicStruct::Reader& value) {
  const auto fields = value.getSchema().getNonUnionFields();
  for (auto field : fields) {
    if (value.has(field)) touch(value.get(field));
  }
  KJ_IF_MAYBE (field, value.which()) {
    if (value.has(*field)) touch(value.get(*field));
  }
}

void touch(const capnp::DynamicValue::Reader& value) {
  switch (value.getType()) {
    case capnp::DynamicValue::STRUCT:
      touch(value.as<capnp::DynamicStruct>());
      break;
    case capnp::DynamicValue::LIST: {
      const auto list = value.as<capnp::DynamicList>();
      // Lists of numbers are checked by getting them; only structs have pointers to follow.
      for (auto element : list) {
        if (element.getType() != capnp::DynamicValue::STRUCT) break;
        touch(element);
      }
      break;
    }
    default:
      break;
  }
}

}  // namespace

std::optional<errc> validate(const frame& received, capnp::StructSchema schema) {
  std::optional<errc> fault;
  auto exception = kj::runCatchingExceptions([&] {
    capnp::SegmentArrayMessageReader reader(
        kj::arrayPtr(received.parts().data(), received.parts().size()), received.reader_options());
    touch(reader.getRoot<capnp::DynamicStruct>(schema));
  });
  if (exception != nullptr) fault = errc::malformed;
  return fault;
}

caf::error save_frame(caf::serializer& sink, uint64_t type, const frame_ptr& value) {
  const segments none;
  const segments& parts = value ? value->parts() : none;
  const auto table = value ? segment_table(parts) : std::vector<uint32_t>{};
  const uint64_t header[3] = {frame_magic, type, body_checksum(table, parts)};
  size_t total = value ? value->wire_bytes() : frame_header_bytes;
  if (auto error = sink.begin_sequence(total)) return error;
  // CAF's serializer takes mutable pointers and only reads through them.
  const auto write = [&](const void* bytes, size_t count) {
    return sink.apply_raw(count, const_cast<void*>(bytes));
  };
  if (auto error = write(header, sizeof(header))) return error;
  if (auto error = write(table.data(), table.size() * sizeof(uint32_t))) return error;
  for (const auto& part : parts) {
    if (auto error = write(part.begin(), part.size() * word_bytes)) return error;
  }
  return sink.end_sequence();
}

caf::error load_frame(caf::deserializer& source, capnp::StructSchema schema, frame_ptr& value,
                      std::optional<errc>& fault) {
  value.reset();
  size_t total = 0;
  if (auto error = source.begin_sequence(total)) return error;
  // Only the binary deserializer knows how much is left; CAF's network layer uses no other.
  auto* binary = dynamic_cast<caf::binary_deserializer*>(&source);
  if (binary == nullptr) return caf::sec::invalid_argument;
  const auto give_up = [&](errc why) {
    fault = why;
    binary->skip(binary->remaining());
    return caf::none;
  };
  if (total > binary->remaining()) return give_up(errc::truncated);
  if (total > frame_bytes_max) return give_up(errc::oversized);
  if (total <= frame_header_bytes || total % word_bytes != 0) return give_up(errc::truncated);
  uint64_t header[3];
  if (auto error = source.apply_raw(sizeof(header), header)) return error;
  auto body = kj::heapArray<capnp::word>((total - frame_header_bytes) / word_bytes);
  if (auto error = source.apply_raw(total - frame_header_bytes, body.begin())) return error;
  if (auto error = source.end_sequence()) return error;
  if (header[0] != frame_magic)
    fault = errc::wrong_magic;
  else if (header[1] != schema.getProto().getId())
    fault = errc::wrong_type;
  else
    fault = parse_body(std::move(body), value);
  if (fault) return caf::none;
  if (body_checksum(segment_table(value->parts()), value->parts()) != header[2])
    fault = errc::wrong_checksum;
  else
    fault = validate(*value, schema);
  if (fault) value.reset();
  return caf::none;
}

}  // namespace swarm::wire
