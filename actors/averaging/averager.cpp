#include "actors/averaging/averager.hpp"

#include <algorithm>
#include <caf/send.hpp>
#include <caf/typed_event_based_actor.hpp>
#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <tuple>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

#include "actors/actor_body.hpp"
#include "actors/averaging/messages.hpp"
#include "actors/averaging/session.hpp"
#include "actors/telemetry/event.hpp"
#include "actors/wire/ticket.hpp"

namespace swarm::averaging {

namespace {

using tensors::host_tensor;

using tick_atom = caf::atom_constant<caf::atom("tick")>;

using full_actor =
    wire::averager_actor::extend<caf::reacts_to<wire::roster_update>, caf::reacts_to<tick_atom>>;

/// A timer that fires sooner would not ask for more.
constexpr double tick_min_s = 0.02;

auto order_of(const wire::step_round& x) {
  return std::make_tuple(x.term, x.step, x.round);
}

class averager final : public actor_body<full_actor::base> {
 public:
  static constexpr const char* name = "averager";

  averager(pointer self, averager_options options)
      : actor_body(self), options_(std::move(options)) {}

  behavior_type make_behavior() {
    send(options_.directory, wire::subscribe_atom::value, caf::actor_cast<caf::actor>(ctrl()));
    return {[this](const wire::want& m) { on_want(m); },
            [this](const wire::part& m) { on_part(m); },
            [this](const wire::reduce& m, const host_tensor& own) { return on_order(m, own); },
            [this](const wire::gather& m) { on_gather(m); },
            [this](wire::share_atom, uint32_t member, uint32_t share, const host_tensor& vector) {
              on_share({member, share}, vector);
            },
            [this](wire::progress_atom) { return progress(); },
            [this](const wire::roster_update& update) { on_roster(update); },
            [this](tick_atom) { on_tick(); }};
  }

 private:
  using promise = caf::typed_response_promise<host_tensor, std::string>;

  void on_roster(const wire::roster_update& update) {
    for (const auto& id : update.gone)
      peers_.erase(id);
    for (const auto& m : update.changed) {
      if (m.role != wire::member_role::stage_worker || m.stage != options_.stage) continue;
      if (m.averager) peers_[m.id] = caf::actor_cast<wire::averager_actor>(m.averager);
    }
    // The coordinator, or an owner, may have heard of a member before us.
    for (auto& [to, message] : std::exchange(unsent_, {}))
      post(to, std::move(message));
    take_early();
  }

  // -- orders ---------------------------------------------------------------------------------

  promise on_order(const wire::reduce& m, const host_tensor& own) {
    auto reply = make_response_promise<promise>();
    if (m.fault()) return reply.deliver(wire::make_error(*m.fault()));
    const auto body = m.read();
    const auto when = wire::step_round_of(*body);
    if (order_of(when) < order_of(when_))
      return reply.deliver(make_error(averaging_errc::superseded));
    if (waiting_.size() >= repeats_max) {
      waiting_.front().deliver(make_error(averaging_errc::superseded));
      waiting_.erase(waiting_.begin());
    }
    auto order = order_from(*body);
    if (order.part_elements == 0) order.part_elements = options_.part_elements;
    if (order_of(when) == order_of(when_) && session_) {
      go_on(order, reply);
    } else {
      answer_all(make_error(averaging_errc::superseded));
      when_ = when;
      waiting_.push_back(reply);
      open(std::move(order), own);
    }
    return reply;
  }

  void go_on(const reduce_order& order, promise& reply) {
    const auto todo = session_->revise(order, now_s());
    if (todo.error) {
      reply.deliver(make_error(*todo.error));
      if (todo.error == averaging_errc::lost_here) end(*todo.error);
      return;
    }
    waiting_.push_back(reply);
    carry_out(todo);
    if (session_) take_early();
  }

  void open(reduce_order order, const host_tensor& own) {
    close();
    unsent_.clear();
    averaging_errc why{};
    session_ = memory_.open(options_.id, std::move(order), own, options_.limits, &why);
    if (!session_) return answer_all(make_error(why));
    carry_out(session_->begin(now_s()));
    if (session_) take_early();
  }

  /// The worker freezes a later round: what belongs to an earlier one is over.
  void on_gather(const wire::gather& m) {
    if (m.fault()) return;
    if (order_of(when_) < order_of(wire::step_round_of(*m.read()))) end(averaging_errc::superseded);
  }

  void end(averaging_errc why) {
    answer_all(make_error(why));
    close();
  }

  void close() {
    if (session_) memory_.remember(session_->line());
    session_ = nullptr;
  }

  void on_share(share_id which, const host_tensor& vector) {
    if (session_) carry_out(session_->add_share(which, vector, now_s()));
  }

  wire::sum_progress progress() const {
    return session_ ? session_->progress() : wire::sum_progress{};
  }

  template <class... Answer>
  void answer_all(const Answer&... answer) {
    for (auto& reply : std::exchange(waiting_, {}))
      reply.deliver(answer...);
  }

  // -- questions and parts --------------------------------------------------------------------

  /// Sends what is to be sent, and answers the worker if that was the last part.
  void carry_out(const session_actions& todo) {
    for (const auto& question : todo.ask)
      post(session_->id_of(question.to),
           message_of(question, when_, session_->revision(), options_.id));
    for (const auto& answer : todo.send)
      post(session_->id_of(answer.to),
           message_of(answer, when_, session_->revision(), options_.id));
    if (!waiting_.empty() && session_->done()) {
      const auto [total, hash] = session_->result();
      answer_all(total, hash);
    }
    set_timer();
  }

  template <class Message>
  void post(worker_id to, Message message) {
    const auto found = peers_.find(to);
    if (found != peers_.end()) return send(found->second, std::move(message));
    // An answer is made again when it is asked for again.
    if constexpr (std::is_same_v<Message, wire::want>)
      if (unsent_.size() < group_members_max) unsent_.emplace_back(to, std::move(message));
  }

  void on_want(const wire::want& m) {
    if (m.fault()) return;
    const auto body = m.read();
    const auto when = order_of(wire::step_round_of(*body));
    const auto from = wire::from_wire(body->getSender());
    if (when < order_of(when_)) return;
    if (when > order_of(when_) || peers_.count(from) == 0) return keep_early(from, m);
    if (!session_) return;
    if (session_->comes_early(from, body->getRevision())) return keep_early(from, m);
    const auto todo = session_->on_want(*body);
    if (todo.error) return report(from, *todo.error);
    carry_out(todo);
  }

  void on_part(const wire::part& m) {
    if (m.fault()) return;
    const auto body = m.read();
    const auto when = order_of(wire::step_round_of(*body));
    const auto from = wire::from_wire(body->getSender());
    if (when > order_of(when_)) return report(from, averaging_errc::not_asked);
    if (when < order_of(when_) || !session_) return;
    const auto todo = session_->on_part(*body, m.bytes(), now_s());
    if (todo.error) return report(from, *todo.error);
    carry_out(todo);
  }

  void keep_early(worker_id from, const wire::want& m) {
    if (early_.size() >= group_members_max && early_.count(from) == 0) return;
    auto& kept = early_[from];
    // A member's later attempt ends its earlier ones.
    const auto when = order_of(wire::step_round_of(*m.read()));
    while (!kept.empty() && order_of(wire::step_round_of(*kept.front().read())) < when)
      kept.pop_front();
    if (kept.size() < early_wants_max) kept.push_back(m);
  }

  /// Those that still come too early are kept again.
  void take_early() {
    for (const auto& [from, kept] : std::exchange(early_, {}))
      for (const auto& m : kept)
        on_want(m);
  }

  void report(worker_id from, averaging_errc why) {
    if (!options_.telemetry || reported_.size() >= group_members_max) return;
    if (!reported_.insert(from).second) return;
    caf::anon_send(options_.telemetry,
                   telemetry::event{"wrong_part",
                                    {{"stage", int64_t{options_.stage.value()}},
                                     {"peer", static_cast<int64_t>(from.peer.value())},
                                     {"why", std::string{to_sentence(why)}}}});
  }

  // -- time -----------------------------------------------------------------------------------

  void set_timer() {
    if (timer_ || !session_) return;
    const auto next = session_->next_tick_s();
    if (!next) return;
    timer_ = true;
    const std::chrono::duration<double> wait{std::max(tick_min_s, *next - now_s())};
    delayed_send(
        self(),
        std::chrono::duration_cast<std::chrono::milliseconds>(wait) + std::chrono::milliseconds{1},
        tick_atom::value);
  }

  void on_tick() {
    timer_ = false;
    if (session_) carry_out(session_->tick(now_s()));
  }

  averager_options options_;
  std::unordered_map<worker_id, wire::averager_actor> peers_;
  wire::step_round when_;
  std::vector<promise> waiting_;  ///< the order's caller, and those who repeated it
  session_memory memory_;
  std::unique_ptr<session> session_;  ///< none: no order, or one that came to nothing
  std::map<worker_id, std::deque<wire::want>> early_;
  std::vector<std::pair<worker_id, wire::want>> unsent_;
  std::set<worker_id> reported_;
  bool timer_ = false;
};

}  // namespace

caf::error make_error(averaging_errc code) {
  return {static_cast<uint8_t>(code), caf::atom("averaging"),
          caf::make_message(std::string{to_sentence(code)})};
}

wire::averager_actor spawn_averager(caf::actor_system& system, averager_options options) {
  return system.spawn<embodied<averager>>(std::move(options));
}

}  // namespace swarm::averaging
