// Gloo in one process of //experiments:transport: sends and receives between two ranks over its TCP
// transport. The receiver knows each size in advance, as in a collective operation.

#ifdef SWARM_HAS_GLOO

#include <gloo/rendezvous/context.h>
#include <gloo/rendezvous/file_store.h>
#include <gloo/transport/tcp/device.h>
#include <gloo/transport/unbound_buffer.h>
#include <unistd.h>

#include <array>
#include <cstdlib>

#include "experiments/stopwatch.hpp"
#include "experiments/transport_rivals/rival.hpp"

namespace {

using namespace swarm::experiments;

constexpr int server_rank = 0;
constexpr int client_rank = 1;
constexpr uint64_t order_slot = 100;
constexpr uint64_t ack_slot = 200;
constexpr uint64_t data_slot = 300;

/// What comes next: so many messages of so many bytes, answered with so many.
using order = std::array<uint64_t, 3>;

std::shared_ptr<gloo::rendezvous::Context> meet(int rank, const std::string& folder,
                                                const std::string& host) {
  gloo::transport::tcp::attr where;
  where.hostname = host;
  auto device = gloo::transport::tcp::CreateDevice(where);
  auto context = std::make_shared<gloo::rendezvous::Context>(rank, 2);
  gloo::rendezvous::FileStore store{folder};
  context->connectFullMesh(store, device);
  return context;
}

/// `rival_in_flight` buffers that take turns, each with a slot of its own.
class buffers {
 public:
  buffers(gloo::Context& context, size_t bytes, int far, uint64_t slot) : far_(far), slot_(slot) {
    for (size_t i = 0; i < rival_in_flight; ++i) {
      memory_[i].resize(std::max<size_t>(bytes, 1));
      buffers_[i] = context.createUnboundBuffer(memory_[i].data(), memory_[i].size());
    }
  }
  void send(int i) { at(i).send(far_, slot_ + static_cast<uint64_t>(i % rival_in_flight)); }
  void receive(int i) { at(i).recv(far_, slot_ + static_cast<uint64_t>(i % rival_in_flight)); }
  void wait_sent(int i) { at(i).waitSend(); }
  void wait_received(int i) { at(i).waitRecv(); }

 private:
  gloo::transport::UnboundBuffer& at(int i) { return *buffers_[i % rival_in_flight]; }

  const int far_;
  const uint64_t slot_;
  std::array<std::vector<char>, rival_in_flight> memory_;
  std::array<std::unique_ptr<gloo::transport::UnboundBuffer>, rival_in_flight> buffers_;
};

int serve(const std::string& host, const rival_settings&) {
  std::string folder = "/tmp/swarm-gloo-XXXXXX";
  if (mkdtemp(folder.data()) == nullptr) give_up("Gloo: no folder in /tmp");
  announce(folder);
  const auto context = meet(server_rank, folder, host);
  for (;;) {
    order next{};
    auto ordered = context->createUnboundBuffer(next.data(), sizeof(next));
    ordered->recv(client_rank, order_slot);
    ordered->waitRecv(std::chrono::hours{1});
    const auto count = static_cast<int>(next[1]);
    buffers data{*context, next[0], client_rank, data_slot};
    buffers acks{*context, next[2], client_rank, ack_slot};
    for (int i = 0; i < rival_in_flight && i < count; ++i)
      data.receive(i);
    for (int i = 0; i < count; ++i) {
      data.wait_received(i);
      if (i >= rival_in_flight) acks.wait_sent(i);
      acks.send(i);
      if (i + rival_in_flight < count) data.receive(i);
    }
    for (int i = std::max(0, count - rival_in_flight); i < count; ++i)
      acks.wait_sent(i);
  }
}

class client final : public rival_client {
 public:
  explicit client(const std::string& folder) : context_(meet(client_rank, folder, "127.0.0.1")) {}
  ~client() override { std::_Exit(0); }

  double send(size_t bytes, int count) override {
    buffers data{*context_, bytes, server_rank, data_slot};
    buffers acks{*context_, 1, server_rank, ack_slot};
    begin(bytes, count, 1);
    const stopwatch watch;
    for (int i = 0; i < count + rival_in_flight; ++i) {
      if (i >= rival_in_flight) {
        acks.wait_received(i);
        data.wait_sent(i);
      }
      if (i >= count) continue;
      acks.receive(i);
      data.send(i);
    }
    return watch.seconds();
  }

  std::vector<double> ask(size_t bytes, int count) override {
    buffers data{*context_, bytes, server_rank, data_slot};
    buffers answers{*context_, bytes, server_rank, ack_slot};
    begin(bytes, count, bytes);
    std::vector<double> result;
    for (int i = 0; i < count; ++i) {
      const stopwatch watch;
      answers.receive(i);
      data.send(i);
      answers.wait_received(i);
      data.wait_sent(i);
      result.push_back(watch.seconds() * 1e6);
    }
    return result;
  }

 private:
  void begin(size_t bytes, int count, size_t answer_bytes) {
    order next{bytes, static_cast<uint64_t>(count), answer_bytes};
    auto ordered = context_->createUnboundBuffer(next.data(), sizeof(next));
    ordered->send(server_rank, order_slot);
    ordered->waitSend();
  }

  const std::shared_ptr<gloo::rendezvous::Context> context_;
};

}  // namespace

int main(int argc, char** argv) {
  return rival_main(argc, argv,
                    {{"gloo", {serve, [](const std::string& folder, const rival_settings&) {
                                 return std::make_unique<client>(folder);
                               }}}});
}

#else

#include "experiments/transport_rivals/rival.hpp"

int main() {
  return swarm::experiments::exit_not_installed;
}

#endif
