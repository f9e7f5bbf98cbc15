#include "actors/peer/gateway.hpp"

#include <caf/actor_config.hpp>
#include <caf/exit_reason.hpp>
#include <caf/make_actor.hpp>
#include <caf/monitorable_actor.hpp>
#include <caf/sec.hpp>
#include <map>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

#include "actors/wire/parcel.hpp"

namespace swarm::peer {

namespace {

using caf::mailbox_element_ptr;
using caf::strong_actor_ptr;
using transport::heading;
using transport::link_id;

enum class crossing : uint32_t {
  send = 1,  ///< to target, from source
  ask,       ///< the same, and request is to be answered
  answer,    ///< to request
  failure,   ///< to request: body is a Failure
  gone       ///< target has ended
};

/// A request that went out.
struct pending {
  caf::actor_addr sender;
  caf::message_id id;
};

struct link_state {
  std::map<uint64_t, strong_actor_ptr> remotes;
  std::map<uint64_t, pending> requests;
  uint64_t next_request = 1;
};

struct exposed {
  caf::actor_addr local;
  std::set<link_id> to;
};

caf::error unreachable() {
  return caf::make_error(caf::sec::request_receiver_down);
}

void answer_with(const caf::mailbox_element& request, const caf::error& why) {
  if (!request.sender || !request.mid.is_request()) return;
  request.sender->enqueue(
      caf::make_mailbox_element(nullptr, request.mid.response_id(), {}, caf::error{why}), nullptr);
}

}  // namespace

struct gateway::core : std::enable_shared_from_this<gateway::core> {
  explicit core(caf::actor_system& sys) : system(sys) {}

  void send(link_id to, const heading& head, wire::frame_ptr body);
  uint64_t expose(link_id to, const strong_actor_ptr& local);
  strong_actor_ptr remote(link_id at, uint64_t slot);
  void carry(link_id at, uint64_t slot, const caf::mailbox_element& what);
  void carry_answer(link_id at, const caf::mailbox_element& what);
  void local_ended(caf::actor_id which);
  void deliver(link_id from, const heading& head, std::variant<wire::frame_ptr, wire::errc> body);
  void deliver_answer(link_id from, const heading& head,
                      std::variant<wire::frame_ptr, wire::errc> body);
  void fail(link_id to, uint64_t request, const caf::error& why);
  strong_actor_ptr local(link_id from, uint64_t slot);

  caf::actor_system& system;
  std::mutex mutex;
  // An endpoint that is being used is not taken away meanwhile.
  std::mutex endpoint_mutex;
  transport::endpoint* through = nullptr;
  std::map<link_id, link_state> links;
  std::map<caf::actor_id, exposed> exports;
  std::map<uint64_t, strong_actor_ptr> served;
};

namespace {

using core_ptr = std::shared_ptr<gateway::core>;

class remote_actor final : public caf::monitorable_actor {
 public:
  remote_actor(caf::actor_config& config, core_ptr core, link_id at, uint64_t slot)
      : monitorable_actor(config), core_(std::move(core)), at_(at), slot_(slot) {}

  const char* name() const override { return "swarm.remote"; }

  void enqueue(mailbox_element_ptr what, caf::execution_unit*) override {
    if (what->mid.is_response()) {
      core_->carry_answer(at_, *what);
    } else if (getf(is_terminated_flag)) {
      answer_with(*what, unreachable());
    } else {
      core_->carry(at_, slot_, *what);
    }
  }

  link_id at() const { return at_; }
  void end() { cleanup(caf::make_error(caf::exit_reason::remote_link_unreachable), nullptr); }

 private:
  const core_ptr core_;
  const link_id at_;
  const uint64_t slot_;
};

void end(const strong_actor_ptr& remote) {
  static_cast<remote_actor*>(remote->get())->end();
}

}  // namespace

void gateway::core::send(link_id to, const heading& head, wire::frame_ptr body) {
  const std::lock_guard<std::mutex> guard{endpoint_mutex};
  if (through != nullptr) through->send(to, head, std::move(body));
}

uint64_t gateway::core::expose(link_id to, const strong_actor_ptr& local) {
  if (!local) return 0;
  // One that leads elsewhere is relayed; one that leads there already would go in a circle.
  const auto* remote = dynamic_cast<remote_actor*>(local->get());
  if (remote != nullptr && remote->at() == to) return 0;
  const auto id = local->id();
  bool first = false;
  {
    const std::lock_guard<std::mutex> guard{mutex};
    if (links.count(to) == 0) return 0;
    const auto [place, inserted] = exports.try_emplace(id);
    first = inserted;
    if (inserted) place->second.local = caf::actor_cast<caf::actor_addr>(local);
    place->second.to.insert(to);
  }
  // Runs at once if the actor has ended, so not under the lock.
  if (first) {
    local->get()->attach_functor([weak = weak_from_this(), id] {
      if (const auto self = weak.lock()) self->local_ended(id);
    });
  }
  return id + first_actor_slot;
}

void gateway::core::local_ended(caf::actor_id which) {
  std::set<link_id> told;
  {
    const std::lock_guard<std::mutex> guard{mutex};
    const auto found = exports.find(which);
    if (found == exports.end()) return;
    told = std::move(found->second.to);
    exports.erase(found);
  }
  heading head;
  head.kind = static_cast<uint32_t>(crossing::gone);
  head.target = which + first_actor_slot;
  for (const auto& to : told)
    send(to, head, nullptr);
}

strong_actor_ptr gateway::core::remote(link_id at, uint64_t slot) {
  const std::lock_guard<std::mutex> guard{mutex};
  const auto found = links.find(at);
  if (found == links.end() || slot == 0) return nullptr;
  auto& remotes = found->second.remotes;
  const auto known = remotes.find(slot);
  if (known != remotes.end()) return known->second;
  if (remotes.size() >= remote_actors_max) return nullptr;
  caf::actor_config config;
  auto made = caf::make_actor<remote_actor, strong_actor_ptr>(
      system.next_actor_id(), system.node(), &system, config, shared_from_this(), at, slot);
  remotes.emplace(slot, made);
  return made;
}

void gateway::core::carry(link_id at, uint64_t slot, const caf::mailbox_element& what) {
  auto parcel = wire::to_parcel(what.content());
  if (!parcel || parcel->type == 0)
    return answer_with(what, caf::make_error(caf::sec::unexpected_message));
  heading head;
  head.target = slot;
  head.type = parcel->type;
  head.source = what.sender ? expose(at, what.sender) : 0;
  const bool asks = what.mid.is_request() && what.sender != nullptr;
  head.kind = static_cast<uint32_t>(asks ? crossing::ask : crossing::send);
  if (asks) {
    const std::lock_guard<std::mutex> guard{mutex};
    const auto found = links.find(at);
    if (found == links.end()) return answer_with(what, unreachable());
    auto& state = found->second;
    head.request = state.next_request++;
    state.requests[head.request] = {caf::actor_cast<caf::actor_addr>(what.sender), what.mid};
    if (state.requests.size() > pending_requests_max) state.requests.erase(state.requests.begin());
  }
  send(at, head, std::move(parcel->body));
}

void gateway::core::carry_answer(link_id at, const caf::mailbox_element& what) {
  const auto request = what.mid.request_id().integer_value();
  const auto& content = what.content();
  if (content.match_elements<caf::error>()) return fail(at, request, content.get_as<caf::error>(0));
  auto parcel = wire::to_parcel(content);
  if (!parcel) return fail(at, request, caf::make_error(caf::sec::unexpected_response));
  heading head;
  head.kind = static_cast<uint32_t>(crossing::answer);
  head.request = request;
  head.type = parcel->type;
  send(at, head, std::move(parcel->body));
}

void gateway::core::fail(link_id to, uint64_t request, const caf::error& why) {
  heading head;
  head.kind = static_cast<uint32_t>(crossing::failure);
  head.request = request;
  head.type = capnp::typeId<schemas::Failure>();
  send(to, head, wire::to_failure(why).bytes());
}

strong_actor_ptr gateway::core::local(link_id from, uint64_t slot) {
  const std::lock_guard<std::mutex> guard{mutex};
  if (slot < first_actor_slot) {
    const auto found = served.find(slot);
    return found == served.end() ? nullptr : found->second;
  }
  const auto found = exports.find(slot - first_actor_slot);
  if (found == exports.end() || found->second.to.count(from) == 0) return nullptr;
  return caf::actor_cast<strong_actor_ptr>(found->second.local);
}

void gateway::core::deliver(link_id from, const heading& head,
                            std::variant<wire::frame_ptr, wire::errc> body) {
  const bool asks = head.kind == static_cast<uint32_t>(crossing::ask);
  const auto target = local(from, head.target);
  auto content = wire::from_parcel(head.type, std::move(body));
  if (!target || !content || content->empty()) {
    const auto why = target ? caf::sec::unexpected_message : caf::sec::request_receiver_down;
    if (asks) fail(from, head.request, caf::make_error(why));
    return;
  }
  auto id = caf::make_message_id();
  // The answer brings the far side's number back.
  if (asks)
    id = caf::make_message_id(caf::message_id::default_async_value |
                              (head.request & caf::message_id::request_id_mask));
  target->enqueue(caf::make_mailbox_element(remote(from, head.source), id, {}, std::move(*content)),
                  nullptr);
}

void gateway::core::deliver_answer(link_id from, const heading& head,
                                   std::variant<wire::frame_ptr, wire::errc> body) {
  pending request;
  {
    const std::lock_guard<std::mutex> guard{mutex};
    const auto found = links.find(from);
    if (found == links.end()) return;
    const auto asked = found->second.requests.find(head.request);
    if (asked == found->second.requests.end()) return;
    request = std::move(asked->second);
    found->second.requests.erase(asked);
  }
  const auto sender = caf::actor_cast<strong_actor_ptr>(request.sender);
  if (!sender) return;
  auto content = wire::from_parcel(head.type, std::move(body));
  if (!content) content = caf::make_message(caf::make_error(caf::sec::unexpected_response));
  if (content->match_elements<wire::failure>())
    content = caf::make_message(wire::from_failure(content->get_as<wire::failure>(0)));
  sender->enqueue(
      caf::make_mailbox_element(nullptr, request.id.response_id(), {}, std::move(*content)),
      nullptr);
}

gateway::gateway(caf::actor_system& system) : core_(std::make_shared<core>(system)) {}

gateway::~gateway() {
  close();
}

void gateway::open(transport::endpoint& through) {
  const std::lock_guard<std::mutex> guard{core_->endpoint_mutex};
  core_->through = &through;
}

void gateway::close() {
  {
    const std::lock_guard<std::mutex> guard{core_->endpoint_mutex};
    core_->through = nullptr;
  }
  std::vector<link_id> open;
  std::map<uint64_t, strong_actor_ptr> served;
  {
    const std::lock_guard<std::mutex> guard{core_->mutex};
    for (const auto& [id, state] : core_->links)
      open.push_back(id);
    served.swap(core_->served);
    core_->exports.clear();
  }
  for (const auto& id : open)
    on_down(id);
}

void gateway::serve(uint64_t slot, const caf::actor& local) {
  auto handle = caf::actor_cast<strong_actor_ptr>(local);
  const std::lock_guard<std::mutex> guard{core_->mutex};
  // The replaced handle is released after the lock.
  core_->served[slot].swap(handle);
}

uint64_t gateway::expose(link_id to, const caf::actor& local) {
  return core_->expose(to, caf::actor_cast<strong_actor_ptr>(local));
}

caf::actor gateway::remote(link_id at, uint64_t slot) {
  return caf::actor_cast<caf::actor>(core_->remote(at, slot));
}

void gateway::end(link_id at, uint64_t slot) {
  strong_actor_ptr remote;
  {
    const std::lock_guard<std::mutex> guard{core_->mutex};
    const auto found = core_->links.find(at);
    if (found == core_->links.end()) return;
    auto& remotes = found->second.remotes;
    const auto known = remotes.find(slot);
    if (known == remotes.end()) return;
    remote = std::move(known->second);
    remotes.erase(known);
  }
  peer::end(remote);
}

bool gateway::is_remote(const caf::actor& handle) {
  const auto pointer = caf::actor_cast<strong_actor_ptr>(handle);
  return pointer && dynamic_cast<remote_actor*>(pointer->get()) != nullptr;
}

void gateway::on_up(link_id which) {
  const std::lock_guard<std::mutex> guard{core_->mutex};
  core_->links.try_emplace(which);
}

void gateway::on_down(link_id which) {
  link_state over;
  {
    const std::lock_guard<std::mutex> guard{core_->mutex};
    const auto found = core_->links.find(which);
    if (found == core_->links.end()) return;
    over = std::move(found->second);
    core_->links.erase(found);
    for (auto& [id, out] : core_->exports)
      out.to.erase(which);
  }
  for (const auto& [slot, remote] : over.remotes)
    peer::end(remote);
  for (const auto& [number, request] : over.requests) {
    const auto sender = caf::actor_cast<strong_actor_ptr>(request.sender);
    if (!sender) continue;
    sender->enqueue(caf::make_mailbox_element(nullptr, request.id.response_id(), {}, unreachable()),
                    nullptr);
  }
}

void gateway::on_message(link_id which, const heading& head,
                         std::variant<wire::frame_ptr, wire::errc> body) {
  switch (static_cast<crossing>(head.kind)) {
    case crossing::send:
    case crossing::ask:
      return core_->deliver(which, head, std::move(body));
    case crossing::answer:
    case crossing::failure:
      return core_->deliver_answer(which, head, std::move(body));
    case crossing::gone:
      return end(which, head.target);
  }
}

}  // namespace swarm::peer
