#include "actors/averaging/averager.hpp"

#include <algorithm>
#include <caf/typed_event_based_actor.hpp>
#include <cstdio>
#include <deque>
#include <map>
#include <memory>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "actors/wire/tensor.hpp"
#include "actors/wire/ticket.hpp"

namespace swarm::averaging {

namespace {

using tensors::host_tensor;

using full_actor = wire::averager_actor::extend<caf::reacts_to<wire::roster_update>>;

auto order_of(const wire::epoch& x) {
  return std::make_tuple(x.term, x.step, x.round);
}

/// One all-reduce under way, or just ended. Sent parts point into it and keep it alive.
template <class T>
struct session {
  host_tensor own;
  butterfly<T> machine;
};

using any_session = std::variant<std::monostate, std::shared_ptr<session<float>>,
                                 std::shared_ptr<session<int64_t>>>;

std::string to_hex(const result_hash& hash) {
  char text[33];
  std::snprintf(text, sizeof(text), "%016llx%016llx", static_cast<unsigned long long>(hash.high),
                static_cast<unsigned long long>(hash.low));
  return text;
}

class averager final : public full_actor::base {
 public:
  averager(caf::actor_config& cfg, averager_options options)
      : full_actor::base(cfg), options_(std::move(options)) {}

  const char* name() const override { return "averager"; }

  // A terminated actor lives on until nobody holds it, so whom it holds must go now.
  void on_exit() override {
    options_ = {};
    peers_.clear();
    waiting_.clear();
    session_ = std::monostate{};
    early_.clear();
    unsent_.clear();
  }

  behavior_type make_behavior() override {
    send(options_.directory, wire::subscribe_atom::value, caf::actor_cast<caf::actor>(ctrl()));
    return {[](const wire::want&) {}, [this](const wire::part& m) { on_part(m); },
            [this](const wire::reduce& m, const host_tensor& own) { return on_order(m, own); },
            [this](const wire::roster_update& update) { on_roster(update); }};
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
    // The coordinator may have heard of a member before us.
    for (auto& [to, message] : std::exchange(unsent_, {}))
      post(to, std::move(message));
  }

  // -- orders ---------------------------------------------------------------------------------

  promise on_order(const wire::reduce& m, const host_tensor& own) {
    auto reply = make_response_promise<promise>();
    if (m.fault()) return reply.deliver(wire::make_error(*m.fault()));
    const auto body = m.read();
    const auto when = wire::epoch_of(*body);
    if (order_of(when) < order_of(when_))
      return reply.deliver(make_error(averaging_errc::superseded));
    std::vector<butterfly_member> members;
    for (const auto& x : body->getMembers())
      members.push_back({wire::from_wire(x.getWorker()), x.getContributes(), 1});
    // A repeat does not start again, but sends again: a part may have been lost.
    if (order_of(when) == order_of(when_) && is_current(members)) {
      if (waiting_.size() >= repeats_max)
        return reply.deliver(make_error(averaging_errc::superseded));
      waiting_.push_back(reply);
      send_again();
      finish_if_done();
      return reply;
    }
    answer_all(make_error(averaging_errc::superseded));
    when_ = when;
    waiting_.push_back(reply);
    unsent_.clear();
    if (own.type() == tensors::dtype::i64) {
      open<int64_t>(std::move(members), own);
    } else {
      open<float>(std::move(members), own);
    }
    return reply;
  }

  template <class... Answer>
  void answer_all(const Answer&... answer) {
    for (auto& reply : std::exchange(waiting_, {}))
      reply.deliver(answer...);
  }

  /// Whether the all-reduce at hand is one of these members.
  bool is_current(const std::vector<butterfly_member>& members) const {
    const auto same = [](const butterfly_member& a, const butterfly_member& b) {
      return a.id == b.id && a.contributes == b.contributes;
    };
    const auto matches = [&](const auto& current) {
      if (!current) return false;
      const auto& known = current->machine.plan().members();
      return std::equal(known.begin(), known.end(), members.begin(), members.end(), same);
    };
    if (const auto* floats = std::get_if<std::shared_ptr<session<float>>>(&session_))
      return matches(*floats);
    const auto* integers = std::get_if<std::shared_ptr<session<int64_t>>>(&session_);
    return integers != nullptr && matches(*integers);
  }

  template <class T>
  void open(std::vector<butterfly_member> members, const host_tensor& own) {
    averaging_errc why{};
    auto plan = butterfly_plan::make(std::move(members), static_cast<size_t>(own.elements()),
                                     default_part_elements_max, &why);
    std::optional<butterfly<T>> machine;
    if (plan)
      machine = butterfly<T>::make(std::move(*plan), options_.id, own.as<T>(),
                                   static_cast<size_t>(own.elements()), &why);
    if (!machine) {
      session_ = std::monostate{};
      answer_all(make_error(why));
      return;
    }
    auto opened = std::make_shared<session<T>>(session<T>{own, std::move(*machine)});
    session_ = opened;
    transmit(opened, opened->machine.start());
    // What came before the order did.
    for (const auto& early : std::exchange(early_, {}))
      on_part(early);
    finish_if_done(opened);
  }

  void send_again() {
    if (const auto* floats = std::get_if<std::shared_ptr<session<float>>>(&session_))
      transmit(*floats, (*floats)->machine.sent());
    if (const auto* integers = std::get_if<std::shared_ptr<session<int64_t>>>(&session_))
      transmit(*integers, (*integers)->machine.sent());
  }

  void finish_if_done() {
    if (const auto* floats = std::get_if<std::shared_ptr<session<float>>>(&session_))
      finish_if_done(*floats);
    if (const auto* integers = std::get_if<std::shared_ptr<session<int64_t>>>(&session_))
      finish_if_done(*integers);
  }

  template <class T>
  void finish_if_done(const std::shared_ptr<session<T>>& current) {
    if (waiting_.empty() || !current->machine.done()) return;
    const auto& sum = current->machine.result();
    host_tensor total{tensors::dtype_of<T>(),
                      {static_cast<int64_t>(sum.size())},
                      std::shared_ptr<const void>(current, sum.data()),
                      sum.data()};
    answer_all(total, to_hex(current->machine.hash()));
  }

  // -- parts ----------------------------------------------------------------------------------

  template <class T>
  void transmit(const std::shared_ptr<session<T>>& from,
                const std::vector<butterfly_send<T>>& parts) {
    for (const auto& part : parts) {
      wire::builder<schemas::Part> message;
      wire::set_epoch(*message, when_);
      wire::to_wire(options_.id, message->initSender());
      message->setSlice(part.slice);
      message->setPart(part.part);
      message->setReduced(part.reduced);
      const host_tensor values{tensors::dtype_of<T>(),
                               {static_cast<int64_t>(part.count)},
                               std::shared_ptr<const void>(from, part.data),
                               part.data};
      wire::attach(message, message->initValues(), values);
      post(part.to, message.finish());
    }
  }

  void post(worker_id to, wire::part message) {
    const auto found = peers_.find(to);
    if (found != peers_.end()) {
      send(found->second, std::move(message));
    } else if (unsent_.size() < early_parts_max) {
      unsent_.emplace_back(to, std::move(message));
    }
  }

  void on_part(const wire::part& m) {
    if (m.fault()) return;
    const auto body = m.read();
    const auto when = wire::epoch_of(*body);
    if (order_of(when) < order_of(when_)) return;
    const bool current = order_of(when) == order_of(when_);
    if (!current || std::holds_alternative<std::monostate>(session_)) {
      if (early_.size() < early_parts_max) early_.push_back(m);
      return;
    }
    host_tensor values;
    if (!wire::extract_into(body->getValues(), m.bytes(), values)) return;
    if (auto* floats = std::get_if<std::shared_ptr<session<float>>>(&session_)) {
      take(*floats, *body, values);
    } else {
      take(std::get<std::shared_ptr<session<int64_t>>>(session_), *body, values);
    }
  }

  template <class T>
  void take(std::shared_ptr<session<T>> current, const schemas::Part::Reader& body,
            const host_tensor& values) {
    if (values.type() != tensors::dtype_of<T>()) return;
    const auto from = wire::from_wire(body.getSender());
    const auto count = static_cast<size_t>(values.elements());
    auto outcome = body.getReduced()
                       ? current->machine.accept_reduced(from, body.getSlice(), body.getPart(),
                                                         values.as<T>(), count)
                       : current->machine.accept_part(from, body.getSlice(), body.getPart(),
                                                      values.as<T>(), count);
    transmit(current, outcome.send);
    finish_if_done(current);
  }

  averager_options options_;
  std::map<worker_id, wire::averager_actor> peers_;
  wire::epoch when_;
  std::vector<promise> waiting_;  ///< the order's caller, and those who repeated it
  any_session session_;
  std::deque<wire::part> early_;
  std::vector<std::pair<worker_id, wire::part>> unsent_;
};

}  // namespace

caf::error make_error(averaging_errc code) {
  return {static_cast<uint8_t>(code), caf::atom("averaging"),
          caf::make_message(std::string{to_sentence(code)})};
}

wire::averager_actor spawn_averager(caf::actor_system& system, averager_options options) {
  return system.spawn<averager>(std::move(options));
}

}  // namespace swarm::averaging
