#include "actors/dht/dht_node.hpp"

#include <algorithm>
#include <optional>

#include "actors/dht/codec.hpp"
#include "actors/dht/node_client.hpp"

namespace swarm::dht {

namespace {

constexpr size_t nonce_bytes = 32;
/// What is done per tick at most, so that a node with much to do does it by and by.
constexpr size_t checks_per_tick = 4;
constexpr size_t keys_per_tick = 4;
/// Addresses that are tried at once while nobody is known.
constexpr size_t join_addresses_max = 16;
/// A DhtStore with so many records counts as one request of its sender's rate.
constexpr double records_per_token = 8;

class dht_node final : public node_client {
 public:
  static constexpr const char* name = "dht_node";

  dht_node(pointer self, node_options options)
      : node_client(self, std::move(options)), limiter_(options_.rate), last_sequence_(0) {}

  behavior_type make_behavior() {
    if (!options_.bootstrap.empty()) join();
    // Nodes that were started together do not all tick together.
    delayed_send(self(), options_.tick * random_.below(1'000) / 1'000, tick_atom::value);
    return {
        [this](const wire::dht_ping& m) { return on_ping(m); },
        [this](const wire::dht_find_node& m) { return on_find_node(m); },
        [this](const wire::dht_find_value& m) { return on_find_value(m); },
        [this](const wire::dht_store& m) { return on_store(m); },
        [this](const put_order& order) { return on_put(order); },
        [this](const get_order& order) { return on_get(order); },
        [this](join_atom, const std::vector<std::string>& addresses) { return on_join(addresses); },
        [this](status_atom) { return status(); },
        [this](tick_atom) { on_tick(); },
        [this](step_atom, uint64_t id) { on_timer(id); }};
  }

 private:
  using put_promise = caf::typed_response_promise<uint32_t>;
  using get_promise = caf::typed_response_promise<found_records>;
  using join_promise = caf::typed_response_promise<uint32_t>;

  // -- what others ask ---------------------------------------------------------------------------

  /// Whether a request is to be answered; the error if not.
  template <class Message>
  caf::error admit(const Message& m, double cost = 1) {
    caf::error why;
    if (m.fault()) {
      why = wire::make_error(*m.fault());
    } else if (!limiter_.allow(source(), now(), cost)) {
      why = make_error(errc::rate_limited);
    }
    if (why) {
      ++counters_.requests_refused;
    } else {
      ++counters_.requests_served;
    }
    return why;
  }

  caf::error bad_request() {
    ++counters_.requests_refused;
    return make_error(errc::bad_request);
  }

  void meet_sender(schemas::DhtContact::Reader sender) {
    if (const auto who = from_wire(sender)) meet(*who, false);
  }

  caf::result<wire::dht_pong> on_ping(const wire::dht_ping& m) {
    if (auto why = admit(m)) return why;
    const auto body = m.read();
    const auto nonce = body->getNonce();
    if (nonce.size() != 0 && nonce.size() != nonce_bytes) return bad_request();
    meet_sender(body->getSender());
    wire::builder<schemas::DhtPong> answer;
    sign_in(answer->initSender());
    if (nonce.size() != 0) {
      const std::string_view text{reinterpret_cast<const char*>(nonce.begin()), nonce.size()};
      const auto proof = prove(*options_.key, text, options_.address);
      answer->setProof({proof.data(), proof.size()});
    }
    return answer.finish();
  }

  template <class Answer>
  void name_nearest(Answer& answer, const node_id& target, schemas::DhtContact::Reader sender) {
    auto nearest = table_.closest(target, contacts_per_answer_max);
    const auto who = from_wire(sender);
    // It knows itself.
    if (who)
      nearest.erase(std::remove_if(nearest.begin(), nearest.end(),
                                   [&](const contact& c) { return c.id == who->id; }),
                    nearest.end());
    to_wire(nearest, answer->initNodes(static_cast<unsigned>(nearest.size())));
    if (who) meet(*who, false);
  }

  caf::result<wire::dht_nodes> on_find_node(const wire::dht_find_node& m) {
    if (auto why = admit(m)) return why;
    const auto body = m.read();
    const auto target = to_id(body->getTarget());
    if (!target) return bad_request();
    wire::builder<schemas::DhtNodes> answer;
    sign_in(answer->initSender());
    name_nearest(answer, *target, body->getSender());
    return answer.finish();
  }

  caf::result<wire::dht_values> on_find_value(const wire::dht_find_value& m) {
    if (auto why = admit(m)) return why;
    const auto body = m.read();
    const auto key = to_id(body->getKey());
    if (!key) return bad_request();
    wire::builder<schemas::DhtValues> answer;
    sign_in(answer->initSender());
    const auto held = store_.find(*key, both_clocks());
    auto list = answer->initRecords(static_cast<unsigned>(held.records.size()));
    for (unsigned i = 0; i < held.records.size(); ++i)
      to_wire(*held.records[i], list[i]);
    answer->setPublished(held.published);
    name_nearest(answer, *key, body->getSender());
    return answer.finish();
  }

  caf::result<wire::dht_stored> on_store(const wire::dht_store& m) {
    const auto count = m.fault() ? size_t{0} : size_t{m.read()->getRecords().size()};
    const auto read = std::min(count, records_per_store_max);
    if (auto why = admit(m, 1 + static_cast<double>(read) / records_per_token)) return why;
    const auto body = m.read();
    meet_sender(body->getSender());
    const auto from = body->getCached() ? origin::cached : origin::published;
    const auto when = both_clocks();
    wire::builder<schemas::DhtStored> answer;
    sign_in(answer->initSender());
    auto verdicts = answer->initVerdicts(static_cast<unsigned>(read));
    // Once: every look at the list is charged its whole size.
    const auto records = body->getRecords();
    for (unsigned i = 0; i < read; ++i) {
      auto record = from_wire(records[i]);
      // Text fields beyond their limits are the only form that has no other name.
      auto verdict = store_verdict::too_large;
      if (record)
        verdict = serves() ? store_.store(std::move(*record), source(), from, when)
                           : store_verdict::store_full;
      if (!is_held(verdict) && verdict != store_verdict::older) ++counters_.records_refused;
      verdicts.set(i, static_cast<uint8_t>(verdict));
    }
    return answer.finish();
  }

  // -- publishing --------------------------------------------------------------------------------

  /// A record on its way to the nodes nearest to its key.
  struct storing {
    record_ptr record;
    put_promise reply;          ///< not pending when nobody waits
    std::vector<contact> next;  ///< who take the place of those that fail, nearest last
    size_t stored = 0;
    size_t left = 0;
  };

  put_promise on_put(const put_order& order) {
    auto reply = make_response_promise<put_promise>();
    const auto fail = [&](errc why) { return reply.deliver(make_error(why)); };
    const auto wall = options_.wall_clock();
    if (order.lifetime.count() <= 0 || order.lifetime > options_.store.lifetime_max)
      return fail(errc::bad_lifetime);
    signed_record record;
    record.key = order.key;
    record.subkey = subkey_of(self_.key, order.text);
    record.value = order.value;
    record.expires_unix_ms = wall + order.lifetime.count();
    record.owner = self_.key;
    if (!fits(record)) return fail(errc::too_large);
    const own_place where{order.key, record.subkey};
    if (own_records_.count(where) == 0 && own_records_.size() >= own_records_max)
      return fail(errc::busy);
    // Above every earlier one, also of an earlier life of this owner.
    last_sequence_ =
        std::max(last_sequence_ + 1, static_cast<uint64_t>(std::max<int64_t>(wall, 0)));
    record.sequence = last_sequence_;
    sign(record, *options_.key);
    auto shared = std::make_shared<const signed_record>(std::move(record));
    own_records_[where] = shared;
    if (!publish(shared, reply)) return fail(errc::busy);
    return reply;
  }

  bool publish(const record_ptr& record, put_promise reply) {
    auto what = std::make_shared<storing>();
    what->record = record;
    what->reply = std::move(reply);
    return look_up(
        record->key, lookup_mode::nodes,
        [this, what](operation& done) { store_nearest(what, done.machine.nearest(2 * copies())); },
        {}, options_.put_settled_by);
  }

  void store_nearest(const std::shared_ptr<storing>& what, std::vector<contact> nearest) {
    auto others = copies();
    if (is_near(what->record->key, nearest)) {
      --others;
      if (is_held(store_.store(*what->record, 0, origin::published, both_clocks()))) ++what->stored;
    } else if (nearest.empty()) {
      if (what->reply.pending()) what->reply.deliver(make_error(errc::unreachable));
      return;
    }
    std::reverse(nearest.begin(), nearest.end());
    what->next = std::move(nearest);
    // Nobody is answered before all have been asked.
    ++what->left;
    for (size_t i = 0; i < others; ++i)
      store_next(what);
    --what->left;
    answer_put(*what);
  }

  void store_next(const std::shared_ptr<storing>& what) {
    if (what->next.empty()) return;
    const auto who = std::move(what->next.back());
    what->next.pop_back();
    ++what->left;
    store_at(who, {what->record}, false, [this, what](std::optional<size_t> held) {
      if (!held) store_next(what);
      what->stored += held.value_or(0);
      --what->left;
      answer_put(*what);
    });
  }

  void answer_put(storing& what) {
    if (!what.reply.pending()) return;
    if (what.left > 0 && what.stored < options_.store_quorum) return;
    if (what.stored > 0) {
      what.reply.deliver(static_cast<uint32_t>(what.stored));
    } else {
      what.reply.deliver(make_error(errc::not_stored));
    }
  }

  // -- reading -----------------------------------------------------------------------------------

  get_promise on_get(const get_order& order) {
    auto reply = make_response_promise<get_promise>();
    const auto here = store_.find(order.key, both_clocks()).records;
    if (order.mode == read_mode::any && !here.empty()) {
      found_records answer;
      for (const auto& record : here)
        answer.records.push_back(*record);
      return reply.deliver(std::move(answer));
    }
    const auto mode =
        order.mode == read_mode::any ? lookup_mode::any_values : lookup_mode::all_values;
    const auto finish = [this, reply](operation& done) mutable {
      found_records answer;
      std::vector<record_ptr> copies;
      for (auto& entry : done.found) {
        copies.push_back(std::make_shared<const signed_record>(entry.second));
        answer.records.push_back(std::move(entry.second));
      }
      reply.deliver(std::move(answer));
      const auto place = done.machine.cache_at();
      if (done.machine.mode() == lookup_mode::any_values && place &&
          copies.size() <= records_per_store_max)
        store_at(*place, copies, true);
    };
    if (!look_up(order.key, mode, finish, here)) reply.deliver(make_error(errc::busy));
    return reply;
  }

  // -- joining -----------------------------------------------------------------------------------

  join_promise on_join(const std::vector<std::string>& addresses) {
    auto reply = make_response_promise<join_promise>();
    for (const auto& address : addresses) {
      const bool fits = !address.empty() && address.size() <= address_bytes_max;
      auto& all = options_.bootstrap;
      if (fits && all.size() < known_addresses::addresses_max &&
          std::find(all.begin(), all.end(), address) == all.end())
        all.push_back(address);
    }
    joiners_.push_back(reply);
    join();
    return reply;
  }

  /// Asks whoever may still be there; the first who answers is asked about our neighbourhood.
  void join() {
    if (joining_ > 0 || looking_around_) {
      join_again_ = true;
      return;
    }
    // The bootstrap addresses first, but never them alone: they may be gone for good.
    auto addresses = options_.bootstrap;
    if (addresses.size() > join_addresses_max / 2) {
      const auto shift = random_.below(addresses.size());
      std::rotate(addresses.begin(), addresses.begin() + static_cast<std::ptrdiff_t>(shift),
                  addresses.end());
      addresses.resize(join_addresses_max / 2);
    }
    for (const auto& address : known_.all()) {
      if (addresses.size() >= join_addresses_max) break;
      if (std::find(addresses.begin(), addresses.end(), address) == addresses.end())
        addresses.push_back(address);
    }
    ++counters_.rejoins;
    joining_ = addresses.size() + 1;
    for (const auto& address : addresses)
      challenge(address, [this](bool answered) { on_joined(answered); });
    on_joined(false);
  }

  void on_joined(bool answered) {
    --joining_;
    if (answered && !looking_around_) {
      looking_around_ = true;
      schedule_.joined();
      // Who is near us first, then the rest of the space. Each time those who were met must prove
      // themselves before they count.
      const auto further = [this] { after_challenges([this] { refresh(); }); };
      if (!look_up(own(), lookup_mode::nodes, [=](operation&) { further(); })) further();
    } else if (joining_ == 0 && !looking_around_) {
      answer_joiners();
    }
  }

  /// Looks up an id in every bucket in which nothing was looked up lately.
  void refresh() {
    const auto targets = table_.stale(options_.times.refresh_every, now(), random_);
    refreshing_ += targets.size() + 1;
    for (const auto& target : targets)
      if (!look_up(target, lookup_mode::nodes, [this](operation&) { on_refreshed(); }))
        on_refreshed();
    on_refreshed();
  }

  void on_refreshed() {
    if (--refreshing_ > 0 || !looking_around_) return;
    after_challenges([this] {
      looking_around_ = false;
      answer_joiners();
    });
  }

  void answer_joiners() {
    // Somebody came with further addresses meanwhile.
    if (std::exchange(join_again_, false)) return join();
    for (auto& reply : std::exchange(joiners_, {})) {
      if (table_.size() > 0) {
        reply.deliver(static_cast<uint32_t>(table_.size()));
      } else {
        reply.deliver(make_error(errc::unreachable));
      }
    }
  }

  // -- what is due -------------------------------------------------------------------------------

  void on_tick() {
    delayed_send(self(), options_.tick, tick_atom::value);
    const auto at = now();
    store_.expire(both_clocks());
    if (table_.size() == 0) {
      const bool somebody = !options_.bootstrap.empty() || !known_.all().empty();
      if (somebody && schedule_.rejoin_due(at)) join();
      return;
    }
    for (const auto& who : table_.silent(options_.times.ask_after, at, checks_per_tick))
      check(who);
    if (schedule_.refresh_due(at)) {
      refresh();
      try_one_bootstrap();
    }
    for (const auto& key : store_.due(options_.times.replicate_every, at, keys_per_tick))
      replicate(key);
    if (schedule_.republish_due(at)) republish();
  }

  /// Two parts of a network that lost each other meet again at an address that both know.
  void try_one_bootstrap() {
    const auto& all = options_.bootstrap;
    if (all.empty()) return;
    const auto& address = all[random_.below(all.size())];
    if (!table_.contains_address(address)) challenge(address);
  }

  void republish() {
    const auto wall = options_.wall_clock();
    for (auto it = own_records_.begin(); it != own_records_.end();) {
      if (it->second->expires_unix_ms <= wall) {
        it = own_records_.erase(it);
      } else {
        publish((it++)->second, {});
      }
    }
  }

  node_status status() const {
    node_status result;
    result.id = own();
    result.contacts = table_.size();
    result.keys = store_.keys();
    result.records = store_.records();
    result.bytes = store_.bytes();
    result.own_records = own_records_.size();
    result.lookups_under_way = operations_.size();
    result.counted = counters_;
    return result;
  }

  using own_place = std::pair<node_id, std::string>;

  rate_limiter limiter_;
  uint64_t last_sequence_;
  std::map<own_place, record_ptr> own_records_;
  std::vector<join_promise> joiners_;
  size_t joining_ = 0;
  size_t refreshing_ = 0;
  bool looking_around_ = false;
  bool join_again_ = false;
};

}  // namespace

dht_actor spawn_dht_node(caf::actor_system& system, node_options options) {
  return system.spawn<embodied<dht_node>>(std::move(options));
}

}  // namespace swarm::dht
