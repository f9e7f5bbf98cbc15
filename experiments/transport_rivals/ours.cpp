#include "experiments/transport_rivals/ours.hpp"

#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <mutex>

#include "actors/transport/endpoint.hpp"
#include "experiments/stopwatch.hpp"

namespace swarm::experiments {

namespace {

using transport::heading;
using transport::link_id;

/// What a heading's kind says.
enum class note : uint32_t { data = 1, ack, request, answer, bulk, bulk_ack };

constexpr size_t small_segment_words = 16;

heading with(note what, bool body) {
  heading head;
  head.kind = static_cast<uint32_t>(what);
  head.type = body ? 1 : 0;
  return head;
}

std::unique_ptr<transport::endpoint> open(transport::endpoint_options options,
                                          transport::events& user) {
  auto opened = transport::endpoint::open(std::move(options), user);
  if (const auto* sentence = std::get_if<std::string>(&opened)) give_up(*sentence);
  return std::get<std::unique_ptr<transport::endpoint>>(std::move(opened));
}

class server final : public transport::events {
 public:
  explicit server(transport::endpoint_options options) : end_(open(std::move(options), *this)) {}

  std::string address() const { return end_->address(); }

  std::optional<std::string> on_greeting(const transport::remote&) override { return {}; }
  void on_up(link_id) override {}
  void on_message(link_id from, const heading& head,
                  std::variant<wire::frame_ptr, wire::errc> body) override {
    const auto* frame = std::get_if<wire::frame_ptr>(&body);
    if (frame == nullptr) give_up("a message was damaged");
    switch (static_cast<note>(head.kind)) {
      case note::request:
        return end_->send(from, with(note::answer, true), *frame);
      case note::bulk:
        return end_->send(from, with(note::bulk_ack, false));
      default:
        end_->send(from, with(note::ack, false));
    }
  }
  void on_down(link_id, transport::down_reason, const std::string&) override {}

 private:
  const std::unique_ptr<transport::endpoint> end_;
};

class client final : public rival_client, public transport::events {
 public:
  client(const std::string& address, transport::endpoint_options options)
      : end_(open(std::move(options), *this)) {
    std::unique_lock<std::mutex> lock{mutex_};
    link_ = end_->dial(address);
    changed_.wait(lock, [this] { return up_; });
  }
  ~client() override { end_.reset(); }

  double send(size_t bytes, int count) override {
    std::unique_lock<std::mutex> lock{mutex_};
    body_ = make_frame(bytes);
    to_send_ = count;
    to_come_ = count;
    const stopwatch watch;
    for (int i = 0; i < rival_in_flight && to_send_ > 0; ++i)
      send_next();
    changed_.wait(lock, [this] { return to_come_ == 0; });
    return watch.seconds();
  }

  std::vector<double> ask(size_t bytes, int count) override {
    const auto body = make_frame(bytes);
    std::vector<double> result;
    std::unique_lock<std::mutex> lock{mutex_};
    for (int i = 0; i < count; ++i) {
      to_come_ = 1;
      const stopwatch watch;
      end_->send(link_, with(note::request, true), body);
      changed_.wait(lock, [this] { return to_come_ == 0; });
      result.push_back(watch.seconds() * 1e6);
    }
    return result;
  }

  std::vector<double> ask_behind(size_t bulk_bytes, size_t bytes, int count) override {
    bulk_ = make_frame(bulk_bytes);
    flooding_ = true;
    for (int i = 0; i < 2 * rival_in_flight; ++i)
      end_->send(link_, with(note::bulk, true), bulk_);
    // The window finds its size first.
    {
      std::unique_lock<std::mutex> lock{mutex_};
      bulk_came_ = 0;
      changed_.wait(lock, [this] { return bulk_came_ >= 2 * rival_in_flight; });
    }
    auto result = ask(bytes, count);
    flooding_ = false;
    return result;
  }

  std::optional<std::string> on_greeting(const transport::remote&) override { return {}; }
  void on_up(link_id) override {
    const std::lock_guard<std::mutex> guard{mutex_};
    up_ = true;
    changed_.notify_all();
  }
  void on_message(link_id from, const heading& head,
                  std::variant<wire::frame_ptr, wire::errc>) override {
    if (static_cast<note>(head.kind) == note::bulk_ack) {
      if (flooding_) end_->send(from, with(note::bulk, true), bulk_);
      const std::lock_guard<std::mutex> guard{mutex_};
      ++bulk_came_;
      changed_.notify_all();
      return;
    }
    const std::lock_guard<std::mutex> guard{mutex_};
    if (static_cast<note>(head.kind) == note::ack && to_send_ > 0) send_next();
    if (--to_come_ == 0) changed_.notify_all();
  }
  void on_down(link_id, transport::down_reason reason, const std::string& sentence) override {
    if (reason != transport::down_reason::closed) give_up(sentence);
  }

 private:
  void send_next() {
    --to_send_;
    end_->send(link_, with(note::data, true), body_);
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  bool up_ = false;
  int to_send_ = 0;
  int to_come_ = 0;
  int bulk_came_ = 0;
  wire::frame_ptr body_;
  wire::frame_ptr bulk_;
  std::atomic<bool> flooding_{false};
  link_id link_;
  std::unique_ptr<transport::endpoint> end_;
};

std::string read_file(const std::string& path) {
  std::ifstream file{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{file}, {}};
}

transport::endpoint_options read_options(const rival_settings& given) {
  transport::endpoint_options result;
  // Namespaces on one machine are not loopback.
  result.insecure = true;
  if (const auto tls = given.find("tls"); tls != given.end()) {
    const auto in = [&](const char* name) { return read_file(tls->second + "/" + name); };
    result.tls = {in("authority.pem"), in("certificate.pem"), in("key.pem")};
  }
  if (const auto cap = given.find("cap"); cap != given.end())
    result.bytes_per_s_max = std::strtoull(cap->second.c_str(), nullptr, 10);
  return result;
}

}  // namespace

wire::frame_ptr make_frame(size_t bytes) {
  const size_t words = bytes / sizeof(capnp::word);
  const auto own = std::make_shared<std::vector<uint64_t>>(small_segment_words, 1);
  const auto tensor = std::make_shared<std::vector<uint64_t>>(words, 2);
  const auto as_words = [](const std::vector<uint64_t>& from) {
    return kj::ArrayPtr<const capnp::word>{reinterpret_cast<const capnp::word*>(from.data()),
                                           from.size()};
  };
  return std::make_shared<const wire::frame>(wire::segments{as_words(*own), as_words(*tensor)},
                                             std::vector<std::shared_ptr<const void>>{own, tensor});
}

rival_way our_way() {
  rival_way result;
  result.serve = [](const std::string& host, const rival_settings& given) {
    auto options = read_options(given);
    options.bind = host + ":0";
    const server end{std::move(options)};
    announce(end.address());
    wait_for_the_end();
    return 0;
  };
  result.make_client = [](const std::string& address, const rival_settings& given) {
    return std::make_unique<client>(address, read_options(given));
  };
  return result;
}

}  // namespace swarm::experiments
