#include <boost/test/unit_test.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/send.hpp>
#include <memory>
#include <string>

#include "actors/dht/codec.hpp"
#include "actors/dht/dht_node.hpp"
#include "experiments/dht_simulation.hpp"
#include "tests/actors/dht/keys.hpp"

using namespace swarm;
using namespace swarm::dht;
using namespace std::chrono_literals;
using experiments::dht_simulation;
using experiments::dht_simulation_options;

namespace {

enum class trick {
  forged,        ///< records whose value was changed
  foreign,       ///< its own records in the victim's name
  misplaced,     ///< genuine records of another key
  expired,       ///< genuine, but over
  eternal,       ///< signed by itself, with an expiry in a thousand years
  oversized,     ///< values and keys of any size
  endless,       ///< names invented nodes without end, all nearer than anybody
  flood,         ///< a hundred thousand contacts and records in one answer
  damaged,       ///< messages that cannot be read
  no_proof,      ///< signs nothing
  stolen_proof,  ///< another node's key
  mute,          ///< never answers
  hearsay        ///< names somebody who does not exist, at its accomplice's address
};

constexpr trick all_tricks[] = {trick::forged,   trick::foreign,      trick::misplaced,
                                trick::expired,  trick::eternal,      trick::oversized,
                                trick::endless,  trick::flood,        trick::damaged,
                                trick::no_proof, trick::stolen_proof, trick::mute};

constexpr uint64_t first_crook_key = 2'000'000;

struct crook {
  trick how;
  signing_key key = testing::key_number(first_crook_key);
  std::string address;
  std::string accomplice;
  signed_record genuine;  ///< of the victim, for the key that is looked for
  signed_record other;    ///< of the victim, for another key
  signed_record over;     ///< of the victim, expired
  int64_t now_unix_ms = 0;
  uint64_t invented = 0;
  uint64_t asked = 0;
};
using crook_ptr = std::shared_ptr<crook>;

void introduce(crook& c, schemas::DhtContact::Builder sender) {
  to_wire(contact{c.key.open_half(), c.address}, sender);
}

signed_record of_its_own(const crook& c, const node_id& key) {
  signed_record r;
  r.key = key;
  r.subkey = subkey_of(c.key.open_half());
  r.value = "evil";
  r.sequence = ~0ULL;
  r.expires_unix_ms = c.now_unix_ms + 60'000;
  return r;
}

signed_record bad_record(crook& c, const node_id& key) {
  auto r = c.genuine;
  switch (c.how) {
    case trick::foreign:
      r = of_its_own(c, key);
      r.subkey = c.genuine.subkey;
      sign(r, c.key);
      break;
    case trick::misplaced:
      r = c.other;
      break;
    case trick::expired:
      r = c.over;
      break;
    case trick::eternal:
      r = of_its_own(c, key);
      r.expires_unix_ms += int64_t{1'000} * 365 * 24 * 3'600'000;
      sign(r, c.key);
      break;
    case trick::oversized:
      r = of_its_own(c, key);
      r.value.assign(value_bytes_max + 1, 'x');
      sign(r, c.key);
      break;
    default:
      r.value = "evil";
      r.sequence = ~0ULL;
  }
  return r;
}

void name_others(crook& c, const node_id& target, capnp::List<schemas::DhtContact>::Builder list) {
  for (auto who : list) {
    // Its key is chosen, its id is not; but it can try many.
    contact best;
    for (int i = 0; i < 20; ++i) {
      public_key key{};
      splitmix64 random{++c.invented};
      for (auto& byte : key)
        byte = static_cast<uint8_t>(random.next());
      const contact tried{key, c.address + "/" + std::to_string(c.invented)};
      if (i == 0 || closer(tried.id, best.id, target)) best = tried;
    }
    to_wire(best, who);
  }
}

/// Farther than itself, so that it is not asked before something is stored there.
void name_nobody(crook& c, const node_id& target, schemas::DhtContact::Builder who) {
  splitmix64 random{1};
  contact made{{}, c.accomplice};
  while (!closer(id_of(c.key.open_half()), made.id, target)) {
    public_key key{};
    for (auto& byte : key)
      byte = static_cast<uint8_t>(random.next());
    made = contact{key, c.accomplice};
  }
  to_wire(made, who);
}

caf::behavior crooked(caf::event_based_actor*, crook_ptr c) {
  const auto unreadable = [=] { return c->how == trick::damaged || c->how == trick::mute; };
  return {[=](const wire::dht_ping& m) -> caf::result<wire::dht_pong> {
            ++c->asked;
            if (m.fault() || unreadable()) return wire::dht_pong{};
            const auto body = m.read();
            const auto nonce = body->getNonce();
            wire::builder<schemas::DhtPong> answer;
            introduce(*c, answer->initSender());
            const std::string_view text{reinterpret_cast<const char*>(nonce.begin()), nonce.size()};
            auto proof = prove(c->key, text, c->address);
            if (c->how == trick::no_proof) proof = {};
            if (c->how == trick::stolen_proof)
              to_wire(contact{c->genuine.owner, c->address}, answer->getSender());
            answer->setProof({proof.data(), proof.size()});
            return answer.finish();
          },
          [=](const wire::dht_find_node& m) -> caf::result<wire::dht_nodes> {
            ++c->asked;
            if (m.fault() || unreadable()) return wire::dht_nodes{};
            wire::builder<schemas::DhtNodes> answer;
            introduce(*c, answer->initSender());
            const auto target = *to_id(m.read()->getTarget());
            if (c->how == trick::endless) name_others(*c, target, answer->initNodes(20));
            if (c->how == trick::flood) answer->initNodes(100'000);
            if (c->how == trick::hearsay) name_nobody(*c, target, answer->initNodes(1)[0]);
            return answer.finish();
          },
          [=](const wire::dht_find_value& m) -> caf::result<wire::dht_values> {
            ++c->asked;
            if (m.fault() || unreadable()) return wire::dht_values{};
            const auto key = *to_id(m.read()->getKey());
            wire::builder<schemas::DhtValues> answer;
            introduce(*c, answer->initSender());
            answer->setPublished(true);
            auto list = answer->initRecords(c->how == trick::flood ? 100'000 : 3);
            for (unsigned i = 0; i < 3; ++i)
              to_wire(bad_record(*c, key), list[i]);
            if (c->how == trick::endless) name_others(*c, key, answer->initNodes(20));
            return answer.finish();
          },
          [=](const wire::dht_store& m) -> caf::result<wire::dht_stored> {
            ++c->asked;
            if (m.fault() || unreadable()) return wire::dht_stored{};
            // It says that it has stored everything, and a thousand things more.
            wire::builder<schemas::DhtStored> answer;
            introduce(*c, answer->initSender());
            answer->initVerdicts(1'000);
            return answer.finish();
          }};
}

/// Honest nodes, and crooks among them that ask to be known.
struct town {
  explicit town(size_t honest, const std::vector<trick>& tricks,
                uint64_t first_key = first_crook_key)
      : nodes(honest) {
    dht_simulation_options options;
    options.path.latency = 5ms;
    s = std::make_unique<dht_simulation>(options);
    s->grow(honest, 100ms);
    const auto victim = dht_simulation::key_of(0);
    for (const auto how : tricks) {
      auto c = std::make_shared<crook>();
      c->key = testing::key_number(first_key + crooks.size());
      c->how = how;
      c->now_unix_ms = s->unix_ms();
      c->genuine = record(victim, "k", s->unix_ms() + 600'000);
      c->other = record(victim, "other", s->unix_ms() + 600'000);
      c->over = record(victim, "k", s->unix_ms() + 1);
      c->address = dht_simulation::address_of(s->hosts());
      s->add_impostor([&](caf::actor_system& system) { return system.spawn(crooked, c); });
      crooks.push_back(c);
      // It introduces itself to everybody.
      for (size_t n = 0; n < honest; ++n) {
        wire::builder<schemas::DhtPing> message;
        introduce(*c, message->initSender());
        s->ask<wire::dht_pong>(n, message.finish());
      }
    }
    s->world().run_for(5s);
  }

  static signed_record record(const signing_key& owner, const std::string& name,
                              int64_t expires_unix_ms) {
    signed_record r;
    r.key = key_of(name);
    r.subkey = subkey_of(owner.open_half());
    r.value = "old but good";
    r.sequence = 1;
    r.expires_unix_ms = expires_unix_ms;
    sign(r, owner);
    return r;
  }

  uint64_t refused(uint64_t node_counters::*what) {
    uint64_t sum = 0;
    for (size_t n = 0; n < nodes; ++n)
      sum += s->status(n).counted.*what;
    return sum;
  }

  size_t nodes;
  std::unique_ptr<dht_simulation> s;
  std::vector<crook_ptr> crooks;
};

/// Every honest node finds exactly what was published.
void check_reads(town& t, const std::string& name, const std::string& value) {
  for (size_t n = 0; n < t.nodes; ++n) {
    const auto found = t.s->get(n, {key_of(name)});
    BOOST_TEST_REQUIRE(t.s->wait(found));
    BOOST_TEST_REQUIRE(found->value->records.size() == 1U);
    BOOST_TEST(found->value->records[0].value == value);
    BOOST_TEST((found->answered - found->asked < 10s));
  }
}

}  // namespace

BOOST_AUTO_TEST_CASE(no_trick_hides_a_record_or_passes_a_false_one) {
  for (const auto how : all_tricks) {
    BOOST_TEST_CONTEXT("trick " << static_cast<int>(how)) {
      town t{25, {how, how, how}};
      const auto stored = t.s->put(0, {key_of("k"), "", "true", 10min});
      BOOST_TEST_REQUIRE(t.s->wait(stored));
      t.s->world().run_for(3s);
      check_reads(t, "k", "true");
      uint64_t asked = 0;
      for (const auto& c : t.crooks)
        asked += c->asked;
      BOOST_TEST(asked > 0U);
    }
  }
}

BOOST_AUTO_TEST_CASE(all_tricks_at_once_are_survived) {
  for (const uint64_t keys : {1, 2, 3}) {
    town t{30, {std::begin(all_tricks), std::end(all_tricks)}, keys * first_crook_key};
    const auto stored = t.s->put(0, {key_of("k"), "", "true", 10min});
    BOOST_TEST_REQUIRE(t.s->wait(stored));
    t.s->world().run_for(3s);
    check_reads(t, "k", "true");
    // Nobody is nearer to a crook's own id than the crook, so it is asked for sure.
    for (const auto& c : t.crooks) {
      const auto nothing = t.s->get(1, {id_of(c->key.open_half())});
      BOOST_TEST_REQUIRE(t.s->wait(nothing));
      BOOST_TEST(nothing->value->records.empty());
    }
    BOOST_TEST(t.refused(&node_counters::records_refused) > 0U);
    BOOST_TEST(t.refused(&node_counters::answers_refused) > 0U);
  }
}

BOOST_AUTO_TEST_CASE(whoever_stores_in_the_place_of_somebody_else_does_not_count) {
  dht_simulation_options options;
  options.path.latency = 5ms;
  // What the one crook names is stored at unasked.
  options.tune = [](size_t, node_options& made) { made.put_settled_by = 1; };
  dht_simulation s{options};
  s.add_node({});
  uint64_t made = first_crook_key;
  const auto add = [&](trick how) {
    auto c = std::make_shared<crook>();
    c->key = testing::key_number(++made);
    c->how = how;
    c->address = dht_simulation::address_of(s.hosts());
    s.add_impostor([&](caf::actor_system& system) { return system.spawn(crooked, c); });
    return c;
  };
  const auto accomplice = add(trick::forged);
  const auto liar = add(trick::hearsay);
  liar->accomplice = accomplice->address;
  wire::builder<schemas::DhtPing> message;
  introduce(*liar, message->initSender());
  s.wait(s.ask<wire::dht_pong>(0, message.finish()));
  s.world().run_for(1s);
  const auto stored = s.put(0, {key_of("k"), "", "v", 10min});
  BOOST_TEST_REQUIRE(s.wait(stored));
  // Here and, as it says, at the liar.
  BOOST_TEST(*stored->value == 2U);
  BOOST_TEST(accomplice->asked == 1U);
}

BOOST_AUTO_TEST_CASE(who_proves_nothing_is_in_no_table) {
  for (const auto how : {trick::no_proof, trick::stolen_proof, trick::damaged, trick::mute}) {
    town t{10, {how}};
    t.s->world().run_for(10s);
    for (size_t n = 0; n < 10; ++n)
      BOOST_TEST(t.s->status(n).contacts == 9U);
  }
  town t{10, {trick::forged}};
  for (size_t n = 0; n < 10; ++n)
    BOOST_TEST(t.s->status(n).contacts == 10U);
}

BOOST_AUTO_TEST_CASE(false_records_are_not_stored) {
  town t{5, {trick::forged, trick::foreign, trick::expired, trick::eternal, trick::oversized}};
  const std::vector<store_verdict> expected{store_verdict::forged, store_verdict::not_owners,
                                            store_verdict::expired, store_verdict::too_far,
                                            store_verdict::too_large};
  for (size_t i = 0; i < t.crooks.size(); ++i) {
    wire::builder<schemas::DhtStore> message;
    introduce(*t.crooks[i], message->initSender());
    to_wire(bad_record(*t.crooks[i], key_of("k")), message->initRecords(1)[0]);
    const auto answer = t.s->ask<wire::dht_stored>(1, message.finish());
    BOOST_TEST_REQUIRE(t.s->wait(answer));
    const auto body = answer->value->read();
    BOOST_TEST_REQUIRE(body->getVerdicts().size() == 1U);
    BOOST_TEST(size_t{body->getVerdicts()[0]} == size_t(expected[i]));
  }
  BOOST_TEST(t.s->status(1).records == 0U);
  BOOST_TEST(t.s->status(1).counted.records_refused == t.crooks.size());
}

BOOST_AUTO_TEST_CASE(more_records_than_the_limit_are_not_read) {
  town t{2, {trick::forged}};
  wire::builder<schemas::DhtStore> message;
  introduce(*t.crooks[0], message->initSender());
  message->initRecords(100'000);
  const auto answer = t.s->ask<wire::dht_stored>(0, message.finish());
  BOOST_TEST_REQUIRE(t.s->wait(answer));
  const auto body = answer->value->read();
  BOOST_TEST(body->getVerdicts().size() == records_per_store_max);
}

BOOST_AUTO_TEST_CASE(who_asks_too_often_is_refused_and_others_are_not) {
  town t{3, {}};
  struct tally {
    int answered = 0;
    int refused = 0;
  };
  const auto count = std::make_shared<tally>();
  wire::builder<schemas::DhtPing> message;
  to_wire(contact{}, message->initSender());
  const auto ping = message.finish();
  t.s->world().system().spawn([&](caf::event_based_actor* self) {
    const auto node = t.s->node(0);
    for (int i = 0; i < 1'000; ++i)
      self->request(node, 10s, ping)
          .then([=](const wire::dht_pong&) { ++count->answered; },
                [=](const caf::error& why) { count->refused += is_refusal(why); });
  });
  t.s->world().run_for(100ms);
  BOOST_TEST(count->answered + count->refused == 1'000);
  BOOST_TEST(count->answered >= 400);
  BOOST_TEST(count->answered < 450);
  const auto other = t.s->ask<wire::dht_pong>(0, ping);
  BOOST_TEST(t.s->wait(other));
}
