#pragma once

#include <caf/all.hpp>
#include <caf/scheduler/test_coordinator.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "actors/averaging/averager.hpp"
#include "actors/telemetry/event.hpp"
#include "actors/wire/tensor.hpp"
#include "actors/wire/ticket.hpp"

namespace swarm::testing {

using tensors::host_tensor;

struct virtual_time : caf::actor_system_config {
  virtual_time() { set("scheduler.policy", caf::atom("testing")); }
};

struct outcome {
  std::vector<int64_t> sum;
  std::vector<float> floats;
  std::string hash;
  caf::error error;
  const void* memory = nullptr;
  host_tensor total;  ///< kept only for small ones
  int answers = 0;
  bool answered() const { return answers > 0; }
  bool superseded() const {
    return error == averaging::make_error(averaging::averaging_errc::superseded);
  }
};

inline worker_id id_of(uint64_t peer) {
  return {peer_id{peer}, incarnation_id{1}};
}

/// Who counts as lost, and who helps, both by index.
using losses = std::vector<std::pair<uint32_t, std::vector<uint32_t>>>;

inline wire::reduce order_of(uint32_t round, const std::vector<uint64_t>& members,
                             uint64_t follower = 0, uint64_t term = 1, uint32_t revision = 0,
                             const losses& lost = {}) {
  wire::builder<schemas::Reduce> message;
  wire::set_step_round(*message, {term_id{term}, step_id{3}, round_id{round}});
  auto list = message->initMembers(static_cast<unsigned>(members.size()));
  for (unsigned i = 0; i < list.size(); ++i) {
    wire::to_wire(id_of(members[i]), list[i].initWorker());
    list[i].setContributes(members[i] != follower);
  }
  message->setRevision(revision);
  auto out = message->initLosses(static_cast<unsigned>(lost.size()));
  for (unsigned i = 0; i < out.size(); ++i) {
    out[i].setMember(lost[i].first);
    auto shares = out[i].initShares(static_cast<unsigned>(lost[i].second.size()));
    for (unsigned k = 0; k < shares.size(); ++k)
      shares[k].setHelper(lost[i].second[k]);
  }
  return message.finish();
}

inline std::vector<int64_t> vector_of(uint64_t peer, size_t count) {
  std::mt19937_64 random{peer};
  std::vector<int64_t> result(count);
  for (auto& x : result)
    x = static_cast<int64_t>(random());
  return result;
}

inline std::vector<int64_t> sum_of(const std::vector<uint64_t>& members, size_t count) {
  std::vector<int64_t> result(count);
  for (uint64_t peer : members) {
    const auto own = vector_of(peer, count);
    for (size_t i = 0; i < count; ++i)
      result[i] =
          static_cast<int64_t>(static_cast<uint64_t>(result[i]) + static_cast<uint64_t>(own[i]));
  }
  return result;
}

inline constexpr size_t part_elements = 32;

/// Averagers 1..n whose roster the test writes itself.
class averager_rig {
 public:
  explicit averager_rig(uint64_t count)
      : system_(config_),
        scheduler_(dynamic_cast<caf::scheduler::test_coordinator&>(system_.scheduler())) {
    silent_ = system_.spawn([](caf::event_based_actor*) -> caf::behavior {
      return {[](wire::subscribe_atom, const caf::actor&) {}};
    });
    everybody_.push_back(silent_.address());
    log_ = system_.spawn([this](caf::event_based_actor*) -> caf::behavior {
      return {[this](const telemetry::event& e) { events.push_back(e); }};
    });
    everybody_.push_back(log_.address());
    const auto directory = caf::actor_cast<wire::directory_actor>(silent_);
    for (uint64_t peer = 1; peer <= count; ++peer) {
      averagers_.push_back(averaging::spawn_averager(system_, options_of(id_of(peer), directory)));
      everybody_.push_back(averagers_.back().address());
    }
    scheduler_.run();
  }

  ~averager_rig() {
    for (const auto& who : everybody_)
      caf::anon_send_exit(caf::actor_cast<caf::actor>(who), caf::exit_reason::kill);
    scheduler_.run();
  }

  void introduce() {
    for (uint64_t to = 1; to <= averagers_.size(); ++to)
      for (uint64_t peer = 1; peer <= averagers_.size(); ++peer)
        introduce(to, peer);
  }

  /// `to` hears of `peer`.
  void introduce(uint64_t to, uint64_t peer) {
    wire::member m;
    m.id = id_of(peer);
    m.state = wire::member_state::serving;
    m.handle = silent_;
    m.averager = line_to(peer);
    caf::anon_send(caf::actor_cast<caf::actor>(averagers_[to - 1]), wire::roster_update{{m}, {}});
  }

  std::shared_ptr<outcome> order(uint64_t peer, const wire::reduce& m, const host_tensor& own) {
    auto out = std::make_shared<outcome>();
    const auto whom = averagers_[peer - 1];
    const auto client = system_.spawn([=](caf::event_based_actor* self) {
      self->request(whom, caf::infinite, m, own)
          .then(
              [out](const host_tensor& total, const std::string& hash) {
                ++out->answers;
                out->hash = hash;
                out->memory = total.data();
                if (total.elements() < 10'000) out->total = total;
                if (total.type() == tensors::dtype::i64)
                  out->sum.assign(total.as<int64_t>(), total.as<int64_t>() + total.elements());
                else
                  out->floats.assign(total.as<float>(), total.as<float>() + total.elements());
              },
              [out](const caf::error& error) {
                ++out->answers;
                out->error = error;
              });
    });
    everybody_.push_back(client.address());
    return out;
  }

  std::shared_ptr<outcome> order(uint64_t peer, const wire::reduce& m, size_t count) {
    return order(peer, m,
                 host_tensor::adopt(vector_of(peer, count), {static_cast<int64_t>(count)}));
  }

  void post(uint64_t peer, const wire::part& m) { caf::anon_send(averagers_[peer - 1], m); }

  void post(uint64_t peer, const wire::want& m) { caf::anon_send(averagers_[peer - 1], m); }

  void gather(uint64_t peer, uint32_t round) {
    wire::builder<schemas::Gather> message;
    wire::set_step_round(*message, {term_id{1}, step_id{3}, round_id{round}});
    caf::anon_send(averagers_[peer - 1], message.finish());
  }

  void share(uint64_t peer, uint32_t member, uint32_t share, const host_tensor& vector) {
    caf::anon_send(averagers_[peer - 1], wire::share_atom::value, member, share, vector);
  }

  wire::sum_progress progress(uint64_t peer) {
    auto out = std::make_shared<wire::sum_progress>();
    const auto whom = averagers_[peer - 1];
    const auto client = system_.spawn([=](caf::event_based_actor* self) {
      self->request(whom, caf::infinite, wire::progress_atom::value)
          .then([out](const wire::sum_progress& known) { *out = known; });
    });
    everybody_.push_back(client.address());
    run();
    return *out;
  }

  /// Whether this part, or question, is lost on its way to `to`; asked before each is delivered.
  std::function<bool(uint64_t to, const wire::part&)> loses;
  std::function<bool(uint64_t to, const wire::want&)> loses_want;

  /// Events that the averagers report.
  std::vector<telemetry::event> events;

  void run() { scheduler_.run(); }

  /// Until nobody has anything to do but wait, second by second.
  void pass(int seconds) {
    run();
    for (int i = 0; i < seconds; ++i) {
      scheduler_.advance_time(std::chrono::seconds{1});
      run();
    }
  }

  /// Picks the next runnable actor, and how long it stays, by the seed.
  void run_shuffled(std::mt19937& random) {
    auto& jobs = scheduler_.jobs;
    while (!jobs.empty()) {
      std::swap(jobs.front(), jobs[random() % jobs.size()]);
      scheduler_.run_once();
    }
  }

 private:
  /// Small parts, so that small vectors have many.
  averaging::averager_options options_of(worker_id id, const wire::directory_actor& directory) {
    averaging::averager_options options;
    options.id = id;
    options.directory = directory;
    options.telemetry = log_;
    options.part_elements = part_elements;
    return options;
  }

  caf::actor line_to(uint64_t peer) {
    auto& line = lines_[peer];
    if (line) return line;
    line = system_.spawn([this, peer, whom = averagers_[peer - 1]](caf::event_based_actor* self) {
      return caf::behavior{[=](const wire::part& m) {
                             if (!loses || !loses(peer, m)) self->send(whom, m);
                           },
                           [=](const wire::want& m) {
                             if (!loses_want || !loses_want(peer, m)) self->send(whom, m);
                           }};
    });
    everybody_.push_back(line.address());
    return line;
  }

  std::map<uint64_t, caf::actor> lines_;
  virtual_time config_;
  caf::actor_system system_;
  caf::scheduler::test_coordinator& scheduler_;
  caf::actor silent_;
  caf::actor log_;
  std::vector<wire::averager_actor> averagers_;
  std::vector<caf::actor_addr> everybody_;
};

inline std::vector<uint64_t> first(uint64_t count) {
  std::vector<uint64_t> result;
  for (uint64_t peer = 1; peer <= count; ++peer)
    result.push_back(peer);
  return result;
}

}  // namespace swarm::testing
