#include "actors/wire/parcel.hpp"

#include <boost/test/unit_test.hpp>
#include <caf/atom.hpp>
#include <caf/make_message.hpp>
#include <cstring>
#include <set>
#include <string>
#include <vector>

#include "actors/wire/message_list.hpp"
#include "actors/wire/refusal.hpp"

using namespace swarm;

namespace {

wire::gather gather_of(int64_t step) {
  wire::builder<schemas::Gather> message;
  message->setStep(step);
  return message.finish();
}

/// The frame as the far side has it: one flat buffer.
wire::frame_ptr carried(const wire::frame_ptr& sent) {
  const auto table = wire::segment_table(sent->parts());
  auto body = kj::heapArray<capnp::word>(sent->body_bytes() / sizeof(capnp::word));
  std::memcpy(body.asBytes().begin(), table.data(), table.size() * sizeof(uint32_t));
  auto* out = body.asBytes().begin() + table.size() * sizeof(uint32_t);
  for (const auto& part : sent->parts()) {
    std::memcpy(out, part.begin(), part.size() * sizeof(capnp::word));
    out += part.size() * sizeof(capnp::word);
  }
  wire::frame_ptr result;
  BOOST_REQUIRE(!wire::parse_body(std::move(body), result));
  return result;
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_message_crosses_without_its_type_being_known) {
  const auto parcel = wire::to_parcel(caf::make_message(gather_of(41)));
  BOOST_REQUIRE(parcel);
  BOOST_TEST(parcel->type == capnp::typeId<schemas::Gather>());
  const auto arrived = wire::from_parcel(parcel->type, carried(parcel->body));
  BOOST_REQUIRE(arrived);
  BOOST_REQUIRE(arrived->match_elements<wire::gather>());
  const auto message = arrived->get_as<wire::gather>(0);
  BOOST_REQUIRE(!message.fault());
  BOOST_TEST(message.read()->getStep() == 41);
}

BOOST_AUTO_TEST_CASE(an_empty_message_crosses_as_one) {
  const auto parcel = wire::to_parcel(caf::message{});
  BOOST_REQUIRE(parcel);
  BOOST_TEST(parcel->type == 0U);
  const auto arrived = wire::from_parcel(0, wire::frame_ptr{});
  BOOST_REQUIRE(arrived);
  BOOST_TEST(arrived->empty());
}

BOOST_AUTO_TEST_CASE(what_is_not_one_message_of_ours_stays_in_the_process) {
  BOOST_TEST(!wire::to_parcel(caf::make_message(7)));
  BOOST_TEST(!wire::to_parcel(caf::make_message(gather_of(1), gather_of(2))));
  BOOST_TEST(!wire::to_parcel(caf::make_message(std::string{"text"})));
}

BOOST_AUTO_TEST_CASE(an_unknown_type_is_no_message) {
  BOOST_TEST(!wire::from_parcel(12345, wire::frame_ptr{}));
}

BOOST_AUTO_TEST_CASE(damage_arrives_as_the_messages_fault) {
  const auto type = capnp::typeId<schemas::Gather>();
  const auto arrived = wire::from_parcel(type, wire::errc::wrong_checksum);
  BOOST_REQUIRE(arrived);
  const auto message = arrived->get_as<wire::gather>(0);
  BOOST_REQUIRE(message.fault());
  BOOST_CHECK(*message.fault() == wire::errc::wrong_checksum);
  BOOST_CHECK(wire::from_parcel(type, wire::frame_ptr{})->get_as<wire::gather>(0).fault());
}

BOOST_AUTO_TEST_CASE(a_frame_that_does_not_fit_its_type_is_malformed) {
  // A pointer that leads out of the message.
  auto body = kj::heapArray<capnp::word>(2);
  const uint64_t words[2] = {uint64_t{1} << 32, 0x0000'0005'0000'fffc};
  std::memcpy(body.asBytes().begin(), words, sizeof(words));
  wire::frame_ptr frame;
  BOOST_REQUIRE(!wire::parse_body(std::move(body), frame));
  const auto arrived = wire::from_parcel(capnp::typeId<schemas::Gather>(), frame);
  BOOST_REQUIRE(arrived);
  const auto fault = arrived->get_as<wire::gather>(0).fault();
  BOOST_REQUIRE(fault);
  BOOST_CHECK(*fault == wire::errc::malformed);
}

BOOST_AUTO_TEST_CASE(every_message_has_a_type_and_a_name_of_its_own) {
  std::set<uint64_t> types;
  std::set<std::string> names;
  size_t count = 0;
  wire::for_each_message([&](auto tag, const char* name) {
    types.insert(capnp::typeId<typename decltype(tag)::type::schema>());
    names.insert(name);
    ++count;
  });
  BOOST_TEST(types.size() == count);
  BOOST_TEST(names.size() == count);
}

BOOST_AUTO_TEST_CASE(a_refusal_crosses_inside_its_error) {
  const auto sent =
      wire::make_refusal(schemas::Refusal::Reason::BEHIND, term_id{77}, step_id{-3}, round_id{5});
  const auto failed = wire::to_failure(sent);
  const auto got = wire::from_failure(wire::failure{carried(failed.bytes())});
  BOOST_CHECK(got.category() == wire::refusal_category);
  const auto why = wire::refusal_of(got);
  BOOST_REQUIRE(why);
  BOOST_CHECK(why->read()->getReason() == schemas::Refusal::Reason::BEHIND);
  BOOST_TEST(why->read()->getTerm() == 77U);
  BOOST_TEST(why->read()->getVersion() == -3);
  BOOST_TEST(why->read()->getFrozenRound() == 5U);
}

BOOST_AUTO_TEST_CASE(an_error_crosses_with_its_sentence) {
  const auto got = wire::from_failure(wire::to_failure(make_error(wire::errc::oversized)));
  BOOST_CHECK(got == make_error(wire::errc::oversized));
  BOOST_TEST(got.context().get_as<std::string>(0) ==
             std::string{wire::to_sentence(wire::errc::oversized)});
  const caf::error bare{3, caf::atom("system")};
  BOOST_CHECK(wire::from_failure(wire::to_failure(bare)) == bare);
}

BOOST_AUTO_TEST_CASE(a_damaged_failure_is_the_damage) {
  BOOST_CHECK(wire::is_damage(wire::from_failure(wire::failure{wire::errc::wrong_checksum})));
}
