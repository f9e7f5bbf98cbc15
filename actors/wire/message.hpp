#pragma once

#include <capnp/message.h>
#include <capnp/schema.h>

#include <caf/deserializer.hpp>
#include <caf/meta/type_name.hpp>
#include <caf/serializer.hpp>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "actors/wire/frame.hpp"

namespace swarm::wire {

/// Follows every pointer of a received frame with the schema's types, so that reading the message
/// later cannot fail. Empty when the frame is good.
std::optional<errc> validate(const frame& received, capnp::StructSchema schema);

/// Writes header and body; `type` is the schema's id. One copy of each segment.
caf::error save_frame(caf::serializer& sink, uint64_t type, const frame_ptr& value);

/// Reads what `save_frame` wrote. Lengths are checked before anything is allocated. A damaged
/// frame is not an error here, since CAF would then deliver an empty message: it comes back in
/// `fault` and the handler answers it.
caf::error load_frame(caf::deserializer& source, capnp::StructSchema schema, frame_ptr& value,
                      std::optional<errc>& fault);

/// A view of a message's root; cheap to make, not to be shared between threads.
template <class Schema>
class reading {
 public:
  explicit reading(frame_ptr held)
      : frame_(std::move(held)),
        reader_(kj::arrayPtr(frame_->parts().data(), frame_->parts().size()),
                frame_->reader_options()),
        root_(reader_.template getRoot<Schema>()) {}

  const typename Schema::Reader* operator->() const { return &root_; }
  const typename Schema::Reader& operator*() const { return root_; }

 private:
  frame_ptr frame_;
  capnp::SegmentArrayMessageReader reader_;
  typename Schema::Reader root_;
};

/// A Cap'n Proto message as a CAF message type: a handle to an immutable, shared frame. Copying it
/// copies a pointer, so inside a process nothing is ever serialized. Handlers take it by type:
///
///     [=](const wire::message<schemas::Forward>& request) -> caf::result<...> {
///       if (auto fault = request.fault()) return make_error(*fault);
///       auto forward = request.read();
///       forward->getTicket()...
///
/// Over the network a damaged frame arrives as a message with a fault.
template <class Schema>
class message {
 public:
  using schema = Schema;

  message() = default;
  explicit message(frame_ptr value) : frame_(std::move(value)), fault_(std::nullopt) {}
  /// One that was damaged on its way.
  explicit message(errc fault) : fault_(fault) {}

  /// Why the message must not be read, or nothing.
  const std::optional<errc>& fault() const { return fault_; }

  /// Precondition: no fault.
  reading<Schema> read() const { return reading<Schema>{frame_}; }

  const frame_ptr& bytes() const { return frame_; }

  friend caf::error inspect(caf::serializer& sink, message& x) {
    return save_frame(sink, capnp::typeId<Schema>(), x.frame_);
  }

  friend caf::error inspect(caf::deserializer& source, message& x) {
    return load_frame(source, capnp::Schema::from<Schema>(), x.frame_, x.fault_);
  }

  friend std::string to_string(const message& x) {
    return x.fault_ ? "damaged" : std::to_string(x.frame_->wire_bytes()) + " B";
  }

 private:
  frame_ptr frame_;
  std::optional<errc> fault_ = errc::unexpected_empty;
};

/// Builds one message. Attached tensors are referenced, not copied, and kept alive by the frame.
template <class Schema>
class builder {
 public:
  builder()
      : message_(std::make_shared<capnp::MallocMessageBuilder>(first_segment_words)),
        root_(message_->template initRoot<Schema>()) {}

  typename Schema::Builder* operator->() { return &root_; }
  typename Schema::Builder& operator*() { return root_; }

  /// Keeps `owner` alive as long as the message.
  void keep(std::shared_ptr<const void> owner) { owners_.push_back(std::move(owner)); }

  /// Counts the bytes of a virtual tensor.
  void model(size_t bytes) { virtual_bytes_ += bytes; }

  /// No changes afterwards.
  message<Schema> finish() {
    segments parts;
    for (auto part : message_->getSegmentsForOutput())
      parts.push_back(part);
    owners_.push_back(std::move(message_));
    return message<Schema>{
        std::make_shared<const frame>(std::move(parts), std::move(owners_), virtual_bytes_)};
  }

 private:
  static constexpr unsigned first_segment_words = 48;

  std::shared_ptr<capnp::MallocMessageBuilder> message_;
  typename Schema::Builder root_;
  std::vector<std::shared_ptr<const void>> owners_;
  size_t virtual_bytes_ = 0;
};

}  // namespace swarm::wire
