#include "actors/dht/codec.hpp"

#include <algorithm>
#include <array>
#include <string_view>

namespace swarm::dht {

namespace {

template <size_t N>
capnp::Data::Reader data_of(const std::array<uint8_t, N>& bytes) {
  return {bytes.data(), bytes.size()};
}

capnp::Data::Reader data_of(const std::string& bytes) {
  return {reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()};
}

template <size_t N>
bool copy(capnp::Data::Reader from, std::array<uint8_t, N>& to) {
  if (from.size() != N) return false;
  std::copy(from.begin(), from.end(), to.begin());
  return true;
}

bool copy(capnp::Data::Reader from, std::string& to, size_t bytes_max) {
  if (from.size() > bytes_max) return false;
  to.assign(reinterpret_cast<const char*>(from.begin()), from.size());
  return true;
}

bool is_printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c <= '~'; });
}

}  // namespace

void to_wire(const contact& from, schemas::DhtContact::Builder to) {
  to.setKey(data_of(from.key));
  to.setAddress(from.address);
}

std::optional<contact> from_wire(schemas::DhtContact::Reader from) {
  public_key key;
  if (!copy(from.getKey(), key)) return std::nullopt;
  const auto text = from.getAddress();
  const std::string_view address{text.begin(), text.size()};
  if (address.size() > address_bytes_max || !is_printable(address)) return std::nullopt;
  return contact{key, std::string{address}};
}

void to_wire(const signed_record& from, schemas::DhtRecord::Builder to) {
  to.setKey(data_of(from.key.bytes));
  to.setSubkey(data_of(from.subkey));
  to.setValue(data_of(from.value));
  to.setSequence(from.sequence);
  to.setExpiresUnixMs(from.expires_unix_ms);
  to.setOwner(data_of(from.owner));
  to.setSignature(data_of(from.signature));
}

std::optional<signed_record> from_wire(schemas::DhtRecord::Reader from) {
  signed_record to;
  to.sequence = from.getSequence();
  to.expires_unix_ms = from.getExpiresUnixMs();
  const bool whole = copy(from.getKey(), to.key.bytes) && copy(from.getOwner(), to.owner) &&
                     copy(from.getSignature(), to.signature) &&
                     copy(from.getSubkey(), to.subkey, to.owner.size() + subkey_text_bytes_max) &&
                     copy(from.getValue(), to.value, value_bytes_max);
  if (!whole) return std::nullopt;
  return to;
}

capnp::Data::Reader to_data(const node_id& id) {
  return data_of(id.bytes);
}

std::optional<node_id> to_id(capnp::Data::Reader from) {
  node_id id;
  if (!copy(from, id.bytes)) return std::nullopt;
  return id;
}

std::optional<signature_bytes> to_signature(capnp::Data::Reader from) {
  signature_bytes signature;
  if (!copy(from, signature)) return std::nullopt;
  return signature;
}

void to_wire(const std::vector<contact>& from, capnp::List<schemas::DhtContact>::Builder to) {
  for (unsigned i = 0; i < from.size(); ++i)
    to_wire(from[i], to[i]);
}

std::vector<contact> from_wire(capnp::List<schemas::DhtContact>::Reader from, size_t max) {
  std::vector<contact> result;
  const auto count = std::min<size_t>(from.size(), max);
  for (unsigned i = 0; i < count; ++i) {
    auto who = from_wire(from[i]);
    if (who && !who->address.empty()) result.push_back(std::move(*who));
  }
  return result;
}

}  // namespace swarm::dht
