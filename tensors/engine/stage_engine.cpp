#include "tensors/engine/stage_engine.hpp"

#include <cstring>

namespace swarm::tensors {

namespace {

void require_within(element_range range, int64_t elements) {
  if (range.first < 0 || range.count < 1 || range.first >= elements ||
      range.count > elements - range.first)
    throw engine_error(engine_fault::bad_state,
                       "The range is not within the stage; ask a peer of the same stage.");
}

/// Both are f32 with three rows; a row of `to` is longer or shorter than one of `from`.
void copy_rows(float* to, int64_t to_row, const float* from, int64_t from_row, int64_t count) {
  for (int64_t row = 0; row < 3; ++row)
    std::memcpy(to + row * to_row, from + row * from_row,
                static_cast<size_t>(count) * sizeof(float));
}

host_tensor copy_of(const host_tensor& state, float** values) {
  void* bytes = nullptr;
  auto copy = host_tensor::allocate(state.type(), state.shape(), &bytes);
  std::memcpy(bytes, state.data(), state.bytes());
  *values = static_cast<float*>(bytes);
  return copy;
}

}  // namespace

host_tensor stage_engine::export_range(element_range range) const {
  const auto state = export_state();
  const auto row = state.shape()[1];
  require_within(range, row);
  void* bytes = nullptr;
  auto part = host_tensor::allocate(dtype::f32, {3, range.count}, &bytes);
  copy_rows(static_cast<float*>(bytes), range.count, state.as<float>() + range.first, row,
            range.count);
  return part;
}

void stage_engine::import_range(element_range range, const host_tensor& state) {
  const auto before = export_state();
  const auto row = before.shape()[1];
  require_within(range, row);
  if (state.type() != dtype::f32 || state.is_virtual() ||
      state.shape() != std::vector<int64_t>{3, range.count})
    throw engine_error(engine_fault::bad_state, "The state has another size than its range.");
  float* values = nullptr;
  const auto after = copy_of(before, &values);
  copy_rows(values + range.first, row, state.as<float>(), range.count, range.count);
  import_state(after);
}

void stage_engine::apply_ranges(int64_t step, double scale,
                                const std::vector<element_range>& ranges) {
  const auto before = export_state();
  const auto row = before.shape()[1];
  for (const auto& range : ranges)
    require_within(range, row);
  apply(step, scale);
  const auto applied = export_state();
  float* values = nullptr;
  const auto after = copy_of(before, &values);
  for (const auto& range : ranges)
    copy_rows(values + range.first, row, applied.as<float>() + range.first, row, range.count);
  import_state(after);
}

}  // namespace swarm::tensors
