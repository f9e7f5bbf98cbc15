#include "actors/wire/parcel.hpp"

#include <caf/make_message.hpp>
#include <map>
#include <string>
#include <typeindex>
#include <utility>

#include "actors/wire/message_list.hpp"
#include "actors/wire/refusal.hpp"

namespace swarm::wire {

namespace {

/// A longer sentence is cut.
constexpr size_t sentence_bytes_max = 4096;

using take_function = frame_ptr (*)(const caf::type_erased_tuple&);
using make_function = caf::message (*)(std::variant<frame_ptr, errc>);

struct registry {
  std::map<std::type_index, std::pair<uint64_t, take_function>> by_class;
  std::map<uint64_t, make_function> by_type;
};

template <class Message>
frame_ptr take(const caf::type_erased_tuple& content) {
  return content.get_as<Message>(0).bytes();
}

template <class Message>
caf::message make(std::variant<frame_ptr, errc> body) {
  auto* frame = std::get_if<frame_ptr>(&body);
  if (frame == nullptr) return caf::make_message(Message{std::get<errc>(body)});
  if (!*frame) return caf::make_message(Message{});
  const auto fault = validate(**frame, capnp::Schema::from<typename Message::schema>());
  return caf::make_message(fault ? Message{*fault} : Message{std::move(*frame)});
}

const registry& known() {
  static const registry all = [] {
    registry result;
    for_each_message([&](auto tag, const char*) {
      using type = typename decltype(tag)::type;
      const auto id = capnp::typeId<typename type::schema>();
      result.by_class.emplace(typeid(type), std::make_pair(id, &take<type>));
      result.by_type.emplace(id, &make<type>);
    });
    return result;
  }();
  return all;
}

}  // namespace

std::optional<parcel> to_parcel(const caf::type_erased_tuple& content) {
  if (content.size() == 0) return parcel{};
  if (content.size() != 1) return std::nullopt;
  const auto* type = content.type(0).second;
  if (type == nullptr) return std::nullopt;
  const auto found = known().by_class.find(*type);
  if (found == known().by_class.end()) return std::nullopt;
  return parcel{found->second.first, found->second.second(content)};
}

std::optional<caf::message> from_parcel(uint64_t type, std::variant<frame_ptr, errc> body) {
  if (type == 0) return caf::message{};
  const auto found = known().by_type.find(type);
  if (found == known().by_type.end()) return std::nullopt;
  return found->second(std::move(body));
}

failure to_failure(const caf::error& error) {
  builder<schemas::Failure> result;
  result->setCode(error.code());
  result->setCategory(static_cast<uint64_t>(error.category()));
  if (const auto why = refusal_of(error); why && !why->fault()) {
    result->setRefusal(*why->read());
  } else if (error.context().match_elements<std::string>()) {
    result->setSentence(error.context().get_as<std::string>(0).substr(0, sentence_bytes_max));
  }
  return result.finish();
}

caf::error from_failure(const failure& message) {
  if (const auto fault = message.fault()) return make_error(*fault);
  const auto content = message.read();
  const auto code = content->getCode();
  const auto category = static_cast<caf::atom_value>(content->getCategory());
  if (content->hasRefusal()) {
    builder<schemas::Refusal> copy;
    const auto why = content->getRefusal();
    copy->setReason(why.getReason());
    copy->setTerm(why.getTerm());
    copy->setVersion(why.getVersion());
    copy->setFrozenRound(why.getFrozenRound());
    return {code, category, caf::make_message(copy.finish())};
  }
  if (!content->hasSentence()) return {code, category};
  return {
      code, category,
      caf::make_message(std::string{content->getSentence().cStr()}.substr(0, sentence_bytes_max))};
}

}  // namespace swarm::wire
