#include "actors/stage/state_transfer.hpp"

#include <boost/test/unit_test.hpp>
#include <cstring>

namespace {

using namespace swarm;
using namespace swarm::stage;
using progress = state_assembly::progress;

tensors::host_tensor state_of(int64_t row, float first) {
  std::vector<float> values(static_cast<size_t>(row * 3));
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = first + static_cast<float>(i);
  return tensors::host_tensor::adopt(std::move(values), {3, row});
}

progress feed(state_assembly& assembly, step_id version, const snapshot_store::chunk& chunk) {
  return assembly.accept(version, chunk.state.bytes(), chunk.offset_bytes, chunk.checksum,
                         chunk.state.as<char>() + chunk.offset_bytes,
                         static_cast<size_t>(chunk.size_bytes));
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_state_arrives_in_chunks_as_it_was) {
  snapshot_store store;
  const auto state = state_of(300'000, 1.0F);
  store.put(step_id{4}, state);
  state_assembly assembly;
  int chunks = 0;
  progress last = progress::more;
  while (last == progress::more) {
    const auto chunk = store.read(step_id{4}, assembly.next_offset_bytes());
    BOOST_REQUIRE(chunk);
    BOOST_TEST(chunk->size_bytes <= state_chunk_bytes_max);
    last = feed(assembly, step_id{4}, *chunk);
    ++chunks;
  }
  BOOST_TEST((last == progress::complete));
  BOOST_TEST(chunks == 4);
  const auto copy = assembly.take();
  BOOST_TEST((copy.shape() == state.shape()));
  BOOST_TEST(std::memcmp(copy.data(), state.data(), state.bytes()) == 0);
}

BOOST_AUTO_TEST_CASE(only_the_newest_snapshots_are_kept) {
  snapshot_store store;
  for (int64_t v = 0; v < 5; ++v)
    store.put(step_id{v}, state_of(16, static_cast<float>(v)));
  BOOST_TEST(!store.has(step_id{2}));
  BOOST_TEST(store.has(step_id{3}));
  BOOST_TEST(store.has(step_id{4}));
  BOOST_TEST(!store.read(step_id{4}, 16 * 12).has_value());
}

BOOST_AUTO_TEST_CASE(another_version_in_the_middle_is_stale) {
  snapshot_store store;
  store.put(step_id{1}, state_of(300'000, 1.0F));
  store.put(step_id{2}, state_of(300'000, 2.0F));
  state_assembly assembly;
  BOOST_TEST((feed(assembly, step_id{1}, *store.read(step_id{1}, 0)) == progress::more));
  const auto other = store.read(step_id{2}, assembly.next_offset_bytes());
  BOOST_TEST((feed(assembly, step_id{2}, *other) == progress::stale));
}

BOOST_AUTO_TEST_CASE(a_repeated_or_skipped_chunk_is_stale) {
  snapshot_store store;
  store.put(step_id{1}, state_of(300'000, 1.0F));
  state_assembly assembly;
  BOOST_TEST((feed(assembly, step_id{1}, *store.read(step_id{1}, 0)) == progress::more));
  BOOST_TEST((feed(assembly, step_id{1}, *store.read(step_id{1}, 0)) == progress::stale));
  BOOST_TEST((feed(assembly, step_id{1}, *store.read(step_id{1}, 2 * state_chunk_bytes_max)) ==
              progress::stale));
}

BOOST_AUTO_TEST_CASE(a_wrong_checksum_or_absurd_size_is_damaged) {
  state_assembly assembly;
  const auto state = state_of(16, 1.0F);
  BOOST_TEST((assembly.accept(step_id{1}, state.bytes(), 0, 12345, state.data(), state.bytes()) ==
              progress::damaged));
  state_assembly other;
  BOOST_TEST((other.accept(step_id{1}, uint64_t{1} << 60, 0, 0, state.data(), state.bytes()) ==
              progress::damaged));
  BOOST_TEST((other.accept(step_id{1}, 10, 0, 0, state.data(), 10) == progress::damaged));
}
