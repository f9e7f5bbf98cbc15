#include "tools/swarm/status_screen.hpp"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "actors/peer/peer_ids.hpp"
#include "tools/report/one_line.hpp"
#include "tools/report/table.hpp"

namespace swarm::tools {

namespace {

constexpr size_t events_shown = 10;

const char* role_name(schemas::Roster::Member::Role role) {
  switch (role) {
    case schemas::Roster::Member::Role::STAGE_WORKER:
      return "stage worker";
    case schemas::Roster::Member::Role::TRAINER:
      return "trainer";
    case schemas::Roster::Member::Role::COORDINATOR:
      return "coordinator";
  }
  return "unknown";
}

const char* state_name(schemas::Roster::Member::State state) {
  switch (state) {
    case schemas::Roster::Member::State::JOINING:
      return "joining";
    case schemas::Roster::Member::State::SERVING:
      return "serving";
    case schemas::Roster::Member::State::FOLLOWING:
      return "following";
  }
  return "unknown";
}

std::string peer_name(uint64_t peer) {
  return peer::short_name(peer_id{peer});
}

std::string seconds(int64_t ms) {
  return fixed(static_cast<double>(ms) / 1000, 1) + " s";
}

std::string stage_table(const std::vector<process_status>& all, int32_t stages) {
  // Everybody's view; one who sees a worker serve is enough.
  std::map<int32_t, std::map<uint64_t, std::string>> workers;
  for (int32_t s = 0; s < stages; ++s)
    workers[s];
  for (const auto& process : all) {
    for (const auto& m : process.members) {
      if (m.role != "stage worker") continue;
      auto& known = workers[m.stage][m.peer];
      if (known != "serving") known = m.state;
    }
  }
  table result{{"stage", "serving", "joining", "peers"}};
  for (const auto& [stage, peers] : workers) {
    size_t serving = 0;
    std::string names;
    for (const auto& [peer, state] : peers) {
      serving += state == "serving" ? 1 : 0;
      names += (names.empty() ? "" : " ") + peer_name(peer) + (state == "serving" ? "" : "*");
    }
    result.add({std::to_string(stage), std::to_string(serving),
                std::to_string(peers.size() - serving), serving == 0 ? names + " (empty)" : names});
  }
  return result.text();
}

std::string role_of(const process_status& process) {
  std::set<std::string> roles;
  for (const auto& m : process.members) {
    if ((m.peer & ~(uint64_t{1} << 63)) != process.peer) continue;
    if (m.role == "stage worker") roles.insert("stage " + std::to_string(m.stage));
    if (m.role == "trainer") roles.insert("trainer");
    if (m.role == "coordinator" && m.state == "serving") roles.insert("leads");
  }
  std::string result;
  for (const auto& r : roles)
    result += (result.empty() ? "" : ", ") + r;
  return result.empty() ? "-" : result;
}

std::string process_table_text(const std::vector<process_status>& all) {
  table result{{"peer", "address", "role", "up", "neighbours", "contacts", "sent MB"}};
  for (const auto& p : all) {
    const auto sent = static_cast<double>(p.bulk_bytes_sent + p.control_bytes_sent) / 1e6;
    result.add({peer_name(p.peer), p.announce.empty() ? "dials only" : one_line(p.announce),
                role_of(p), seconds(p.up_ms), std::to_string(p.neighbours.size()),
                std::to_string(p.contacts), fixed(sent, 1)});
  }
  return result.text();
}

/// Of the coordinator that has got furthest: a partition has two.
const process_status* leader(const std::vector<process_status>& all) {
  const process_status* best = nullptr;
  for (const auto& p : all)
    if (p.leads && (best == nullptr || p.step > best->step)) best = &p;
  return best;
}

std::string events_text(const std::vector<process_status>& all) {
  // What several have seen is one line.
  struct seen {
    int64_t ago_ms = 0;
    std::string by;
    size_t peers = 0;
  };
  std::map<std::string, seen> happened;
  for (const auto& p : all) {
    for (const auto& e : p.events) {
      auto& known = happened[one_line(e.text)];
      if (known.peers == 0 || e.ago_ms < known.ago_ms)
        known = {e.ago_ms, peer_name(p.peer), known.peers};
      ++known.peers;
    }
  }
  std::vector<std::pair<int64_t, std::string>> lines;
  for (const auto& [text, what] : happened)
    lines.emplace_back(what.ago_ms,
                       what.by + "  " + text +
                           (what.peers > 1 ? " (as " + std::to_string(what.peers) + " peers say)"
                                           : std::string{}));
  std::sort(lines.begin(), lines.end());
  if (lines.size() > events_shown) lines.resize(events_shown);
  std::string result;
  for (auto it = lines.rbegin(); it != lines.rend(); ++it)
    result += "  " + seconds(it->first) + " ago  " + it->second + "\n";
  return result;
}

/// Nothing when all who compute do so with the same ones.
std::string kernels_text(const std::vector<process_status>& all) {
  std::map<std::string, std::string> peers;
  for (const auto& p : all) {
    if (p.kernels.empty()) continue;
    auto& list = peers[p.kernels];
    list += (list.empty() ? "" : ", ") + peer_name(p.peer);
  }
  if (peers.size() < 2) return "";
  std::string result = "\nprocesses compute with different kernels\n";
  for (const auto& [kernels, list] : peers)
    result += "  " + one_line(kernels) + ": " + list + "\n";
  return result;
}

}  // namespace

process_status read_status(const wire::status& message) {
  const auto in = message.read();
  process_status result;
  result.peer = in->getPeer();
  result.announce = in->getAnnounce().cStr();
  result.agent = in->getAgent().cStr();
  result.up_ms = in->getUpMs();
  result.unix_ms = in->getUnixMs();
  result.contacts = in->getContacts();
  result.description_hash = in->getDescriptionHash().cStr();
  result.kernels = in->getKernels().cStr();
  for (const auto m : in->getMembers())
    result.members.push_back({m.getId().getPeer(), role_name(m.getRole()), state_name(m.getState()),
                              m.getStage(), m.getVersion()});
  for (const auto n : in->getNeighbours())
    result.neighbours.emplace_back(n.getPeer(), n.getAnnounce().cStr());
  for (const auto e : in->getEvents())
    result.events.push_back({e.getAgoMs(), e.getText().cStr()});
  const auto traffic = in->getTraffic();
  result.bulk_bytes_sent = traffic.getBulkBytesSent();
  result.control_bytes_sent = traffic.getControlBytesSent() + traffic.getOverheadBytesSent();
  if (in->hasTraining()) {
    const auto training = in->getTraining();
    result.leads = true;
    result.step = training.getStep();
    result.loss = training.getLoss();
    result.tokens_per_s = training.getTokensPerSecond();
    result.learning_rate = training.getLearningRate();
  }
  return result;
}

std::string status_screen(const std::vector<process_status>& all, int32_t stages) {
  std::string result;
  if (const auto* best = leader(all)) {
    result += "step " + std::to_string(best->step) + "   loss " + fixed(best->loss, 4) + "   " +
              fixed(best->tokens_per_s, 0) + " tokens/s   learning rate " +
              fixed(best->learning_rate * 1e3, 4) + "e-3\n\n";
  } else {
    result += "nobody leads: no optimizer step is being made\n\n";
  }
  result += stage_table(all, stages) + "\n" + process_table_text(all);
  result += kernels_text(all);
  const auto events = events_text(all);
  if (!events.empty()) result += "\nlast events\n" + events;
  return result;
}

nlohmann::json status_json(const std::vector<process_status>& all) {
  nlohmann::json processes = nlohmann::json::array();
  for (const auto& p : all) {
    nlohmann::json members = nlohmann::json::array();
    for (const auto& m : p.members)
      members.push_back({{"peer", m.peer},
                         {"id", peer::full_name(peer_id{m.peer})},
                         {"role", m.role},
                         {"state", m.state},
                         {"stage", m.stage},
                         {"version", m.version}});
    nlohmann::json events = nlohmann::json::array();
    for (const auto& e : p.events)
      events.push_back({{"ago_ms", e.ago_ms}, {"text", e.text}});
    processes.push_back({{"peer", p.peer},
                         {"name", peer_name(p.peer)},
                         {"id", peer::full_name(peer_id{p.peer})},
                         {"address", p.announce},
                         {"up_ms", p.up_ms},
                         {"members", members},
                         {"events", events},
                         {"neighbours", p.neighbours.size()},
                         {"description", p.description_hash},
                         {"kernels", p.kernels}});
  }
  nlohmann::json result{{"processes", processes}};
  if (const auto* best = leader(all)) {
    result["step"] = best->step;
    result["loss"] = best->loss;
    result["tokens_per_s"] = best->tokens_per_s;
  }
  return result;
}

}  // namespace swarm::tools
