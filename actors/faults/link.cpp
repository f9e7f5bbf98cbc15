#include "actors/faults/link.hpp"

#include <algorithm>
#include <atomic>
#include <caf/actor_clock.hpp>
#include <caf/actor_config.hpp>
#include <caf/default_attachable.hpp>
#include <caf/make_actor.hpp>
#include <caf/monitorable_actor.hpp>
#include <caf/sec.hpp>
#include <caf/system_messages.hpp>
#include <cassert>
#include <functional>
#include <iterator>
#include <list>
#include <mutex>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "actors/random.hpp"

namespace swarm::faults {

fate fate::deliver(std::chrono::nanoseconds delay) {
  fate result;
  result.delays[0] = delay;
  return result;
}

fate fate::lose() {
  fate result;
  result.copies = 0;
  return result;
}

fate fate::duplicate(std::chrono::nanoseconds first, std::chrono::nanoseconds second) {
  fate result;
  result.copies = 2;
  result.delays = {first, second};
  return result;
}

fate fate::fail(caf::error why, std::chrono::nanoseconds delay) {
  fate result = lose();
  result.bounce = std::move(why);
  result.bounce_delay = delay;
  return result;
}

link_policy::~link_policy() = default;

std::shared_ptr<pen> link_policy::holds(const passage&) {
  return nullptr;
}

bool link_policy::arrives(const passage&) {
  return true;
}

namespace {

using caf::mailbox_element_ptr;
using caf::strong_actor_ptr;

/// What a link, its return links and the messages on their way have in common. Nothing here keeps
/// an actor alive.
struct link_core {
  caf::actor_system& system;
  const std::shared_ptr<link_policy> policy;
  const link_options options;
  const caf::actor_addr target;
  std::atomic<bool> cut{false};

  link_core(caf::actor_system& sys, std::shared_ptr<link_policy> pol, link_options opt,
            const strong_actor_ptr& to)
      : system(sys),
        policy(std::move(pol)),
        options(opt),
        target(caf::actor_cast<caf::actor_addr>(to)) {}

  /// The link that stands for the target in the eyes of the senders, if it still exists.
  strong_actor_ptr facade() {
    const std::lock_guard<std::mutex> guard{mutex_};
    return caf::actor_cast<strong_actor_ptr>(facade_);
  }
  void set_facade(const strong_actor_ptr& link) {
    const std::lock_guard<std::mutex> guard{mutex_};
    facade_ = caf::actor_cast<caf::actor_addr>(link);
  }

 private:
  std::mutex mutex_;
  caf::actor_addr facade_;
};

using core_ptr = std::shared_ptr<link_core>;

/// Actors of other nodes count their ids on their own. CAF's hash of a node is the same for all
/// systems of one process, its text is not.
caf::actor_id identity(const strong_actor_ptr& who) {
  if (!who) return caf::invalid_actor_id;
  const auto& node = who->node();
  if (node == who->home_system->node()) return who->id();
  return who->id() ^ splitmix64 { std::hash<std::string>{}(to_string(node)) }.next();
}

passage passage_of(direction way, caf::actor_id sender, const caf::mailbox_element& what) {
  const bool answer = what.mid.is_response();
  const bool request = answer || what.mid.is_request();
  return {
      way,           request, answer, sender, request ? what.mid.request_id().integer_value() : 0,
      what.content()};
}

void refuse(const caf::mailbox_element& what, const caf::error& why) {
  if (!what.sender || !what.mid.is_request()) return;
  what.sender->enqueue(
      caf::make_mailbox_element(nullptr, what.mid.response_id(), {},
                                why ? why : caf::make_error(caf::sec::request_receiver_down)),
      nullptr);
}

bool is_down_of(const caf::mailbox_element& what, const caf::actor_addr& watched) {
  const auto& content = what.content();
  return content.match_elements<caf::down_msg>() &&
         content.get_as<caf::down_msg>(0).source == watched;
}

void watch(const strong_actor_ptr& watched, const strong_actor_ptr& watcher) {
  watched->get()->attach(caf::default_attachable::make_monitor(
      caf::actor_cast<caf::actor_addr>(watched), caf::actor_cast<caf::actor_addr>(watcher)));
}

template <class Actor, class... Args>
strong_actor_ptr make(caf::actor_system& system, Args&&... args) {
  caf::actor_config config;
  return caf::make_actor<Actor, strong_actor_ptr>(system.next_actor_id(), system.node(), &system,
                                                  config, std::forward<Args>(args)...);
}

/// Stands for one sender as the target sees it.
class return_link : public caf::monitorable_actor {
 public:
  return_link(caf::actor_config& config, core_ptr core, const strong_actor_ptr& sender)
      : monitorable_actor(config),
        core_(std::move(core)),
        sender_(caf::actor_cast<caf::actor_addr>(sender)),
        sender_id_(identity(sender)),
        key_(sender.get()),
        types_(sender->get()->message_types()) {}

  void enqueue(mailbox_element_ptr what, caf::execution_unit* host) override;
  std::set<std::string> message_types() const override { return types_; }
  const char* name() const override { return "swarm.return_link"; }

  caf::actor_id sender_id() const { return sender_id_; }
  void die(caf::error why, caf::execution_unit* host) { cleanup(std::move(why), host); }

 private:
  strong_actor_ptr late();

  const core_ptr core_;
  const caf::actor_addr sender_;
  const caf::actor_id sender_id_;
  const caf::actor_control_block* const key_;
  const std::set<std::string> types_;
  std::mutex late_mutex_;
  strong_actor_ptr late_;
};

/// Return links by sender. A key cannot be used again while its return link holds it weakly.
class return_links {
 public:
  strong_actor_ptr of(const core_ptr& core, const strong_actor_ptr& sender);
  void forget(const caf::actor_control_block* sender);
  std::vector<strong_actor_ptr> all() const;

 private:
  using age = std::list<const caf::actor_control_block*>;
  struct entry {
    strong_actor_ptr link;
    age::iterator place;
  };

  mutable std::mutex mutex_;
  std::unordered_map<const caf::actor_control_block*, entry> links_;
  age oldest_first_;
};

class link_actor : public caf::monitorable_actor {
 public:
  link_actor(caf::actor_config& config, core_ptr core, strong_actor_ptr target)
      : monitorable_actor(config),
        core_(std::move(core)),
        types_(target->get()->message_types()),
        target_(std::move(target)) {}

  void enqueue(mailbox_element_ptr what, caf::execution_unit* host) override;
  std::set<std::string> message_types() const override { return types_; }
  const char* name() const override { return "swarm.link"; }

  /// Not in on_cleanup: the target must not be released inside a critical section.
  bool cleanup(caf::error&& reason, caf::execution_unit* host) override;

  void cut(const caf::error& why);
  void forget(const caf::actor_control_block* sender) { returns_.forget(sender); }

 private:
  strong_actor_ptr late(const strong_actor_ptr& target);

  const core_ptr core_;
  const std::set<std::string> types_;
  return_links returns_;
  strong_actor_ptr target_;  // until the end
  strong_actor_ptr late_;
};

/// Where delayed and held copies of one direction come out. Unlike the return links it may hold the
/// target: only a link, the clock and a pen hold it.
class arrival : public caf::monitorable_actor {
 public:
  arrival(caf::actor_config& config, core_ptr core, const strong_actor_ptr& target)
      : monitorable_actor(config),
        core_(std::move(core)),
        way_(direction::forward),
        target_(target) {}
  arrival(caf::actor_config& config, core_ptr core, const caf::actor_addr& sender)
      : monitorable_actor(config), core_(std::move(core)), way_(direction::back), sender_(sender) {}

  void enqueue(mailbox_element_ptr what, caf::execution_unit* host) override;
  const char* name() const override { return "swarm.arrival"; }

 private:
  const core_ptr core_;
  const direction way_;
  const strong_actor_ptr target_;
  const caf::actor_addr sender_;
};

caf::actor_id sender_id(const strong_actor_ptr& returns) {
  if (!returns) return caf::invalid_actor_id;
  return static_cast<return_link*>(returns->get())->sender_id();
}

void arrival::enqueue(mailbox_element_ptr what, caf::execution_unit* host) {
  const bool forward = way_ == direction::forward;
  const auto to = forward ? target_ : caf::actor_cast<strong_actor_ptr>(sender_);
  if (!to || core_->cut) return refuse(*what, {});
  const auto seen = passage_of(way_, forward ? sender_id(what->sender) : identity(to), *what);
  if (const auto held = core_->policy->holds(seen)) {
    held->park(strong_actor_ptr{ctrl()}, std::move(what));
  } else if (core_->policy->arrives(seen)) {
    to->enqueue(std::move(what), host);
  }
}

mailbox_element_ptr with_content(const caf::mailbox_element& what, caf::message content) {
  return caf::make_mailbox_element(what.sender, what.mid, what.stages, std::move(content));
}

void bounce_as_chosen(link_core& core, const fate& chosen, const caf::mailbox_element& what) {
  if (!chosen.bounce || !what.mid.is_request() || !what.sender) return;
  if (chosen.bounce_delay.count() <= 0) return refuse(what, *chosen.bounce);
  auto& clock = core.system.clock();
  clock.schedule_message(
      clock.now() + chosen.bounce_delay, what.sender,
      caf::make_mailbox_element(nullptr, what.mid.response_id(), {}, *chosen.bounce));
}

/// Carries out a fate; `what` is as the receiver is to see it, `late` finds where delayed copies
/// go.
template <class Late>
void carry(link_core& core, fate chosen, mailbox_element_ptr what, const strong_actor_ptr& to,
           Late late, caf::execution_unit* host) {
  if (chosen.instead) what = with_content(*what, std::move(*chosen.instead));
  if (chosen.harm != damage::none) {
    auto content = damaged(core.system, what->content(), chosen.harm, chosen.harm_seed);
    what = with_content(*what, std::move(content));
  }
  const size_t copies = std::min<size_t>(chosen.copies, fate::copies_max);
  for (size_t i = 0; i < copies; ++i) {
    const auto delay = chosen.delays[i];
    auto copy =
        i + 1 < copies ? with_content(*what, what->copy_content_to_message()) : std::move(what);
    if (chosen.held) {
      chosen.held->park(late(), std::move(copy));
    } else if (delay.count() > 0) {
      auto& clock = core.system.clock();
      clock.schedule_message(clock.now() + delay, late(), std::move(copy));
    } else {
      to->enqueue(std::move(copy), host);
    }
  }
}

strong_actor_ptr make_link(const core_ptr& core, const strong_actor_ptr& target) {
  auto link = make<link_actor>(core->system, core, target);
  core->set_facade(link);
  if (core->options.watch_target) watch(target, link);
  return link;
}

void return_link::enqueue(mailbox_element_ptr what, caf::execution_unit* host) {
  if (core_->options.watch_senders && is_down_of(*what, sender_)) {
    if (const auto link = core_->facade()) static_cast<link_actor*>(link->get())->forget(key_);
    cleanup(caf::error{what->content().get_as<caf::down_msg>(0).reason}, host);
    return;
  }
  const auto sender = caf::actor_cast<strong_actor_ptr>(sender_);
  if (!sender || core_->cut) return refuse(*what, fail_state());
  auto chosen = core_->policy->decide(passage_of(direction::back, sender_id_, *what));
  bounce_as_chosen(*core_, chosen, *what);
  if (chosen.copies == 0) return;
  if (what->sender && core_->target == what->sender) {
    // If the link is gone a new one serves, so that nothing ever goes round the policy.
    auto facade = core_->facade();
    what->sender = facade ? std::move(facade) : make_link(core_, what->sender);
  }
  carry(
      *core_, std::move(chosen), std::move(what), sender, [this] { return late(); }, host);
}

strong_actor_ptr return_link::late() {
  const std::lock_guard<std::mutex> guard{late_mutex_};
  if (!late_) late_ = make<arrival>(core_->system, core_, sender_);
  return late_;
}

strong_actor_ptr return_links::of(const core_ptr& core, const strong_actor_ptr& sender) {
  strong_actor_ptr made;
  {
    const std::lock_guard<std::mutex> guard{mutex_};
    const auto found = links_.find(sender.get());
    if (found != links_.end()) return found->second.link;
    if (links_.size() >= return_links_max) {
      links_.erase(oldest_first_.front());
      oldest_first_.pop_front();
    }
    made = make<return_link>(core->system, core, sender);
    oldest_first_.push_back(sender.get());
    links_.emplace(sender.get(), entry{made, std::prev(oldest_first_.end())});
  }
  // A sender that is dead already answers at once, and that comes back here.
  if (core->options.watch_senders) watch(sender, made);
  return made;
}

void return_links::forget(const caf::actor_control_block* sender) {
  strong_actor_ptr released;
  const std::lock_guard<std::mutex> guard{mutex_};
  const auto found = links_.find(sender);
  if (found == links_.end()) return;
  released = std::move(found->second.link);
  oldest_first_.erase(found->second.place);
  links_.erase(found);
}

std::vector<strong_actor_ptr> return_links::all() const {
  const std::lock_guard<std::mutex> guard{mutex_};
  std::vector<strong_actor_ptr> result;
  for (const auto* sender : oldest_first_)
    result.push_back(links_.at(sender).link);
  return result;
}

void link_actor::enqueue(mailbox_element_ptr what, caf::execution_unit* host) {
  if (core_->options.watch_target && is_down_of(*what, core_->target)) {
    cleanup(caf::error{what->content().get_as<caf::down_msg>(0).reason}, host);
    return;
  }
  strong_actor_ptr target;
  shared_critical_section([&] { target = target_; });
  if (!target || core_->cut) return refuse(*what, fail_state());
  const auto sender = identity(what->sender);
  auto chosen = core_->policy->decide(passage_of(direction::forward, sender, *what));
  bounce_as_chosen(*core_, chosen, *what);
  if (chosen.copies == 0) return;
  if (what->sender) what->sender = returns_.of(core_, what->sender);
  carry(
      *core_, std::move(chosen), std::move(what), target, [&] { return late(target); }, host);
}

strong_actor_ptr link_actor::late(const strong_actor_ptr& target) {
  return exclusive_critical_section([&] {
    if (!late_) late_ = make<arrival>(core_->system, core_, target);
    return late_;
  });
}

bool link_actor::cleanup(caf::error&& reason, caf::execution_unit* host) {
  const bool first = monitorable_actor::cleanup(std::move(reason), host);
  strong_actor_ptr target;
  strong_actor_ptr late;
  exclusive_critical_section([&] {
    target.swap(target_);
    late.swap(late_);
  });
  return first;
}

void link_actor::cut(const caf::error& why) {
  core_->cut = true;
  cleanup(caf::error{why}, nullptr);
  for (const auto& link : returns_.all())
    static_cast<return_link*>(link->get())->die(why, nullptr);
}

}  // namespace

caf::strong_actor_ptr link_to(caf::actor_system& system, const caf::strong_actor_ptr& target,
                              std::shared_ptr<link_policy> policy, link_options options) {
  assert(target && policy);
  return make_link(std::make_shared<link_core>(system, std::move(policy), options, target), target);
}

bool cut(const caf::strong_actor_ptr& link, caf::error why) {
  auto* actor = link ? dynamic_cast<link_actor*>(link->get()) : nullptr;
  if (actor == nullptr) return false;
  actor->cut(why);
  return true;
}

}  // namespace swarm::faults
