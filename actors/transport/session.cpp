#include "actors/transport/session.hpp"

#include <netinet/tcp.h>
#include <sys/ioctl.h>

#include <boost/asio/post.hpp>
#include <cassert>

#include "actors/transport/address.hpp"
#include "actors/transport/clock.hpp"
#include "actors/transport/tcp_facts.hpp"

namespace swarm::transport {

namespace {

/// Read or written before others have their turn.
constexpr size_t turn_bytes = size_t{2} << 20;
/// The far side is told at the latest after so many bulk bytes, and whenever all is read.
constexpr uint64_t credit_every_bytes = uint64_t{1} << 20;
/// What the kernel holds back; a control message waits behind it.
constexpr int unsent_bytes_max = 512 << 10;
/// Pieces are a fraction of the window, so that several bodies share it.
constexpr size_t pieces_per_window = 4;
constexpr size_t piece_bytes_min = size_t{16} << 10;
/// How long a far side is given to read the last word, and how much of its own is thrown away.
constexpr std::chrono::seconds linger_max{1};
constexpr size_t linger_bytes_max = size_t{1} << 20;

std::string to_content(uint64_t value) {
  std::string result(sizeof(value), '\0');
  put_u64(reinterpret_cast<uint8_t*>(result.data()), value);
  return result;
}

std::string to_text(const uint8_t* bytes, size_t size) {
  return {reinterpret_cast<const char*>(bytes), size};
}

bool bytes_wait(int socket) {
  int bytes = 0;
  return ::ioctl(socket, FIONREAD, &bytes) == 0 && bytes > 0;
}

std::string cut(const std::string& sentence) {
  return sentence.substr(0, sentence_bytes_max);
}

}  // namespace

session::session(boost::asio::io_context& context, const session_settings& settings,
                 session_host& host, link_id id, bool dialled)
    : settings_(settings),
      host_(host),
      id_(id),
      dialled_(dialled),
      started_(now()),
      socket_(context),
      deadline_(started_ + settings.options.dial_timeout),
      window_(settings.options.window_bytes_max, settings.options.queueing_target),
      heartbeat_(settings.options.heartbeat_interval, settings.options.silence_timeout, started_) {}

// -- the beginning --------------------------------------------------------------------------------

void session::tune_socket() {
  const int handle = socket_.native_handle();
  const int on = 1;
  boost::system::error_code ignored;
  socket_.non_blocking(true, ignored);
  ::setsockopt(handle, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  ::setsockopt(handle, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent_bytes_max, sizeof(unsent_bytes_max));
}

void session::connected() {
  if (is_down()) return;
  tune_socket();
  inbound_ = std::make_unique<inbound>();
  queue_ = std::make_unique<send_queue>(settings_.options.queue_bytes_max);
  channel_ = settings_.tls ? settings_.tls->make_channel(socket_.native_handle(), dialled_)
                           : make_plain_channel(socket_.native_handle());
  state_ = state::handshake;
  shake_hands();
}

void session::shake_hands() {
  const auto result = channel_->handshake();
  switch (result.state) {
    case io_state::ready:
      return begin_greeting();
    case io_state::wait_read:
      return wait_read();
    case io_state::wait_write:
      return wait_write();
    case io_state::ended:
    case io_state::failed:
      return fail(result.verdict ? down_reason::refused : down_reason::unreachable,
                  result.sentence);
  }
}

void session::begin_greeting() {
  state_ = state::greeting;
  if (dialled_) {
    introduce();
    pump();
  }
  if (state_ == state::greeting) read_some();
}

void session::introduce() {
  begun_ = true;
  queue_->push_magic();
  queue_->push(packet_kind::hello, host_.own_greeting());
}

void session::on_hello(std::string greeting) {
  if (greeted_) return fail(down_reason::protocol, "it sent two greetings");
  remote who;
  who.link = id_;
  who.dialled = dialled_;
  boost::system::error_code failure;
  const auto far = socket_.remote_endpoint(failure);
  if (!failure) who.address = to_text(far);
  who.key = channel_->far_key();
  who.greeting = std::move(greeting);
  greeted_ = true;
  const auto refusal = host_.on_greeting(who);
  // Refused or not, it is told who refuses: it may be the same peer's earlier life.
  if (!dialled_) introduce();
  if (refusal) {
    pump();
    return fail(down_reason::refused, *refusal);
  }
  queue_->push(packet_kind::welcome);
  pump();
}

void session::on_welcome() {
  if (!greeted_ || welcomed_) return fail(down_reason::protocol, "it answers out of turn");
  welcomed_ = true;
  go_up();
}

void session::go_up() {
  state_ = state::up;
  inbound_->accept_messages();
  heartbeat_.heard(now());
  host_.on_up(*this);
}

// -- reading --------------------------------------------------------------------------------------

void session::wait_read() {
  if (reading_ || state_ == state::gone) return;
  reading_ = true;
  socket_.async_wait(socket_type::wait_read,
                     [self = shared_from_this()](const boost::system::error_code& failure) {
                       self->reading_ = false;
                       if (failure || self->state_ == state::gone) return;
                       if (self->state_ == state::handshake) return self->shake_hands();
                       self->read_some();
                     });
}

void session::read_some() {
  if (state_ == state::lingering) return discard();
  io_result result;
  size_t turn = 0;
  const auto bulk_before = inbound_->bulk_bytes_read();
  do {
    result = channel_->read(inbound_->want());
    if (result.bytes == 0) continue;
    turn += result.bytes;
    if (auto wrong = inbound_->filled(result.bytes, *this))
      return fail(is_up() ? down_reason::protocol : down_reason::refused, *wrong);
    if (is_down()) return;
    if (inbound_->bulk_bytes_read() - granted_bytes_ >= credit_every_bytes) grant_credit();
  } while (result.state == io_state::ready && turn < turn_bytes && !is_down());
  if (is_down()) return;
  if (turn > 0) heartbeat_.heard(now());
  if (!take(result)) return;
  const size_t bulk_bytes = inbound_->bulk_bytes_read() - bulk_before;
  count_in(bulk_bytes, turn - bulk_bytes);
  if (inbound_->bulk_bytes_read() != granted_bytes_) grant_credit();
  count();
  if (is_down()) return;
  if (result.state == io_state::wait_read) return wait_read();
  boost::asio::post(socket_.get_executor(), [self = shared_from_this()] {
    if (!self->is_down()) self->read_some();
  });
}

bool session::take(const io_result& result) {
  if (result.state == io_state::ended) {
    fail(is_up() ? down_reason::lost : down_reason::unreachable, "it closed the connection");
    return false;
  }
  if (result.state == io_state::failed) {
    const auto early = result.verdict ? down_reason::refused : down_reason::unreachable;
    fail(is_up() ? down_reason::lost : early, result.sentence);
    return false;
  }
  return true;
}

void session::on_packet(packet_kind kind, const uint8_t* content, size_t bytes) {
  if (is_down()) return;
  switch (kind) {
    case packet_kind::hello:
      return on_hello(to_text(content, bytes));
    case packet_kind::welcome:
      return on_welcome();
    case packet_kind::refuse:
      if (is_up()) return fail(down_reason::protocol, "it refuses a link that is up");
      return down(down_reason::refused, "refused by the far side: " + to_text(content, bytes));
    case packet_kind::credit:
      if (!window_.credited(get_u64(content), now()))
        return fail(down_reason::protocol, "it has read more than was sent");
      pump();
      return;
    case packet_kind::beat:
      queue_->push(packet_kind::echo, to_text(content, bytes));
      pump();
      return;
    case packet_kind::echo: {
      const auto sent = moment{static_cast<int64_t>(get_u64(content))};
      const auto trip = std::chrono::duration_cast<std::chrono::microseconds>(now() - sent);
      counters_.round_trip_us = static_cast<uint64_t>(std::max<int64_t>(trip.count(), 0));
      return;
    }
    case packet_kind::bye: {
      const auto reason = content[0] <= static_cast<uint8_t>(down_reason::protocol)
                              ? static_cast<down_reason>(content[0])
                              : down_reason::protocol;
      const auto known = look_at(socket_.native_handle());
      // We hear it, and it does not hear us.
      const bool narrow = reason == down_reason::silent && known && known->unheard;
      return down(reason, "told by the far side: " + to_text(content + 1, bytes - 1) +
                              (narrow ? std::string{"; "} + large_are_lost : std::string{}));
    }
    default:
      assert(false);
  }
}

void session::on_body(const heading& head, std::variant<wire::frame_ptr, wire::errc> body,
                      size_t body_bytes, bool bulk) {
  auto& received = counters_.received;
  (bulk ? received.bulk_messages : received.control_messages) += 1;
  (bulk ? received.bulk_bytes : received.control_bytes) += body_bytes;
  if (std::holds_alternative<wire::errc>(body)) ++counters_.damaged;
  if (is_down()) return;
  host_.on_message(*this, head, std::move(body));
}

// -- writing --------------------------------------------------------------------------------------

void session::wait_write() {
  if (writing_ || state_ == state::gone) return;
  writing_ = true;
  socket_.async_wait(socket_type::wait_write,
                     [self = shared_from_this()](const boost::system::error_code& failure) {
                       self->writing_ = false;
                       if (failure || self->state_ == state::gone) return;
                       if (self->state_ == state::handshake) return self->shake_hands();
                       self->pump();
                     });
}

void session::send(const heading& head, wire::frame_ptr body) {
  if (state_ != state::up) return;
  if (!queue_->push(head, std::move(body)))
    fail(down_reason::lost, "more than queue_bytes_max waits to be sent: the link is too slow");
}

bool session::pump() {
  // The greetings go through here as well; a socket that is full calls it again.
  if (writing_ || pumping_ || !queue_ || state_ < state::greeting || state_ == state::gone)
    return false;
  pumping_ = true;
  size_t turn = 0;
  bool more = true;
  while (more && turn < turn_bytes) {
    const size_t before = turn;
    more = write_some(now(), turn);
    if (turn == before) break;
  }
  pumping_ = false;
  if (state_ == state::gone || !queue_) return turn > 0;
  count();
  want_line();
  if (writing_) return turn > 0;
  if (more && turn >= turn_bytes) {
    boost::asio::post(socket_.get_executor(), [self = shared_from_this()] { self->pump(); });
    return true;
  }
  if (!queue_->empty() || channel_->holds_back()) return turn > 0;
  if (state_ == state::closing) down(down_reason::closed, closing_sentence_);
  if (state_ == state::lingering) linger();
  return turn > 0;
}

bool session::write_some(moment at, size_t& turn) {
  auto& line = settings_.out;
  if (!settings_.in.capped() && inbound_) granted_bytes_ = inbound_->bulk_bytes_read();
  if (is_up() && granted_bytes_ != credited_bytes_) {
    credited_bytes_ = granted_bytes_;
    queue_->push(packet_kind::credit, to_content(credited_bytes_));
  }
  line.advance(at);
  line.want(id_, wish());
  allowance allowed;
  allowed.control = line.control_may_go(id_);
  allowed.bulk_bytes = line.bulk_may_go(id_) ? window_.room() : 0;
  allowed.packet_bytes =
      std::min(line.packet_bytes(),
               std::clamp(window_.size() / pieces_per_window, piece_bytes_min, packet_bytes_max));
  if (line.capped()) allowed.gather_bytes = allowed.packet_bytes;
  gathered_.clear();
  queue_->gather(allowed, gathered_);
  if (queue_->has_bulk() && window_.room() <= queue_->staged_bulk_bytes()) window_.was_short();
  if (gathered_.empty() && !channel_->holds_back()) return false;
  const auto result = channel_->write(gathered_);
  const size_t bulk_bytes = queue_->wrote(result.bytes).bulk_bytes;
  window_.sent(bulk_bytes, now());
  line.took(id_, bulk_bytes, result.bytes - bulk_bytes);
  turn += result.bytes;
  if (result.state == io_state::wait_write) {
    wait_write();
    return false;
  }
  if (result.state == io_state::ready) return true;
  pumping_ = false;
  fail(is_up() ? down_reason::lost : down_reason::unreachable, result.sentence);
  return false;
}

// -- the process' line ----------------------------------------------------------------------------

shared_line::wish session::wish() const {
  if (writing_) return {};
  return {queue_->has_control(),
          queue_->has_bulk() && window_.room() > queue_->staged_bulk_bytes()};
}

void session::want_line() {
  if (!settings_.out.capped()) return;
  settings_.out.want(id_, wish());
  host_.on_line_wanted();
}

void session::take_turn_out() {
  // Whoever can do nothing with its turn must not keep it.
  if (!pump()) settings_.out.want(id_, {});
}

void session::grant_credit() {
  if (!settings_.in.capped()) {
    pump();
    return;
  }
  // Only credit holds the far side back: what has arrived has used the line, read or not. Control
  // needs none and is never late for it.
  settings_.in.want(id_, {false, true});
  host_.on_line_wanted();
}

void session::count_in(size_t bulk_bytes, size_t other_bytes) {
  const size_t prepaid = std::min(bulk_bytes, prepaid_bytes_);
  prepaid_bytes_ -= prepaid;
  settings_.in.took(id_, bulk_bytes - prepaid, 0);
  settings_.in.came(other_bytes);
}

void session::take_turn_in() {
  const uint64_t read = is_up() ? inbound_->bulk_bytes_read() - granted_bytes_ : 0;
  const size_t granted = std::min<uint64_t>(read, settings_.in.packet_bytes());
  granted_bytes_ += granted;
  prepaid_bytes_ += granted;
  settings_.in.took(id_, granted, 0);
  settings_.in.want(id_, {false, read > granted});
  if (granted > 0) pump();
}

// -- time -----------------------------------------------------------------------------------------

void session::tick(moment at) {
  if (is_up()) {
    const auto verdict = heartbeat_.tick(at);
    if (verdict.silent) {
      // A busy machine may be late to read; then it is not the far side that is silent.
      if (bytes_wait(socket_.native_handle())) return read_some();
      return fail(down_reason::silent, "nothing came from it within silence_timeout");
    }
    if (verdict.beat) {
      queue_->push(packet_kind::beat, to_content(static_cast<uint64_t>(at.count())));
      pump();
    }
  }
  if (state_ == state::up || state_ == state::gone || at < deadline_) return;
  if (state_ == state::lingering) return end();
  if (state_ == state::closing) return down(down_reason::closed, closing_sentence_);
  fail(down_reason::unreachable,
       state_ == state::connecting
           ? "it does not answer within " + in_seconds(settings_.options.dial_timeout)
           : why_stuck(socket_.native_handle(), state_ == state::handshake,
                       settings_.options.dial_timeout));
}

// -- the end --------------------------------------------------------------------------------------

void session::close(const std::string& sentence) {
  if (is_down() || state_ == state::closing) return;
  if (state_ != state::up) return fail(down_reason::closed, sentence);
  state_ = state::closing;
  closing_sentence_ = sentence;
  deadline_ = now() + settings_.options.silence_timeout;
  tell_last(packet_kind::bye, down_reason::closed, sentence);
  pump();
}

void session::tell_last(packet_kind kind, down_reason reason, const std::string& sentence) {
  if (told_ || !queue_ || state_ < state::greeting) return;
  told_ = true;
  if (kind == packet_kind::bye) {
    queue_->push_last(kind, std::string(1, static_cast<char>(reason)) + cut(sentence));
  } else {
    if (!begun_) queue_->push_magic();
    queue_->push_last(kind, cut(sentence));
  }
}

void session::fail(down_reason reason, const std::string& sentence) {
  if (is_down()) return;
  if (queue_) queue_->drop_all();
  if (reason != down_reason::lost)
    tell_last(is_up() ? packet_kind::bye : packet_kind::refuse, reason, sentence);
  down(reason, sentence);
}

void session::abandon(const std::string& sentence) {
  fail(down_reason::closed, sentence);
  pump();
  end();
}

void session::down(down_reason reason, const std::string& sentence) {
  if (is_down()) return;
  const bool talk = state_ > state::connecting && reason != down_reason::lost;
  state_ = state::lingering;
  deadline_ = now() + linger_max;
  count();
  host_.on_down(*this, reason, sentence);
  if (!talk) return end();
  // Not now: the reader may stand above us on the stack.
  boost::asio::post(socket_.get_executor(), [self = shared_from_this()] {
    if (self->state_ != state::lingering) return;
    self->inbound_.reset();
    self->wait_read();
    self->pump();
  });
}

void session::linger() {
  boost::system::error_code ignored;
  socket_.shutdown(socket_type::shutdown_send, ignored);
  queue_.reset();
  channel_.reset();
}

void session::discard() {
  std::array<uint8_t, 4096> scratch;
  for (;;) {
    const auto result =
        system_calls::receive(socket_.native_handle(), {{{scratch.data(), scratch.size()}, {}}});
    discarded_bytes_ += result.bytes;
    if (result.state == io_state::wait_read) return wait_read();
    if (result.state != io_state::ready || discarded_bytes_ > linger_bytes_max) return end();
  }
}

void session::end() {
  if (state_ == state::gone) return;
  state_ = state::gone;
  boost::system::error_code ignored;
  socket_.close(ignored);
  host_.on_gone(*this);
}

void session::count() {
  if (queue_) counters_.sent = queue_->sent();
  if (inbound_) counters_.received.overhead_bytes = inbound_->overhead_bytes_read();
  tally_->store(counters_);
}

}  // namespace swarm::transport
