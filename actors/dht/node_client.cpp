#include "actors/dht/node_client.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include "actors/dht/codec.hpp"

namespace swarm::dht {

namespace {

std::string_view text_of(const std::array<uint8_t, 32>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

node_client::node_client(pointer self, node_options options)
    : node_base(self, std::move(options)),
      table_(own(), options_.routing),
      store_(options_.store),
      schedule_(options_.times, options_.seed, moment{0}),
      random_(options_.seed ^ 0x6468'745f'6e6f'6465ULL) {}

// -- lookups -----------------------------------------------------------------------------------

bool node_client::look_up(const node_id& target, lookup_mode mode, finisher finish,
                          const std::vector<record_ptr>& here, size_t settled_by) {
  if (operations_.size() >= lookups_max) return false;
  table_.looked_up(target, now());
  ++counters_.lookups;
  const auto start = table_.closest(target, options_.lookups.k);
  auto how = options_.lookups;
  how.settled_by = std::min(how.settled_by, settled_by);
  auto started = std::make_shared<operation>(lookup{own(), target, mode, start, how});
  started->finish = std::move(finish);
  for (const auto& record : here)
    started->found.emplace(slot{record->owner, record->subkey}, *record);
  const auto id = ++last_operation_;
  operations_.emplace(id, std::move(started));
  step(id);
  return true;
}

void node_client::step(uint64_t id) {
  const auto found = operations_.find(id);
  if (found == operations_.end()) return;
  const auto current = found->second;
  // A query may fail at once and come back here.
  current->again = true;
  if (current->stepping) return;
  current->stepping = true;
  while (std::exchange(current->again, false))
    for (const auto& who : current->machine.next(now()))
      query(id, current->machine, who);
  current->stepping = false;
  if (current->machine.done()) {
    counters_.lookup_hops += current->machine.hops();
    counters_.lookup_queries += current->machine.queries();
    operations_.erase(id);
    current->finish(*current);
  } else if (const auto at = current->machine.impatient_at(); at && !current->armed) {
    current->armed = true;
    delayed_send(self(), std::max(*at - now(), moment{1}), step_atom::value, id);
  }
}

void node_client::on_timer(uint64_t id) {
  const auto found = operations_.find(id);
  if (found == operations_.end()) return;
  found->second->armed = false;
  step(id);
}

void node_client::query(uint64_t id, const lookup& machine, const contact& who) {
  if (machine.mode() != lookup_mode::nodes) return query_values(id, machine, who);
  wire::builder<schemas::DhtFindNode> message;
  sign_in(message->initSender());
  message->setTarget(to_data(machine.target()));
  ask<wire::dht_nodes>(
      who.address, message.finish(),
      [=](const wire::dht_nodes& answer) {
        const auto body = answer.read();
        answered(id, who, *body, holding::nothing);
        step(id);
      },
      [=](silence why) { unanswered(id, who, why); });
}

void node_client::query_values(uint64_t id, const lookup& machine, const contact& who) {
  wire::builder<schemas::DhtFindValue> message;
  sign_in(message->initSender());
  message->setKey(to_data(machine.target()));
  ask<wire::dht_values>(
      who.address, message.finish(),
      [=](const wire::dht_values& answer) {
        const auto body = answer.read();
        auto has = holding::nothing;
        const auto found = operations_.find(id);
        if (found != operations_.end()) {
          const auto records = body->getRecords();
          const auto count = std::min<size_t>(records.size(), options_.store.records_per_key_max);
          // Forged records do not make a holder.
          for (unsigned i = 0; i < count; ++i)
            if (take(*found->second, records[i]))
              has = body->getPublished() ? holding::published : holding::cached;
        }
        answered(id, who, *body, has);
        step(id);
      },
      [=](silence why) { unanswered(id, who, why); });
}

template <class Answer>
bool node_client::answered(uint64_t id, const contact& who, const Answer& body, holding has) {
  auto by = from_wire(body.getSender());
  const bool valid = by && by->id != own();
  if (valid) {
    by->address = who.address;
    meet(*by, true);
  } else {
    ++counters_.answers_refused;
  }
  const auto found = operations_.find(id);
  if (found == operations_.end()) return valid;
  if (valid) {
    found->second->machine.answered(who.id, *by,
                                    from_wire(body.getNodes(), contacts_per_answer_max), has);
  } else {
    found->second->machine.failed(who.id);
  }
  return valid;
}

void node_client::unanswered(uint64_t id, const contact& who, silence why) {
  if (why == silence::dead) table_.failed(who.id);
  const auto found = operations_.find(id);
  if (found == operations_.end()) return;
  found->second->machine.failed(who.id);
  step(id);
}

/// False: it is worth nothing.
bool node_client::take(operation& into, schemas::DhtRecord::Reader from) {
  auto record = from_wire(from);
  const auto wall = options_.wall_clock();
  const bool sound = record && record->key == into.machine.target() && is_owners(*record) &&
                     record->expires_unix_ms > wall &&
                     record->expires_unix_ms <= wall + options_.store.lifetime_max.count();
  if (!sound) {
    ++counters_.records_refused;
    return false;
  }
  const slot where{record->owner, record->subkey};
  const auto held = into.found.find(where);
  if (held != into.found.end() && held->second == *record) return true;
  if (!signature_holds(*record)) {
    ++counters_.records_refused;
    return false;
  }
  if (held == into.found.end()) {
    if (into.found.size() >= options_.store.records_per_key_max) return false;
    into.found.emplace(where, std::move(*record));
  } else if (supersedes(*record, held->second)) {
    held->second = std::move(*record);
  }
  return true;
}

// -- knowing others ------------------------------------------------------------------------------

void node_client::meet(const contact& who, bool answered) {
  if (answered && table_.refresh(who, now())) return;
  if (!who.address.empty() && table_.wants(who.id)) challenge(who.address);
}

void node_client::challenge(const std::string& address, std::function<void(bool)> done) {
  challenge_once(address, std::move(done), true);
}

void node_client::challenge_once(const std::string& address, std::function<void(bool)> done,
                                 bool again) {
  if (challenged_.size() >= challenges_max || !challenged_.insert(address).second) {
    if (done) done(false);
    return;
  }
  ++counters_.challenges;
  const auto nonce = options_.key->draw(options_.seed, ++nonces_);
  wire::builder<schemas::DhtPing> message;
  sign_in(message->initSender());
  message->setNonce({nonce.data(), nonce.size()});
  ask<wire::dht_pong>(
      address, message.finish(),
      [=](const wire::dht_pong& pong) {
        challenged_.erase(address);
        on_pong(address, text_of(nonce), pong, done, again);
        settle(address);
      },
      [=](silence) {
        challenged_.erase(address);
        if (done) done(false);
        settle(address);
      });
}

void node_client::on_pong(const std::string& address, std::string_view nonce,
                          const wire::dht_pong& pong, const std::function<void(bool)>& done,
                          bool again) {
  const auto body = pong.read();
  const auto who = from_wire(body->getSender());
  const auto proof = to_signature(body->getProof());
  if (!who || !proof || !proof_holds(who->key, nonce, who->address, *proof)) {
    ++counters_.answers_refused;
    if (done) done(false);
    return;
  }
  // It is reached here but tells others another address, which must lead to it as well.
  if (who->address != address && !who->address.empty() && again)
    return challenge_once(who->address, done, false);
  const bool known = who->address == address && who->id != own();
  if (known) {
    const auto verdict = table_.heard(*who, now());
    if (verdict.ask) check(*verdict.ask);
    if (verdict.what == routing_table::entry::added) {
      known_.add(address);
      hand_over(*who);
    }
  }
  if (done) done(known);
}

void node_client::after_challenges(std::function<void()> f) {
  if (challenged_.empty()) return f();
  waiting_.push_back({challenged_, std::move(f)});
}

void node_client::settle(const std::string& address) {
  std::vector<std::function<void()>> ready;
  for (auto& w : waiting_)
    if (w.left.erase(address) > 0 && w.left.empty()) ready.push_back(std::move(w.f));
  waiting_.erase(std::remove_if(waiting_.begin(), waiting_.end(),
                                [](const waiting& w) { return w.left.empty(); }),
                 waiting_.end());
  for (const auto& f : ready)
    f();
}

void node_client::check(const contact& who) {
  ++counters_.checks;
  wire::builder<schemas::DhtPing> message;
  sign_in(message->initSender());
  ask<wire::dht_pong>(
      who.address, message.finish(),
      [=](const wire::dht_pong& pong) {
        auto by = from_wire(pong.read()->getSender());
        if (by) by->address = who.address;
        // Somebody else has moved in.
        if (!by || by->id != who.id) table_.remove(who.id);
        if (by) meet(*by, true);
      },
      [=](silence why) {
        if (why == silence::dead) {
          table_.failed(who.id);
        } else {
          table_.refresh(who, now());
        }
      });
}

void node_client::on_line_down(const std::string& address) {
  table_.remove_at(address);
}

// -- storing -------------------------------------------------------------------------------------

void node_client::store_at(const contact& who, const std::vector<record_ptr>& records, bool cached,
                           const std::function<void(std::optional<size_t>)>& done) {
  for (size_t begin = 0; begin < records.size(); begin += records_per_store_max) {
    const auto count = std::min(records.size() - begin, records_per_store_max);
    ++counters_.stores;
    wire::builder<schemas::DhtStore> message;
    sign_in(message->initSender());
    message->setCached(cached);
    auto list = message->initRecords(static_cast<unsigned>(count));
    for (size_t i = 0; i < count; ++i)
      to_wire(*records[begin + i], list[static_cast<unsigned>(i)]);
    ask<wire::dht_stored>(
        who.address, message.finish(),
        [=](const wire::dht_stored& answer) {
          const auto body = answer.read();
          const auto verdicts = body->getVerdicts();
          size_t held = 0;
          for (unsigned i = 0; i < std::min<size_t>(verdicts.size(), count); ++i)
            held += verdicts[i] < store_verdicts && is_held(store_verdict(verdicts[i]));
          // Others have named it: perhaps somebody else lives there.
          const auto by = from_wire(body->getSender());
          const bool expected = by && by->id == who.id;
          if (done) done(expected ? std::optional{held} : std::nullopt);
        },
        [=](silence why) {
          if (why == silence::dead) table_.failed(who.id);
          if (done) done(std::nullopt);
        });
  }
}

bool node_client::is_near(const node_id& key, const std::vector<contact>& nearest) const {
  if (!serves()) return false;
  return nearest.size() < copies() || closer(own(), nearest[copies() - 1].id, key);
}

void node_client::replicate(const node_id& key) {
  look_up(key, lookup_mode::nodes, [this, key](operation& done) {
    const auto records = store_.find(key, both_clocks()).records;
    auto nearest = done.machine.closest();
    if (nearest.size() > copies()) nearest.resize(copies());
    for (const auto& who : nearest)
      store_at(who, records, false);
  });
}

void node_client::hand_over(const contact& newcomer) {
  auto keys = store_.published_keys();
  // The nearest to the newcomer matter to it most.
  std::sort(keys.begin(), keys.end(),
            [&](const auto& a, const auto& b) { return closer(a, b, newcomer.id); });
  if (keys.size() > handover_keys_max) keys.resize(handover_keys_max);
  for (const auto& key : keys) {
    const auto nearest = table_.closest(key, copies());
    bool among = false;
    bool first = true;
    for (const auto& who : nearest) {
      if (who.id == newcomer.id) {
        among = true;
      } else if (closer(who.id, own(), key)) {
        first = false;
      }
    }
    if (among && first) store_at(newcomer, store_.find(key, both_clocks()).records, false);
  }
}

}  // namespace swarm::dht
