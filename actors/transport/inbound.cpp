#include "actors/transport/inbound.hpp"

#include <xxhash.h>

#include <algorithm>
#include <cassert>
#include <cstring>

#include "actors/transport/body_memory.hpp"
#include "actors/transport/checksum.hpp"

namespace swarm::transport {

namespace {

constexpr size_t word_bytes = sizeof(capnp::word);
constexpr uint8_t tls_handshake = 0x16;
constexpr uint8_t tls_alert = 0x15;
constexpr uint8_t tls_major_version = 3;

const char* const not_ours =
    "what it sends does not begin like a link of this version: check what runs at that address";
const char* const speaks_tls =
    "it speaks TLS and this side has no certificate: give both sides certificates or neither";

bool is_small_talk(packet_kind kind) {
  return kind == packet_kind::hello || kind == packet_kind::welcome || kind == packet_kind::refuse;
}

}  // namespace

struct inbound::stream {
  heading words;
  kj::Array<capnp::word> body;
  size_t filled = 0;
  running_checksum checksum;

  size_t bytes() const { return body.size() * word_bytes; }
  uint8_t* at() { return reinterpret_cast<uint8_t*>(body.begin()) + filled; }
};

inbound::inbound() {
  reserve(ungreeted_scratch_bytes);
}

inbound::~inbound() = default;

void inbound::accept_messages() {
  messages_ = true;
  streams_.resize(streams_max);
}

size_t inbound::needed() const {
  if (!magic_seen_) return link_magic.size();
  return header_ ? header_->content_bytes : packet_header_bytes;
}

void inbound::reserve(size_t bytes) {
  if (bytes <= scratch_size_) return;
  // Not zeroed: it is written before it is read.
  std::unique_ptr<uint8_t[]> larger{new uint8_t[bytes]};
  if (end_ > begin_) std::memcpy(larger.get(), scratch_.get() + begin_, end_ - begin_);
  scratch_ = std::move(larger);
  scratch_size_ = bytes;
  end_ -= begin_;
  begin_ = 0;
}

std::array<writable_span, 2> inbound::want() {
  if (piece_left_ > 0) {
    assert(begin_ == end_);
    begin_ = end_ = 0;
    return {{{filling_->at(), piece_left_},
             {scratch_.get(), std::min(read_ahead_bytes, scratch_size_)}}};
  }
  if (messages_) {
    reserve(scratch_bytes);
  } else if (end_ - begin_ == scratch_size_) {
    reserve(std::min(2 * scratch_size_, std::max(needed(), ungreeted_scratch_bytes)));
  }
  if (begin_ == end_) {
    begin_ = end_ = 0;
  } else if (begin_ > 0 && begin_ + needed() > scratch_size_) {
    std::memmove(scratch_.get(), scratch_.get() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  assert(end_ < scratch_size_);
  return {{{scratch_.get() + end_, scratch_size_ - end_}, {}}};
}

std::optional<std::string> inbound::filled(size_t bytes, sink& to) {
  if (piece_left_ > 0) {
    const size_t direct = std::min(bytes, piece_left_);
    advance_piece(direct);
    bytes -= direct;
  }
  end_ += bytes;
  assert(end_ <= scratch_size_);
  return parse(to);
}

std::optional<std::string> inbound::parse(sink& to) {
  while (!ended_) {
    const size_t available = end_ - begin_;
    if (piece_left_ > 0) {
      const size_t bytes = std::min(piece_left_, available);
      std::memcpy(filling_->at(), scratch_.get() + begin_, bytes);
      begin_ += bytes;
      advance_piece(bytes);
      if (piece_left_ > 0) return std::nullopt;
    } else if (!magic_seen_) {
      if (auto wrong = check_magic()) return wrong;
      if (!magic_seen_) return std::nullopt;
    } else if (available < needed()) {
      return std::nullopt;
    } else if (auto wrong = header_ ? finish_packet(to) : begin_packet()) {
      return wrong;
    }
  }
  begin_ = end_ = 0;
  return std::nullopt;
}

std::optional<std::string> inbound::check_magic() {
  const size_t bytes = std::min(end_ - begin_, link_magic.size());
  const uint8_t* at = scratch_.get() + begin_;
  // A wrong beginning is told at once: a stranger may never send eight bytes.
  if (!std::equal(at, at + bytes, link_magic.begin())) {
    const bool tls =
        (at[0] == tls_handshake || at[0] == tls_alert) && (bytes < 2 || at[1] == tls_major_version);
    return tls ? speaks_tls : not_ours;
  }
  if (bytes < link_magic.size()) return std::nullopt;
  begin_ += link_magic.size();
  overhead_bytes_read_ += link_magic.size();
  magic_seen_ = true;
  return std::nullopt;
}

std::optional<std::string> inbound::begin_packet() {
  header_ = decode_header(scratch_.get() + begin_);
  if (!header_) return "a packet's header is damaged or unknown: check the far side's version";
  begin_ += packet_header_bytes;
  overhead_bytes_read_ += packet_header_bytes;
  if (!messages_ && !is_small_talk(header_->kind)) return "it sent more than a greeting";
  return header_->kind == packet_kind::piece ? begin_piece() : std::nullopt;
}

std::optional<std::string> inbound::begin_piece() {
  if (header_->stream >= streams_.size() || !streams_[header_->stream])
    return "a piece belongs to no body";
  auto& to = *streams_[header_->stream];
  if (header_->content_bytes > to.bytes() - to.filled) return "a body is longer than it said";
  filling_ = &to;
  piece_left_ = header_->content_bytes;
  header_.reset();
  return std::nullopt;
}

void inbound::advance_piece(size_t bytes) {
  if (bytes == 0) return;
  // Right after they were read, while the cache holds them.
  filling_->checksum.add(filling_->at(), bytes);
  filling_->filled += bytes;
  piece_left_ -= bytes;
  bulk_bytes_read_ += bytes;
}

std::optional<std::string> inbound::finish_packet(sink& to) {
  const auto header = *header_;
  const uint8_t* content = scratch_.get() + begin_;
  std::optional<std::string> wrong;
  switch (header.kind) {
    case packet_kind::message:
      wrong = take_message(content, to);
      break;
    case packet_kind::open:
      wrong = open_stream(content);
      break;
    case packet_kind::seal:
      wrong = seal_stream(content, to);
      break;
    default:
      overhead_bytes_read_ += header.content_bytes;
      ended_ = header.kind == packet_kind::bye || header.kind == packet_kind::refuse;
      to.on_packet(header.kind, content, header.content_bytes);
  }
  header_.reset();
  begin_ += header.content_bytes;
  return wrong;
}

std::optional<std::string> inbound::take_message(const uint8_t* content, sink& to) {
  const auto head = decode_head(content);
  if (!head) return "a message's head is damaged";
  const size_t bytes = header_->content_bytes - head_bytes;
  if (bytes != head->body_words * word_bytes) return "a message is longer than it says";
  if (head->words.type == 0 && bytes != 0) return "a message without a type has a body";
  overhead_bytes_read_ += head_bytes;
  std::variant<wire::frame_ptr, wire::errc> body{wire::frame_ptr{}};
  if (bytes != 0) {
    auto words = kj::heapArray<capnp::word>(head->body_words);
    std::memcpy(words.begin(), content + head_bytes, bytes);
    wire::frame_ptr frame;
    if (XXH3_64bits(words.begin(), bytes) != head->body_checksum) {
      body = wire::errc::wrong_checksum;
    } else if (const auto failure = wire::parse_body(std::move(words), frame)) {
      body = *failure;
    } else {
      body = std::move(frame);
    }
  } else if (head->words.type != 0) {
    body = wire::errc::truncated;
  }
  to.on_body(head->words, std::move(body), bytes, false);
  return std::nullopt;
}

std::optional<std::string> inbound::open_stream(const uint8_t* content) {
  const auto head = decode_head(content);
  if (!head) return "a message's head is damaged";
  const size_t bytes = head->body_words * word_bytes;
  if (header_->stream >= streams_.size()) return "it sends more than streams_max bodies at once";
  if (streams_[header_->stream]) return "two bodies have the same stream";
  if (bytes == 0 || head->words.type == 0) return "a body in pieces has no type or no bytes";
  if (bytes > reassembly_bytes_max - reassembly_bytes_)
    return "it sends more than reassembly_bytes_max at once";
  overhead_bytes_read_ += head_bytes;
  auto made = std::make_unique<stream>();
  made->words = head->words;
  made->body = allocate_body(head->body_words);
  streams_[header_->stream] = std::move(made);
  reassembly_bytes_ += bytes;
  return std::nullopt;
}

std::optional<std::string> inbound::seal_stream(const uint8_t* content, sink& to) {
  if (header_->stream >= streams_.size() || !streams_[header_->stream])
    return "a checksum belongs to no body";
  const auto done = std::move(streams_[header_->stream]);
  const size_t bytes = done->bytes();
  if (done->filled != bytes) return "a body is shorter than it said";
  reassembly_bytes_ -= bytes;
  overhead_bytes_read_ += header_->content_bytes;
  std::variant<wire::frame_ptr, wire::errc> body{wire::errc::wrong_checksum};
  if (done->checksum.value() == get_u64(content)) {
    wire::frame_ptr frame;
    const auto failure = wire::parse_body(std::move(done->body), frame);
    if (failure) {
      body = *failure;
    } else {
      body = std::move(frame);
    }
  }
  to.on_body(done->words, std::move(body), bytes, true);
  return std::nullopt;
}

}  // namespace swarm::transport
