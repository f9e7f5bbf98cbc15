#include "actors/wire/error_sentence.hpp"

#include <boost/test/unit_test.hpp>
#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/exit_reason.hpp>
#include <caf/sec.hpp>
#include <string>
#include <vector>

#include "actors/dht/errc.hpp"
#include "actors/faults/errc.hpp"
#include "actors/stage/errc.hpp"
#include "actors/training/errc.hpp"
#include "actors/wire/errc.hpp"
#include "actors/wire/parcel.hpp"
#include "actors/wire/refusal.hpp"

using namespace swarm;
using wire::error_sentence;

namespace {

/// No code, no category, no name of a type: words.
void check_sentence(const std::string& text) {
  BOOST_TEST(text.size() > 10U, text);
  for (const char* raw : {"error(", "failure ", "{", "  "})
    BOOST_TEST(text.find(raw) == std::string::npos, "'" << raw << "' in: " << text);
  BOOST_TEST(text.back() != '.', text);
}

std::vector<caf::error> errors_of_every_room() {
  std::vector<caf::error> result;
  for (int code = 1; code <= 7; ++code) {
    result.push_back(dht::make_error(static_cast<dht::errc>(code)));
    result.push_back(faults::make_error(static_cast<faults::errc>(code)));
    result.push_back(wire::make_error(static_cast<wire::errc>(code)));
  }
  for (int code = 1; code <= 3; ++code)
    result.push_back(training::make_error(static_cast<training::errc>(code)));
  result.push_back(stage::make_error(stage::errc::no_state));
  result.push_back(stage::make_error(stage::errc::compute_failed, "out of memory"));
  for (int reason = 0; reason <= 10; ++reason)
    result.push_back(wire::make_refusal(static_cast<schemas::Refusal::Reason>(reason), term_id{1},
                                        step_id{2}, round_id{3}));
  return result;
}

}  // namespace

BOOST_AUTO_TEST_CASE(every_rooms_errors_are_sentences_here_and_from_another_process) {
  for (const auto& error : errors_of_every_room()) {
    check_sentence(error_sentence(error));
    BOOST_TEST(error_sentence(wire::from_failure(wire::to_failure(error))) ==
               error_sentence(error));
  }
}

BOOST_AUTO_TEST_CASE(so_are_cafs_own) {
  for (uint8_t code = 1; code <= 53; ++code)
    BOOST_TEST(error_sentence(caf::make_error(static_cast<caf::sec>(code))).find('_') ==
               std::string::npos);
  check_sentence(error_sentence(caf::make_error(caf::sec::request_timeout)));
  for (const auto reason : {caf::exit_reason::kill, caf::exit_reason::unhandled_exception,
                            caf::exit_reason::remote_link_unreachable})
    check_sentence(error_sentence(caf::make_error(reason)));
  BOOST_TEST(error_sentence({}) == "no error");
}

BOOST_AUTO_TEST_CASE(what_the_one_who_failed_says_is_kept) {
  const auto error = caf::make_error(caf::sec::cannot_connect_to_node, "h:1: Connection refused");
  BOOST_TEST(error_sentence(error) == "h:1: Connection refused");
}

BOOST_AUTO_TEST_CASE(an_actor_system_renders_the_same) {
  caf::actor_system_config config;
  wire::add_error_sentences(config);
  config.set("scheduler.max-threads", 1U);
  caf::actor_system system{config};
  for (const auto& error : errors_of_every_room())
    BOOST_TEST(system.render(error) == error_sentence(error));
  BOOST_TEST(system.render(caf::make_error(caf::sec::request_timeout)) == "no answer came in time");
}
