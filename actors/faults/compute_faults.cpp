#include "actors/faults/compute_faults.hpp"

#include <caf/make_message.hpp>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "actors/faults/errc.hpp"
#include "actors/wire/refusal.hpp"

namespace swarm::faults {

namespace {

using reason = schemas::Refusal::Reason;

fault_class class_of(reason why) {
  switch (why) {
    case reason::NON_FINITE:
      return fault_class::not_finite;
    case reason::OUT_OF_MEMORY:
      return fault_class::out_of_memory;
    case reason::WRONG_SHAPE:
      return fault_class::wrong_shape;
    default:
      return fault_class::failed_before;
  }
}

/// A changed copy of a message, fields unknown here included.
template <class Schema, class Edit>
std::optional<caf::message> edited(const caf::type_erased_tuple& content, Edit edit) {
  if (!content.match_elements<wire::message<Schema>>()) return std::nullopt;
  const auto& original = content.get_as<wire::message<Schema>>(0);
  if (original.fault()) return std::nullopt;
  auto copy = std::make_shared<capnp::MallocMessageBuilder>();
  copy->setRoot(*original.read());
  if (!edit(copy->getRoot<Schema>())) return std::nullopt;
  wire::segments parts;
  for (auto part : copy->getSegmentsForOutput())
    parts.push_back(part);
  std::vector<std::shared_ptr<const void>> owners{std::move(copy)};
  return caf::make_message(wire::message<Schema>{
      std::make_shared<const wire::frame>(std::move(parts), std::move(owners))});
}

bool reshape(schemas::Tensor::Builder tensor) {
  const auto shape = tensor.asReader().getShape();
  if (shape.size() == 0) return false;
  int64_t elements = 1;
  for (const auto extent : shape)
    elements *= extent;
  if (shape.size() == 1) {
    auto changed = tensor.initShape(2);
    changed.set(0, 1);
    changed.set(1, elements);
  } else {
    tensor.initShape(1).set(0, elements);
  }
  return true;
}

template <class Change>
rule answering(selection which, fault_class kind, Change change) {
  rule result;
  result.which = std::move(which);
  result.kind = kind;
  result.requests_only = true;
  result.on_answer = [change](const passage& answer, fate& chosen) {
    auto changed = change(answer.content);
    if (changed) chosen.instead = std::move(changed);
    return chosen.instead.has_value();
  };
  return result;
}

}  // namespace

rule refuse(selection which, reason why) {
  auto result =
      fail_before(std::move(which), wire::make_refusal(why, term_id{0}, step_id{0}, round_id{0}));
  result.kind = class_of(why);
  return result;
}

rule not_finite(selection which) {
  return refuse(std::move(which), reason::NON_FINITE);
}

rule out_of_memory(selection which) {
  return refuse(std::move(which), reason::OUT_OF_MEMORY);
}

rule misfit(selection which) {
  return refuse(std::move(which), reason::WRONG_SHAPE);
}

rule nan_loss(selection which) {
  return answering(std::move(which), fault_class::not_finite, with_nan_loss);
}

rule wrong_shape(selection which) {
  return answering(std::move(which), fault_class::wrong_shape, with_wrong_shape);
}

rule stall(selection which, std::chrono::nanoseconds how_long) {
  if (how_long.count() < 0) reject(errc::bad_time);
  rule result;
  result.which = std::move(which);
  result.kind = fault_class::stall;
  result.stall = how_long;
  return result;
}

std::optional<caf::message> with_nan_loss(const caf::type_erased_tuple& answer) {
  const auto poison = [](auto root) {
    root.setLoss(std::numeric_limits<double>::quiet_NaN());
    return true;
  };
  if (auto changed = edited<schemas::LossDone>(answer, poison)) return changed;
  return edited<schemas::Inferred>(answer, poison);
}

std::optional<caf::message> with_wrong_shape(const caf::type_erased_tuple& answer) {
  if (auto changed =
          edited<schemas::Activation>(answer, [](auto root) { return reshape(root.getOutput()); }))
    return changed;
  if (auto changed = edited<schemas::InputGradient>(
          answer, [](auto root) { return reshape(root.getGradient()); }))
    return changed;
  if (auto changed = edited<schemas::LossDone>(
          answer, [](auto root) { return reshape(root.getInputGradient()); }))
    return changed;
  return edited<schemas::Inferred>(answer, [](auto root) { return reshape(root.getOutput()); });
}

}  // namespace swarm::faults
