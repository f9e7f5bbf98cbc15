#include "actors/transport/send_queue.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>

#include "actors/transport/checksum.hpp"

namespace swarm::transport {

namespace {

constexpr size_t word_bytes = sizeof(capnp::word);

/// A frame's segment table and segments, kept alive together.
struct source {
  wire::frame_ptr body;
  std::vector<uint32_t> table;
};

std::shared_ptr<const source> make_source(wire::frame_ptr body) {
  auto table = wire::segment_table(body->parts());
  return std::make_shared<const source>(source{std::move(body), std::move(table)});
}

readable_span span_of(const std::vector<uint32_t>& table) {
  return {reinterpret_cast<const uint8_t*>(table.data()), table.size() * sizeof(uint32_t)};
}

readable_span span_of(kj::ArrayPtr<const capnp::word> part) {
  return {reinterpret_cast<const uint8_t*>(part.begin()), part.size() * word_bytes};
}

std::string eight_bytes(uint64_t value) {
  std::string result(sizeof(value), '\0');
  put_u64(reinterpret_cast<uint8_t*>(result.data()), value);
  return result;
}

}  // namespace

/// A body that is being cut.
struct send_queue::stream {
  heading words;
  std::shared_ptr<const source> from;
  size_t bytes = 0;
  size_t cut = 0;
  bool opened = false;
  size_t next_part = 0;   ///< of the frame; the table comes before them
  readable_span current;  ///< what is left of the part before that
  running_checksum checksum;
};

send_queue::send_queue(size_t queue_bytes_max) : queue_bytes_max_(queue_bytes_max) {
  streams_.resize(streams_max);
}

send_queue::~send_queue() = default;

send_queue::packet send_queue::make_packet(packet_kind kind, std::string content) {
  assert(content.size() <= content_bytes_max(kind) && content.size() >= content_bytes_min(kind));
  packet made;
  const auto header = encode(packet_header{static_cast<uint32_t>(content.size()), 0, kind});
  std::copy(header.begin(), header.end(), made.front.begin());
  made.front_bytes = header.size();
  if (content.size() <= head_bytes) {
    std::copy(content.begin(), content.end(), made.front.begin() + header.size());
    made.front_bytes += content.size();
    return made;
  }
  const auto kept = std::make_shared<const std::string>(std::move(content));
  made.part_bytes = kept->size();
  made.parts = {{reinterpret_cast<const uint8_t*>(kept->data()), kept->size()}};
  made.keeps = kept;
  return made;
}

send_queue::packet send_queue::make_message(const heading& words, wire::frame_ptr body,
                                            size_t bytes) const {
  packet made;
  made.of = lane::control;
  made.ends_message = true;
  message_head head;
  head.words = words;
  head.body_words = static_cast<uint32_t>(bytes / word_bytes);
  if (body) {
    auto from = make_source(std::move(body));
    head.body_checksum = wire::body_checksum(from->table, from->body->parts());
    made.parts.reserve(from->body->parts().size() + 1);
    made.parts.push_back(span_of(from->table));
    for (const auto& part : from->body->parts())
      if (part.size() != 0) made.parts.push_back(span_of(part));
    made.keeps = std::move(from);
    made.part_bytes = made.body_bytes = bytes;
  }
  const auto header =
      encode(packet_header{static_cast<uint32_t>(head_bytes + bytes), 0, packet_kind::message});
  const auto encoded = encode(head);
  const auto behind = std::copy(header.begin(), header.end(), made.front.begin());
  std::copy(encoded.begin(), encoded.end(), behind);
  made.front_bytes = header.size() + encoded.size();
  return made;
}

bool send_queue::push(const heading& words, wire::frame_ptr body) {
  assert(!last_);
  const size_t bytes = body ? body->body_bytes() : 0;
  if (bytes > wire::frame_bytes_max || bytes + head_bytes > queue_bytes_max_ - queued_bytes_)
    return false;
  queued_bytes_ += bytes + head_bytes;
  if (bytes <= control_body_bytes_max) {
    control_.push_back(make_message(words, std::move(body), bytes));
  } else {
    waiting_.push_back({words, std::move(body), bytes});
  }
  return true;
}

void send_queue::push(packet_kind kind, std::string content) {
  if (urgent_.size() < urgent_packets_max) urgent_.push_back(make_packet(kind, std::move(content)));
}

void send_queue::push_magic() {
  packet made;
  std::copy(link_magic.begin(), link_magic.end(), made.front.begin());
  made.front_bytes = link_magic.size();
  urgent_.push_back(std::move(made));
}

void send_queue::push_last(packet_kind kind, std::string content) {
  last_ = make_packet(kind, std::move(content));
}

void send_queue::drop_all() {
  urgent_.clear();
  control_.clear();
  waiting_.clear();
  turns_.clear();
  for (auto& each : streams_)
    each.reset();
  const size_t begun = !staged_.empty() && staged_.front().written > 0 ? 1 : 0;
  staged_.erase(staged_.begin() + static_cast<ptrdiff_t>(begun), staged_.end());
  staged_urgent_ = staged_control_ = 0;
  staged_bytes_ = begun == 0 ? 0 : staged_.front().bytes() - staged_.front().written;
  staged_bulk_bytes_ = 0;
  queued_bytes_ = open_bytes_ = 0;
}

bool send_queue::empty() const {
  return staged_.empty() && urgent_.empty() && control_.empty() && waiting_.empty() &&
         turns_.empty() && !last_;
}

void send_queue::stage_small(std::deque<packet>& from, size_t& staged, size_t before,
                             size_t bytes_max) {
  const size_t begun = !staged_.empty() && staged_.front().written > 0 ? 1 : 0;
  while (!from.empty() && staged < gather_spans_max / 4 && staged_bytes_ < bytes_max) {
    staged_bytes_ += from.front().bytes();
    const auto at = staged_.begin() + static_cast<ptrdiff_t>(begun + before + staged);
    staged_.insert(at, std::move(from.front()));
    from.pop_front();
    ++staged;
  }
}

void send_queue::open_streams() {
  while (!waiting_.empty()) {
    const auto free = std::find(streams_.begin(), streams_.end(), nullptr);
    // The receiver counts in the same way and refuses more.
    if (free == streams_.end() || waiting_.front().bytes > reassembly_bytes_max - open_bytes_)
      return;
    auto made = std::make_unique<stream>();
    made->words = waiting_.front().words;
    made->bytes = waiting_.front().bytes;
    made->from = make_source(std::move(waiting_.front().body));
    made->current = span_of(made->from->table);
    open_bytes_ += made->bytes;
    *free = std::move(made);
    turns_.push_back(static_cast<uint32_t>(free - streams_.begin()));
    waiting_.pop_front();
  }
}

void send_queue::stage_back(packet made) {
  made.of = lane::bulk;
  staged_bytes_ += made.bytes();
  staged_bulk_bytes_ += made.body_bytes;
  staged_.push_back(std::move(made));
}

size_t send_queue::stage_piece(size_t bytes_max) {
  const uint32_t number = turns_.front();
  turns_.pop_front();
  auto& body = *streams_[number];
  packet made;
  auto* out = made.front.data();
  if (!body.opened) {
    message_head head;
    head.words = body.words;
    head.body_words = static_cast<uint32_t>(body.bytes / word_bytes);
    packet opening;
    const auto header = encode(packet_header{head_bytes, number, packet_kind::open});
    const auto encoded = encode(head);
    std::copy(encoded.begin(), encoded.end(),
              std::copy(header.begin(), header.end(), opening.front.begin()));
    opening.front_bytes = header.size() + encoded.size();
    stage_back(std::move(opening));
    body.opened = true;
  }
  const size_t bytes = std::min(bytes_max, body.bytes - body.cut);
  const auto header =
      encode(packet_header{static_cast<uint32_t>(bytes), number, packet_kind::piece});
  std::copy(header.begin(), header.end(), out);
  made.front_bytes = header.size();
  made.part_bytes = made.body_bytes = bytes;
  made.keeps = body.from;
  for (size_t left = bytes; left > 0;) {
    if (body.current.size == 0) body.current = span_of(body.from->body->parts()[body.next_part++]);
    const size_t taken = std::min(left, body.current.size);
    if (taken == 0) continue;
    made.parts.push_back({body.current.data, taken});
    body.checksum.add(body.current.data, taken);
    body.current.data += taken;
    body.current.size -= taken;
    left -= taken;
  }
  body.cut += bytes;
  stage_back(std::move(made));
  if (body.cut < body.bytes) {
    turns_.push_back(number);
    return bytes;
  }
  auto seal = make_packet(packet_kind::seal, eight_bytes(body.checksum.value()));
  const auto sealed = encode(packet_header{sizeof(uint64_t), number, packet_kind::seal});
  std::copy(sealed.begin(), sealed.end(), seal.front.begin());
  seal.ends_message = true;
  open_bytes_ -= body.bytes;
  stage_back(std::move(seal));
  streams_[number].reset();
  return bytes;
}

void send_queue::stage_bulk(const allowance& allowed) {
  size_t room = allowed.bulk_bytes - std::min(allowed.bulk_bytes, staged_bulk_bytes_);
  while (room > 0 && staged_bytes_ < allowed.gather_bytes) {
    open_streams();
    if (turns_.empty()) return;
    room -= stage_piece(std::min(allowed.packet_bytes, room));
  }
}

void send_queue::gather(const allowance& allowed, std::vector<readable_span>& out) {
  stage_small(urgent_, staged_urgent_, 0, SIZE_MAX);
  if (allowed.control)
    stage_small(control_, staged_control_, staged_urgent_,
                staged_bulk_bytes_ + allowed.gather_bytes);
  stage_bulk(allowed);
  if (last_ && staged_.empty() && control_.empty() && turns_.empty() && waiting_.empty()) {
    staged_bytes_ += last_->bytes();
    staged_.push_back(std::move(*last_));
    ++staged_urgent_;
    last_.reset();
  }
  for (const auto& each : staged_) {
    if (out.size() + each.parts.size() + 1 > gather_spans_max && !out.empty()) return;
    size_t skip = each.written;
    const auto add = [&](readable_span part) {
      const size_t skipped = std::min(skip, part.size);
      skip -= skipped;
      if (part.size > skipped) out.push_back({part.data + skipped, part.size - skipped});
    };
    add({each.front.data(), each.front_bytes});
    for (const auto& part : each.parts)
      add(part);
  }
}

void send_queue::begin_writing(const packet& first) {
  if (first.of == lane::urgent) {
    assert(staged_urgent_ > 0);
    --staged_urgent_;
  } else if (first.of == lane::control) {
    assert(staged_control_ > 0);
    --staged_control_;
  }
}

send_queue::progress send_queue::wrote(size_t bytes) {
  progress result;
  while (bytes > 0) {
    assert(!staged_.empty());
    auto& first = staged_.front();
    if (first.written == 0) begin_writing(first);
    const size_t taken = std::min(bytes, first.bytes() - first.written);
    if (first.of == lane::bulk && first.body_bytes > 0) {
      const size_t before = first.written - std::min(first.written, first.front_bytes);
      const size_t after =
          first.written + taken - std::min(first.written + taken, first.front_bytes);
      result.bulk_bytes += after - before;
    }
    first.written += taken;
    bytes -= taken;
    staged_bytes_ -= taken;
    if (first.written < first.bytes()) break;
    account(first);
    staged_.pop_front();
  }
  staged_bulk_bytes_ -= result.bulk_bytes;
  return result;
}

void send_queue::account(const packet& done) {
  sent_.overhead_bytes += done.bytes() - done.body_bytes;
  const size_t messages = done.ends_message ? 1 : 0;
  if (done.of == lane::control) {
    sent_.control_messages += messages;
    sent_.control_bytes += done.body_bytes;
  } else if (done.of == lane::bulk) {
    sent_.bulk_messages += messages;
    sent_.bulk_bytes += done.body_bytes;
  }
  queued_bytes_ -= std::min(queued_bytes_, done.body_bytes + messages * head_bytes);
}

}  // namespace swarm::transport
