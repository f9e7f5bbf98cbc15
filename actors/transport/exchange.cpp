#include "actors/transport/exchange.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <future>

#include "actors/transport/address.hpp"
#include "actors/transport/clock.hpp"

namespace swarm::transport {

namespace {

void add(traffic& sum, const traffic& more) {
  sum.control_messages += more.control_messages;
  sum.control_bytes += more.control_bytes;
  sum.bulk_messages += more.bulk_messages;
  sum.bulk_bytes += more.bulk_bytes;
  sum.overhead_bytes += more.overhead_bytes;
}

/// Not a name that somebody has to resolve.
bool is_numeric(const std::string& address) {
  const auto parts = parse_address(address);
  boost::system::error_code failure;
  if (parts) boost::asio::ip::make_address(parts->host, failure);
  return parts && !failure;
}

void add(counters& sum, const counters& more) {
  add(sum.sent, more.sent);
  add(sum.received, more.received);
  sum.damaged += more.damaged;
}

}  // namespace

exchange::exchange(endpoint_options options, std::shared_ptr<tls_context> tls, events& user)
    : options_(std::move(options)),
      out_(options_.bytes_per_s_max, now()),
      in_(options_.bytes_per_s_max, now()),
      settings_{options_, std::move(tls), out_, in_},
      user_(user),
      greeting_([text = options_.greeting] { return text; }),
      acceptor_(thread_.context()),
      resolver_(thread_.context()),
      ticker_(thread_.context()),
      line_timer_(thread_.context()) {}

exchange::~exchange() {
  std::promise<void> done;
  boost::asio::post(thread_.context(), [&] {
    shut_down();
    done.set_value();
  });
  done.get_future().wait();
  thread_.stop();
}

void exchange::start() {
  boost::asio::post(thread_.context(), [this] {
    if (acceptor_.is_open()) accept_next();
    tick();
  });
  thread_.start();
}

void exchange::shut_down() {
  stopping_ = true;
  boost::system::error_code ignored;
  acceptor_.close(ignored);
  resolver_.cancel();
  ticker_.cancel();
  line_timer_.cancel();
  run_commands();
  // Ending one changes the map.
  std::vector<session_ptr> all;
  for (const auto& [id, each] : sessions_)
    all.push_back(each);
  for (const auto& each : all)
    each->abandon("the endpoint was closed");
}

// -- commands -------------------------------------------------------------------------------------

void exchange::submit(command what) {
  bool first = false;
  {
    const std::lock_guard<std::mutex> guard{inbox_mutex_};
    first = inbox_.empty();
    inbox_.push_back(std::move(what));
  }
  if (first) boost::asio::post(thread_.context(), [this] { run_commands(); });
}

void exchange::run_commands() {
  {
    const std::lock_guard<std::mutex> guard{inbox_mutex_};
    running_.swap(inbox_);
  }
  for (auto& each : running_)
    run(each);
  running_.clear();
  for (const auto id : std::exchange(to_flush_, {}))
    if (const auto to = find(id)) to->flush();
}

void exchange::run(command& what) {
  if (what.what == command::kind::dial) return start_dial(what.link, what.text);
  const auto to = find(what.link);
  if (!to) return;
  if (what.what == command::kind::close) return to->close(what.text);
  to->send(what.head, std::move(what.body));
  if (to_flush_.empty() || to_flush_.back() != what.link) to_flush_.push_back(what.link);
}

exchange::session_ptr exchange::find(link_id which) const {
  const auto found = sessions_.find(which);
  return found == sessions_.end() ? nullptr : found->second;
}

void exchange::greet_with(std::function<std::string()> make) {
  const std::lock_guard<std::mutex> guard{shared_mutex_};
  greeting_ = std::move(make);
}

link_id exchange::dial(const std::string& address) {
  command what;
  what.what = command::kind::dial;
  what.link = link_id{next_link_.fetch_add(1)};
  what.text = address;
  const auto id = what.link;
  submit(std::move(what));
  return id;
}

void exchange::send(link_id to, const heading& head, wire::frame_ptr body) {
  command what;
  what.link = to;
  what.head = head;
  what.body = std::move(body);
  submit(std::move(what));
}

void exchange::close(link_id which, const std::string& sentence) {
  command what;
  what.what = command::kind::close;
  what.link = which;
  what.text = sentence;
  submit(std::move(what));
}

counters exchange::counted() const {
  const std::lock_guard<std::mutex> guard{shared_mutex_};
  counters sum = past_;
  sum.links_up = tallies_.size();
  for (const auto& [id, each] : tallies_)
    add(sum, each->read());
  return sum;
}

counters exchange::counted(link_id which) const {
  const std::lock_guard<std::mutex> guard{shared_mutex_};
  const auto found = tallies_.find(which);
  return found == tallies_.end() ? counters{} : found->second->read();
}

// -- dialling -------------------------------------------------------------------------------------

exchange::session_ptr exchange::make_session(link_id id, bool dialled) {
  session_host& host = *this;
  auto made = std::make_shared<session>(thread_.context(), settings_, host, id, dialled);
  sessions_.emplace(id, made);
  return made;
}

void exchange::start_dial(link_id id, const std::string& address) {
  const bool full = sessions_.size() >= links_max;
  const auto to = make_session(id, true);
  dialled_.emplace(id, address);
  if (stopping_) return to->fail(down_reason::closed, "the endpoint was closed");
  if (full) return to->fail(down_reason::unreachable, "this endpoint has links_max links already");
  resolve(to, address);
}

void exchange::resolve(const session_ptr& to, const std::string& address) {
  const auto parts = parse_address(address);
  if (!parts)
    return to->fail(down_reason::unreachable, "that is no address: write host:port, [host]:port");
  boost::system::error_code failure;
  const auto numeric = boost::asio::ip::make_address(parts->host, failure);
  if (!failure) {
    return connect(to, {{numeric, static_cast<uint16_t>(std::stoul(parts->port))}});
  }
  resolving_.insert(to->id());
  resolver_.async_resolve(parts->host, parts->port,
                          [this, to](const boost::system::error_code& failed,
                                     const tcp::resolver::results_type& found) {
                            resolving_.erase(to->id());
                            if (to->is_down()) return;
                            if (failed) return to->fail(down_reason::unreachable, failed.message());
                            connect(to, {found.begin(), found.end()});
                          });
}

void exchange::connect(const session_ptr& to, const std::vector<tcp::endpoint>& where) {
  const auto beyond = std::any_of(where.begin(), where.end(),
                                  [](const auto& each) { return !each.address().is_loopback(); });
  if (beyond && !options_.tls && !options_.insecure)
    return to->fail(down_reason::unreachable,
                    "it is beyond loopback and this endpoint has no certificate: give it one, or "
                    "allow plain TCP with insecure");
  const auto id = to->id();
  const auto made = std::make_shared<connector>(
      thread_.context(), where, options_.dial_timeout, [this, to, id](tcp::socket socket) {
        if (to->is_down()) return;
        if (!socket.is_open())
          return to->fail(down_reason::unreachable, connecting_.at(id)->reason());
        connecting_.erase(id);
        to->socket() = std::move(socket);
        to->connected();
      });
  connecting_.emplace(id, made);
  made->start();
}

std::string exchange::whole_sentence(const session& which, const std::string& sentence) const {
  const auto dialled = dialled_.find(which.id());
  if (dialled == dialled_.end() || which.is_greeted()) return sentence;
  const auto& address = dialled->second;
  if (resolving_.count(which.id()) != 0)
    return address + ": the name was not resolved in time: check the name and the name server";
  const auto connecting = connecting_.find(which.id());
  // An address that is one says itself what was tried.
  const bool told = connecting == connecting_.end() ||
                    (connecting->second->addresses() == 1 && is_numeric(address));
  return address + ": " + sentence + (told ? "" : " (" + connecting->second->story() + ")");
}

// -- listening ------------------------------------------------------------------------------------

std::optional<std::string> exchange::listen() {
  const auto parts = parse_address(options_.bind);
  if (!parts) return "bind: '" + options_.bind + "' is no address: write host:port or [host]:port";
  boost::system::error_code failure;
  const auto found = resolver_.resolve(parts->host, parts->port, tcp::resolver::passive, failure);
  if (failure || found.empty()) return "bind: " + options_.bind + ": " + failure.message();
  const auto where = found.begin()->endpoint();
  if (!where.address().is_loopback() && !options_.tls && !options_.insecure)
    return "bind: " + options_.bind +
           " is beyond loopback and there is no certificate: give one (tls), or allow plain TCP "
           "for everybody who can connect (insecure)";
  acceptor_.open(where.protocol(), failure);
  if (!failure) acceptor_.set_option(tcp::acceptor::reuse_address(true), failure);
  if (!failure) acceptor_.bind(where, failure);
  if (!failure) acceptor_.listen(accept_backlog, failure);
  if (failure) return "bind: " + options_.bind + ": " + failure.message();
  address_ = to_text(acceptor_.local_endpoint());
  return std::nullopt;
}

bool exchange::make_place_for_stranger() {
  if (sessions_.size() >= links_max) return false;
  if (strangers_.size() < strangers_max) return true;
  // Ids grow: the first is the oldest.
  const auto oldest = find(*strangers_.begin());
  if (now() - oldest->started() < stranger_patience) return false;
  oldest->abandon("others are waiting");
  return true;
}

void exchange::accept_next() {
  if (accepting_ || stopping_ || !acceptor_.is_open()) return;
  accepting_ = true;
  acceptor_.async_wait(tcp::acceptor::wait_read, [this](const boost::system::error_code& failure) {
    accepting_ = false;
    if (failure || stopping_) return;
    // When there is no place, the next tick tries again.
    if (!make_place_for_stranger()) return;
    tcp::socket socket{thread_.context()};
    boost::system::error_code failed;
    acceptor_.accept(socket, failed);
    if (!failed) accepted(std::move(socket));
    // Without descriptors left, the kernel would call at once again: wait for a tick.
    if (!failed) accept_next();
  });
}

void exchange::accepted(tcp::socket socket) {
  const auto made = make_session(link_id{next_link_.fetch_add(1)}, false);
  strangers_.insert(made->id());
  made->socket() = std::move(socket);
  made->connected();
}

// -- time -----------------------------------------------------------------------------------------

void exchange::tick() {
  const auto at = now();
  std::vector<session_ptr> all;
  all.reserve(sessions_.size());
  for (const auto& [id, each] : sessions_)
    all.push_back(each);
  for (const auto& each : all)
    each->tick(at);
  accept_next();
  const heartbeat pace{options_.heartbeat_interval, options_.silence_timeout, at};
  ticker_.expires_after(pace.tick_period());
  ticker_.async_wait([this](const boost::system::error_code& failure) {
    if (!failure && !stopping_) tick();
  });
}

// -- the process' line ----------------------------------------------------------------------------

void exchange::on_line_wanted() {
  // Not now: whoever asks is in the middle of its own turn.
  if (std::exchange(serving_lines_, true)) return;
  boost::asio::post(thread_.context(), [this] {
    serving_lines_ = false;
    if (!stopping_) serve_lines();
  });
}

void exchange::serve_lines() {
  serve(out_, &session::take_turn_out);
  serve(in_, &session::take_turn_in);
  const auto out = out_.opens_at();
  const auto in = in_.opens_at();
  if (!out && !in) return;
  const auto next = std::min(out.value_or(moment::max()), in.value_or(moment::max()));
  line_timer_.expires_after(std::max(next - now(), moment::zero()));
  line_timer_.async_wait([this](const boost::system::error_code& failure) {
    if (!failure && !stopping_) serve_lines();
  });
}

void exchange::serve(shared_line& line, void (session::*take_turn)()) {
  line.advance(now());
  while (const auto who = line.next()) {
    if (const auto its = find(*who))
      (*its.*take_turn)();
    else
      line.forget(*who);
  }
}

// -- what sessions tell ---------------------------------------------------------------------------

std::string exchange::own_greeting() {
  std::function<std::string()> make;
  {
    const std::lock_guard<std::mutex> guard{shared_mutex_};
    make = greeting_;
  }
  return make();
}

std::optional<std::string> exchange::on_greeting(const remote& who) {
  return user_.on_greeting(who);
}

void exchange::on_up(session& which) {
  strangers_.erase(which.id());
  {
    const std::lock_guard<std::mutex> guard{shared_mutex_};
    tallies_.emplace(which.id(), which.counted());
  }
  user_.on_up(which.id());
  accept_next();
}

void exchange::on_message(session& which, const heading& head,
                          std::variant<wire::frame_ptr, wire::errc> body) {
  user_.on_message(which.id(), head, std::move(body));
}

void exchange::on_down(session& which, down_reason reason, const std::string& sentence) {
  {
    const std::lock_guard<std::mutex> guard{shared_mutex_};
    const auto last = which.counted()->read();
    add(past_, last);
    if (tallies_.erase(which.id()) != 0) {
      ++past_.links_down;
    } else if (!which.dialled()) {
      ++past_.refused;
    }
  }
  if (which.known()) user_.on_down(which.id(), reason, whole_sentence(which, sentence));
}

void exchange::on_gone(session& which) {
  const auto id = which.id();
  out_.forget(id);
  in_.forget(id);
  strangers_.erase(id);
  dialled_.erase(id);
  const auto connecting = connecting_.find(id);
  if (connecting != connecting_.end()) {
    connecting->second->cancel();
    connecting_.erase(connecting);
  }
  const auto found = sessions_.find(id);
  if (found == sessions_.end()) return;
  // It may stand below us on the stack.
  boost::asio::post(thread_.context(), [kept = std::move(found->second)] {});
  sessions_.erase(found);
  accept_next();
}

}  // namespace swarm::transport
