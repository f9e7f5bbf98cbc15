#pragma once

#include <optional>
#include <vector>

#include "actors/dht/contact.hpp"
#include "actors/dht/record.hpp"
#include "schemas/dht.capnp.h"

/// Contacts and records to and from the wire. What does not have the right form is nothing; how
/// many of a list are read is the caller's limit.
namespace swarm::dht {

void to_wire(const contact& from, schemas::DhtContact::Builder to);
/// An empty address is fine; other bytes than printable ASCII are not.
std::optional<contact> from_wire(schemas::DhtContact::Reader from);

void to_wire(const signed_record& from, schemas::DhtRecord::Builder to);
/// Sizes only; the store checks the rest.
std::optional<signed_record> from_wire(schemas::DhtRecord::Reader from);

capnp::Data::Reader to_data(const node_id& id);
std::optional<node_id> to_id(capnp::Data::Reader from);
std::optional<signature_bytes> to_signature(capnp::Data::Reader from);

void to_wire(const std::vector<contact>& from, capnp::List<schemas::DhtContact>::Builder to);
/// The first `max` of them, those with an address and the right form.
std::vector<contact> from_wire(capnp::List<schemas::DhtContact>::Reader from, size_t max);

}  // namespace swarm::dht
