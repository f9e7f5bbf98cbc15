#include "actors/stage/worker_life.hpp"

#include <array>
#include <cstddef>

namespace swarm::stage {

namespace {

/// A state, or one of the two that change nothing.
enum class cell : uint8_t {
  starting,
  loading,
  waiting,
  fetching,
  finishing,
  serving,
  restoring,
  ignored,
  refused
};

constexpr auto lo = cell::loading;
constexpr auto wa = cell::waiting;
constexpr auto fe = cell::fetching;
constexpr auto fi = cell::finishing;
constexpr auto se = cell::serving;
constexpr auto re = cell::restoring;
constexpr auto __ = cell::ignored;
constexpr auto no = cell::refused;

using row = std::array<cell, life_events>;
constexpr std::array<row, life_states> table{{
    // load unfit fetch donor whole missed ready restore none yield
    {lo, no, wa, __, no, no, se, re, no, no},  // starting
    {no, wa, no, __, no, no, se, re, no, no},  // loading
    {no, no, __, fe, no, __, se, re, no, __},  // waiting
    {no, no, __, __, fi, __, se, re, no, wa},  // fetching
    {no, no, __, __, __, fe, se, re, no, no},  // finishing
    {no, no, wa, __, no, no, no, re, no, no},  // serving
    {no, no, __, __, __, __, se, re, wa, no},  // restoring
}};

/// What is in the engine is given up, or about to be.
bool begins_anew(life_event event) {
  return event == life_event::load || event == life_event::unfit || event == life_event::fetch ||
         event == life_event::restore || event == life_event::none || event == life_event::yield;
}

}  // namespace

worker_life::outcome worker_life::on(life_event event) {
  const auto next = table[static_cast<size_t>(state_)][static_cast<size_t>(event)];
  if (next == cell::ignored) return outcome::ignored;
  if (next == cell::refused) return outcome::refused;
  if (begins_anew(event)) ++attempt_;
  state_ = static_cast<life_state>(next);
  return outcome::changed;
}

const char* to_string(life_state state) {
  switch (state) {
    case life_state::starting:
      return "starting";
    case life_state::loading:
      return "loading";
    case life_state::waiting:
      return "waiting for a donor";
    case life_state::fetching:
      return "fetching";
    case life_state::finishing:
      return "finishing";
    case life_state::serving:
      return "serving";
    case life_state::restoring:
      return "restoring";
  }
  return "unknown";
}

}  // namespace swarm::stage
