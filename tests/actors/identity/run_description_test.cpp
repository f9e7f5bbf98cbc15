#include "actors/identity/run_description.hpp"

#include <capnp/serialize.h>

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "schemas/run.capnp.h"
#include "tests/actors/identity/a_run.hpp"

using namespace swarm;
using namespace swarm::identity;

namespace {

run_description description() {
  run_description result;
  result.name = "demo";
  result.model.layers = 4;
  result.stages = 2;
  result.rows = 4;
  result.microbatches = 8;
  result.seed = 7;
  result.reproducible = true;
  result.steps = 100;
  result.data_source = "/a/b";
  result.data_hash = "cafe";
  result.data_tokens = 1000;
  result.optimizer.learning_rate = 3e-4;
  return result;
}

using change = std::function<void(run_description&)>;

/// Each changes one field, to what is still in range.
const std::vector<change>& changes() {
  static const std::vector<change> all{
      [](auto& r) { r.protocol += 1; },
      [](auto& r) { r.name += "x"; },
      [](auto& r) { r.model.layers += 1; },
      [](auto& r) { r.model.heads *= 2; },
      [](auto& r) { r.model.width *= 2; },
      [](auto& r) { r.model.context += 1; },
      [](auto& r) { r.model.vocabulary += 1; },
      [](auto& r) { r.model.bias = !r.model.bias; },
      [](auto& r) { r.model.tied_head = !r.model.tied_head; },
      [](auto& r) { r.model.dropout += 0.1; },
      [](auto& r) { r.stages += 1; },
      [](auto& r) { r.optimizer.learning_rate *= 2; },
      [](auto& r) { r.optimizer.learning_rate_min *= 2; },
      [](auto& r) { r.optimizer.beta1 = std::nextafter(r.optimizer.beta1, 0.0); },
      [](auto& r) { r.optimizer.beta2 /= 2; },
      [](auto& r) { r.optimizer.epsilon *= 2; },
      [](auto& r) { r.optimizer.weight_decay *= 2; },
      [](auto& r) { r.optimizer.clip_norm *= 2; },
      [](auto& r) { r.optimizer.warmup_steps += 1; },
      [](auto& r) { r.optimizer.decay_steps += 1; },
      [](auto& r) { r.rows += 1; },
      [](auto& r) { r.microbatches += 1; },
      [](auto& r) { r.seed += 1; },
      [](auto& r) { r.reproducible = !r.reproducible; },
      [](auto& r) { r.kernels = "avx2"; },
      [](auto& r) { r.steps += 1; },
      [](auto& r) { r.data_source += "x"; },
      [](auto& r) { r.data_hash += "x"; },
      [](auto& r) { r.data_tokens += 1; },
      [](auto& r) { r.validation_fraction *= 2; },
      [](auto& r) { r.created_unix_ms += 1; },
  };
  return all;
}

/// As sign_description, for any bytes.
std::string signed_by_hand(const std::string& bytes, const key_pair& key) {
  const auto data = [](std::string_view text) {
    return capnp::Data::Reader{reinterpret_cast<const kj::byte*>(text.data()), text.size()};
  };
  capnp::MallocMessageBuilder message;
  auto out = message.initRoot<schemas::SignedDescription>();
  out.setDescription(data(bytes));
  out.setRunKey(data(view(key.key())));
  const auto sig = key.sign("swarm run description", bytes);
  out.setSignature(data(view(sig)));
  const auto words = capnp::messageToFlatArray(message);
  const auto all = words.asBytes();
  return {reinterpret_cast<const char*>(all.begin()), all.size()};
}

std::string why_refused(const run_description& run) {
  const auto key = key_pair::generate();
  const auto read = read_description(sign_description(run, key), key.key());
  const auto* why = std::get_if<std::string>(&read);
  return why == nullptr ? "" : *why;
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_description_comes_back_signed_and_with_its_hash) {
  const auto run = key_pair::generate();
  const auto before = description();
  const auto bytes = sign_description(before, run);
  const auto read = read_description(bytes, run.key());
  BOOST_REQUIRE(std::holds_alternative<run_description>(read));
  const auto& after = std::get<run_description>(read);
  BOOST_TEST(canonical_bytes(after) == canonical_bytes(before));
  BOOST_TEST(description_hash(after) == description_hash(before));
  BOOST_TEST(description_hash(before).size() == 32U);
  BOOST_CHECK(signer_of(bytes) == run.key());
  BOOST_TEST(!explain_difference(before, after));
}

BOOST_AUTO_TEST_CASE(every_field_is_in_the_hash_comes_back_and_is_named_when_it_differs) {
  const auto key = key_pair::generate();
  const auto before = description();
  for (size_t i = 0; i < changes().size(); ++i) {
    auto other = before;
    changes()[i](other);
    BOOST_TEST_CONTEXT("change " << i) {
      BOOST_TEST(description_hash(other) != description_hash(before));
      const auto why = explain_difference(before, other);
      BOOST_REQUIRE(why);
      BOOST_TEST(contains(*why, " here, "), *why);
      BOOST_TEST(!explain_difference(other, other));
      // Another protocol version, and a tied head in two stages, are refused.
      const auto read = read_description(sign_description(other, key), key.key());
      if (other.protocol != protocol_version || other.model.tied_head) {
        BOOST_TEST(std::holds_alternative<std::string>(read));
      } else {
        BOOST_REQUIRE(std::holds_alternative<run_description>(read));
        BOOST_TEST(canonical_bytes(std::get<run_description>(read)) == canonical_bytes(other));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(a_difference_is_told_with_both_values_the_protocol_first) {
  const auto here = description();
  auto there = here;
  there.steps = 200;
  BOOST_TEST(explain_difference(here, there).value() == "steps: 100 here, 200 there");
  there.optimizer.weight_decay = 0.2;
  BOOST_TEST(explain_difference(here, there).value() == "weight decay: 0.1 here, 0.2 there");
  there.protocol = 2;
  BOOST_TEST(explain_difference(here, there).value() == "protocol version: 1 here, 2 there");
}

BOOST_AUTO_TEST_CASE(a_description_that_was_changed_anywhere_is_refused) {
  const auto run = key_pair::generate();
  const auto bytes = sign_description(description(), run);
  size_t harmless = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    auto bad = bytes;
    bad[i] = static_cast<char>(bad[i] ^ 1);
    const auto read = read_description(bad, run.key());
    // The copy of the run's key beside it is for whoever has no token; it is not what is trusted.
    harmless += std::holds_alternative<run_description>(read) ? 1 : 0;
    if (const auto* same = std::get_if<run_description>(&read))
      BOOST_TEST(canonical_bytes(*same) == canonical_bytes(description()));
  }
  BOOST_TEST(harmless <= 48U);
  const auto other = key_pair::generate();
  BOOST_TEST(std::holds_alternative<std::string>(read_description(bytes, other.key())));
}

BOOST_AUTO_TEST_CASE(bytes_of_any_number_are_refused) {
  const auto run = key_pair::generate();
  const auto bytes = sign_description(description(), run);
  for (size_t size = 0; size < bytes.size(); ++size) {
    const auto part = bytes.substr(0, size);
    BOOST_TEST(std::holds_alternative<std::string>(read_description(part, run.key())));
  }
  const std::string large(description_bytes_max + 8, '\0');
  BOOST_TEST(std::holds_alternative<std::string>(read_description(large, run.key())));
  BOOST_TEST(!signer_of(large));
}

BOOST_AUTO_TEST_CASE(another_protocol_version_is_refused_with_both) {
  auto newer = description();
  newer.protocol = 9;
  BOOST_TEST(contains(why_refused(newer), "version 1 here, 9 in"));
}

BOOST_AUTO_TEST_CASE(a_description_that_makes_no_sense_is_refused_though_signed) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  const std::vector<std::pair<const char*, change>> mistakes{
      {"stages", [](auto& r) { r.stages = 9; }},
      {"layers", [](auto& r) { r.model.layers = 1 << 20; }},
      {"Dropout", [](auto& r) { r.model.dropout = nan; }},
      {"rows", [](auto& r) { r.rows = 0; }},
      {"rows", [](auto& r) { r.rows = description_rows_max + 1; }},
      {"microbatches", [](auto& r) { r.microbatches = 0; }},
      {"steps", [](auto& r) { r.steps = -1; }},
      {"validation", [](auto& r) { r.validation_fraction = nan; }},
      {"learning rate", [](auto& r) { r.optimizer.learning_rate = infinity; }},
      {"beta2", [](auto& r) { r.optimizer.beta2 = -0.5; }},
      {"clip", [](auto& r) { r.optimizer.clip_norm = nan; }},
      {"warm-up", [](auto& r) { r.optimizer.warmup_steps = -1; }},
  };
  BOOST_TEST(why_refused(description()) == "");
  for (const auto& [named, spoil] : mistakes) {
    auto broken = description();
    spoil(broken);
    const auto why = why_refused(broken);
    BOOST_TEST(contains(why, named), named << ": '" << why << "'");
  }
}

BOOST_AUTO_TEST_CASE(a_text_is_taken_up_to_its_limit) {
  auto run = description();
  run.data_source = std::string(description_text_bytes_max, 'x');
  BOOST_TEST(why_refused(run) == "");
  run.data_source += "x";
  BOOST_TEST(contains(why_refused(run), "cannot be read"));
}

BOOST_AUTO_TEST_CASE(what_another_program_would_hash_otherwise_is_refused_though_signed) {
  const auto key = key_pair::generate();
  const auto why = [&](const std::string& bytes) {
    const auto read = read_description(signed_by_hand(bytes, key), key.key());
    const auto* refused = std::get_if<std::string>(&read);
    return refused == nullptr ? "" : *refused;
  };
  const auto bytes = canonical_bytes(description());
  BOOST_TEST(why(bytes) == "");
  // This program would read the text up to its zero.
  auto zero = bytes;
  zero[zero.find("cafe") + 1] = '\0';
  BOOST_TEST(contains(why(zero), "cannot be read"));
  // Where a later program may have put something.
  BOOST_TEST(contains(why(bytes + std::string(8, 'x')), "cannot be read"));
}
