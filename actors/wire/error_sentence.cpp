#include "actors/wire/error_sentence.hpp"

#include <algorithm>
#include <caf/actor_system_config.hpp>
#include <caf/atom.hpp>
#include <caf/exit_reason.hpp>
#include <caf/message.hpp>
#include <caf/sec.hpp>

#include "actors/wire/refusal.hpp"

namespace swarm::wire {

namespace {

using why = schemas::Refusal::Reason;

const char* refusal_sentence(why reason) {
  switch (reason) {
    case why::LOWER_TERM:
      return "the worker refuses: another coordinator leads by now";
    case why::BEHIND:
      return "the worker refuses: it is behind and fetches its state; ask another";
    case why::AHEAD:
      return "the worker refuses: the step is over there";
    case why::FROZEN:
      return "the worker refuses: the round is closed";
    case why::NOT_SERVING:
      return "the worker refuses: it does not serve yet";
    case why::ACTIVATION_MISSING:
      return "the worker refuses: it has no activation of that microbatch; send its input too";
    case why::OVERLOADED:
      return "the worker refuses: too many requests wait there; ask another, or later";
    case why::WRONG_ROUND:
      return "the worker refuses: it has not gathered that round";
    case why::NON_FINITE:
      return "the worker refuses: loss or gradient is not finite";
    case why::OUT_OF_MEMORY:
      return "the worker refuses: its device is full; ask another, or later";
    case why::WRONG_SHAPE:
      return "the worker refuses: the tensors do not fit its stage";
    case why::RESTORING:
      return "the worker refuses: it is still fetching the state that it goes back to";
  }
  return "the worker refuses for a reason that this version does not know";
}

const char* system_sentence(caf::sec code) {
  switch (code) {
    case caf::sec::request_timeout:
      return "no answer came in time";
    case caf::sec::request_receiver_down:
      return "it is gone: its process has ended or the connection broke";
    case caf::sec::cannot_connect_to_node:
      return "it cannot be connected";
    case caf::sec::no_route_to_receiving_node:
    case caf::sec::socket_disconnected:
      return "the connection broke";
    case caf::sec::unexpected_message:
    case caf::sec::unexpected_response:
      return "a message came that it does not understand: check that both sides run the same "
             "version";
    case caf::sec::runtime_error:
      return "it failed while it worked on the request";
    default:
      return nullptr;
  }
}

const char* exit_sentence(caf::exit_reason reason) {
  switch (reason) {
    case caf::exit_reason::normal:
      return "it had nothing more to do";
    case caf::exit_reason::unhandled_exception:
      return "it failed with an exception";
    case caf::exit_reason::out_of_workers:
      return "it has no workers left";
    case caf::exit_reason::user_shutdown:
      return "it was asked to end";
    case caf::exit_reason::kill:
      return "it was killed";
    case caf::exit_reason::remote_link_unreachable:
      return "the connection to it broke";
    default:
      return "it ended for an unknown reason";
  }
}

/// "no_such_group_module" as words.
std::string in_words(std::string name) {
  std::replace(name.begin(), name.end(), '_', ' ');
  return name;
}

/// Within other sentences, and at the end of lines.
std::string without_dot(std::string sentence) {
  while (!sentence.empty() && (sentence.back() == '.' || sentence.back() == ' '))
    sentence.pop_back();
  return sentence;
}

std::string say(uint8_t code, caf::atom_value category, const caf::message& context) {
  // Whoever made it has said it best.
  if (!context.empty() && context.match_element<std::string>(0)) {
    auto told = without_dot(context.get_as<std::string>(0));
    if (!told.empty()) return told;
  }
  if (!context.empty() && context.match_element<refusal>(0)) {
    const auto& told = context.get_as<refusal>(0);
    if (!told.fault()) return refusal_sentence(told.read()->getReason());
  }
  if (category == caf::atom("exit")) return exit_sentence(static_cast<caf::exit_reason>(code));
  if (category == caf::atom("system")) {
    const auto known = static_cast<caf::sec>(code);
    if (const char* sentence = system_sentence(known)) return sentence;
    return in_words(to_string(known));
  }
  return "failure " + std::to_string(code) + " of " + to_string(category);
}

}  // namespace

std::string error_sentence(const caf::error& error) {
  if (!error) return "no error";
  return say(error.code(), error.category(), error.context());
}

void add_error_sentences(caf::actor_system_config& config) {
  for (const char* room :
       {"system", "exit", "wire", "stage", "training", "dht", "superv", "faults"})
    config.error_renderers[caf::atom_from_string(std::string{room})] = say;
}

}  // namespace swarm::wire
