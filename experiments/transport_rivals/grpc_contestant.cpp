// gRPC in one process of //experiments:transport: a stream of byte buffers, without Protocol
// Buffers, so that nothing but the transport is measured.

#ifdef SWARM_HAS_GRPC

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <cstdio>
#include <cstdlib>
#include <deque>
#include <mutex>
#include <vector>

#include "experiments/stopwatch.hpp"
#include "experiments/transport_rivals/rival.hpp"

namespace {

using namespace swarm::experiments;

/// A message that is to be answered with itself, not with an acknowledgement, begins with it.
constexpr char request_mark = 'r';
constexpr char data_mark = 'd';

grpc::ByteBuffer view(const std::vector<char>& bytes) {
  const grpc::Slice slice{bytes.data(), bytes.size(), grpc::Slice::STATIC_SLICE};
  return {&slice, 1};
}

char first_byte(const grpc::ByteBuffer& message) {
  std::vector<grpc::Slice> slices;
  if (!message.Dump(&slices).ok() || slices.empty() || slices[0].size() == 0) return 0;
  return static_cast<char>(*slices[0].begin());
}

/// Answers one stream; one write at a time, as gRPC asks.
class answering final : public grpc::ServerGenericBidiReactor {
 public:
  answering() { StartRead(&incoming_); }

  void OnReadDone(bool ok) override {
    if (!ok) return Finish(grpc::Status::OK);
    {
      const std::lock_guard<std::mutex> guard{mutex_};
      const bool echo = first_byte(incoming_) == request_mark;
      outgoing_.push_back(echo ? incoming_ : view(ack_));
      if (outgoing_.size() == 1) StartWrite(&outgoing_.front());
    }
    incoming_.Clear();
    StartRead(&incoming_);
  }
  void OnWriteDone(bool) override {
    const std::lock_guard<std::mutex> guard{mutex_};
    outgoing_.pop_front();
    if (!outgoing_.empty()) StartWrite(&outgoing_.front());
  }
  void OnDone() override { delete this; }

 private:
  std::mutex mutex_;
  const std::vector<char> ack_ = std::vector<char>(1, 'a');
  grpc::ByteBuffer incoming_;
  std::deque<grpc::ByteBuffer> outgoing_;
};

class service final : public grpc::CallbackGenericService {
 public:
  grpc::ServerGenericBidiReactor* CreateReactor(grpc::GenericCallbackServerContext*) override {
    return new answering;
  }
};

int serve(const std::string& host, const rival_settings&) {
  service generic;
  int port = 0;
  grpc::ServerBuilder builder;
  builder.SetMaxReceiveMessageSize(-1);
  builder.AddListeningPort(host + ":0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterCallbackGenericService(&generic);
  const auto server = builder.BuildAndStart();
  if (!server) give_up("gRPC: cannot listen");
  announce(host + ":" + std::to_string(port));
  wait_for_the_end();
  std::_Exit(0);
}

grpc::ChannelArguments unlimited() {
  grpc::ChannelArguments result;
  result.SetMaxReceiveMessageSize(-1);
  result.SetMaxSendMessageSize(-1);
  return result;
}

class client final : public rival_client {
 public:
  explicit client(const std::string& address)
      : stub_(grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), unlimited())) {
    stream_ = stub_.PrepareCall(&context_, "/swarm.Rival/Carry", &queue_);
    stream_->StartCall(tag(event::started));
    if (next() != event::started) give_up("gRPC: cannot connect");
    stream_->Read(&incoming_, tag(event::read));
  }
  ~client() override { std::_Exit(0); }

  double send(size_t bytes, int count) override {
    const std::vector<char> body(bytes, data_mark);
    const stopwatch watch;
    int sent = 0;
    int acknowledged = 0;
    bool writing = false;
    while (acknowledged < count) {
      if (!writing && sent < count && sent - acknowledged < rival_in_flight) {
        stream_->Write(view(body), tag(event::wrote));
        writing = true;
        ++sent;
      }
      if (next() == event::wrote) {
        writing = false;
        continue;
      }
      ++acknowledged;
      stream_->Read(&incoming_, tag(event::read));
    }
    if (writing) next();
    return watch.seconds();
  }

  std::vector<double> ask(size_t bytes, int count) override {
    const std::vector<char> body(bytes, request_mark);
    std::vector<double> result;
    for (int i = 0; i < count; ++i) {
      const stopwatch watch;
      stream_->Write(view(body), tag(event::wrote));
      for (int left = 2; left > 0; --left) {
        if (next() != event::read) continue;
        result.push_back(watch.seconds() * 1e6);
        stream_->Read(&incoming_, tag(event::read));
      }
    }
    return result;
  }

 private:
  enum class event : intptr_t { started = 1, wrote, read };

  static void* tag(event what) { return reinterpret_cast<void*>(what); }

  event next() {
    void* what = nullptr;
    bool ok = false;
    if (!queue_.Next(&what, &ok) || !ok) give_up("gRPC: the stream broke");
    return static_cast<event>(reinterpret_cast<intptr_t>(what));
  }

  grpc::GenericStub stub_;
  grpc::ClientContext context_;
  grpc::CompletionQueue queue_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> stream_;
  grpc::ByteBuffer incoming_;
};

}  // namespace

int main(int argc, char** argv) {
  return rival_main(argc, argv,
                    {{"grpc", {serve, [](const std::string& address, const rival_settings&) {
                                 return std::make_unique<client>(address);
                               }}}});
}

#else

#include "experiments/transport_rivals/rival.hpp"

int main() {
  return swarm::experiments::exit_not_installed;
}

#endif
