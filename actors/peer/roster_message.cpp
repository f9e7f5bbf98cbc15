#include "actors/peer/roster_message.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "actors/peer/admission.hpp"
#include "actors/peer/gateway.hpp"
#include "actors/peer/relays.hpp"

namespace swarm::peer {

namespace {

constexpr auto roles_max = static_cast<uint16_t>(wire::member_role::coordinator);
constexpr auto states_max = static_cast<uint16_t>(wire::member_state::following);

std::optional<told_member> read_member(schemas::Roster::Member::Reader in) {
  const auto role = static_cast<uint16_t>(in.getRole());
  const auto state = static_cast<uint16_t>(in.getState());
  if (role > roles_max || state > states_max || in.getSlot() == 0) return std::nullopt;
  told_member m;
  m.what.role = static_cast<wire::member_role>(role);
  m.what.state = static_cast<wire::member_state>(state);
  m.what.id = {peer_id{in.getId().getPeer()}, incarnation_id{in.getId().getIncarnation()}};
  m.what.stage = stage_id{in.getStage()};
  m.what.version = in.getVersion();
  m.what.history = in.getHistory();
  m.what.term = in.getTerm();
  m.what.capacity = in.getCapacity();
  m.slot = in.getSlot();
  m.averager_slot = in.getAverager();
  m.replicator_slot = in.getReplicator();
  m.what.rate = std::isfinite(in.getRate()) ? std::max(0.0, in.getRate()) : 0;
  m.what.queue = in.getQueue();
  return m;
}

void write_members(capnp::List<schemas::Roster::Member>::Builder out,
                   const std::vector<told_member>& members) {
  for (unsigned i = 0; i < members.size(); ++i) {
    write_member(out[i], members[i].what);
    out[i].setSlot(members[i].slot);
    out[i].setAverager(members[i].averager_slot);
    out[i].setReplicator(members[i].replicator_slot);
  }
}

std::vector<told_member> read_members(capnp::List<schemas::Roster::Member>::Reader in,
                                      size_t most) {
  std::vector<told_member> result;
  for (const auto m : in) {
    if (result.size() >= most) break;
    if (auto member = read_member(m)) result.push_back(std::move(*member));
  }
  return result;
}

}  // namespace

transport::heading roster_heading() {
  transport::heading head;
  head.target = network_slot;
  head.type = capnp::typeId<schemas::Roster>();
  return head;
}

void write_member(schemas::Roster::Member::Builder out, const wire::member& m) {
  auto id = out.initId();
  id.setPeer(m.id.peer.value());
  id.setIncarnation(m.id.incarnation.value());
  out.setRole(static_cast<schemas::Roster::Member::Role>(m.role));
  out.setState(static_cast<schemas::Roster::Member::State>(m.state));
  out.setStage(m.stage.value());
  out.setVersion(m.version);
  out.setHistory(m.history);
  out.setTerm(m.term);
  out.setCapacity(m.capacity);
  out.setRate(m.rate);
  out.setQueue(m.queue);
}

wire::roster write_roster(const told_roster& roster) {
  wire::builder<schemas::Roster> message;
  write_members(message->initMembers(static_cast<unsigned>(roster.members.size())), roster.members);
  auto others = message->initNeighbours(static_cast<unsigned>(roster.neighbours.size()));
  for (unsigned i = 0; i < roster.neighbours.size(); ++i) {
    others[i].setPeer(roster.neighbours[i].peer.value());
    others[i].setAnnounce(roster.neighbours[i].announce);
  }
  write_members(message->initRelayed(static_cast<unsigned>(roster.relayed.size())), roster.relayed);
  return message.finish();
}

std::optional<wire::roster> read_roster(uint64_t type,
                                        std::variant<wire::frame_ptr, wire::errc> body) {
  if (type != capnp::typeId<schemas::Roster>()) return std::nullopt;
  auto* frame = std::get_if<wire::frame_ptr>(&body);
  if (frame == nullptr) return wire::roster{std::get<wire::errc>(body)};
  if (!*frame) return wire::roster{};
  const auto fault = wire::validate(**frame, capnp::Schema::from<schemas::Roster>());
  return fault ? wire::roster{*fault} : wire::roster{std::move(*frame)};
}

told_roster parse_roster(const wire::roster& message) {
  told_roster result;
  const auto content = message.read();
  result.members = read_members(content->getMembers(), process_members_max);
  result.relayed = read_members(content->getRelayed(), relayed_members_max);
  for (const auto n : content->getNeighbours()) {
    if (result.neighbours.size() >= neighbours_max) break;
    if (n.getAnnounce().size() > greeting_text_bytes_max) continue;
    result.neighbours.push_back({peer_id{n.getPeer()}, n.getAnnounce().cStr()});
  }
  return result;
}

}  // namespace swarm::peer
