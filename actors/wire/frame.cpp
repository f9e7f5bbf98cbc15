#include "actors/wire/frame.hpp"

#include <xxhash.h>

namespace swarm::wire {

namespace {

constexpr size_t word_bytes = sizeof(capnp::word);
/// A validated frame is read several times by its handlers; each read is charged.
constexpr uint64_t traversal_factor = 32;
constexpr uint64_t traversal_slack_words = 4096;

}  // namespace

size_t frame::body_bytes() const {
  size_t words = parts_.size() / 2 + 1;
  for (const auto& part : parts_)
    words += part.size();
  return words * word_bytes;
}

capnp::ReaderOptions frame::reader_options() const {
  capnp::ReaderOptions options;
  options.traversalLimitInWords =
      body_bytes() / word_bytes * traversal_factor + traversal_slack_words;
  options.nestingLimit = frame_nesting_max;
  return options;
}

std::vector<uint32_t> segment_table(const segments& parts) {
  std::vector<uint32_t> table;
  table.reserve(parts.size() + 2);
  table.push_back(static_cast<uint32_t>(parts.size() - 1));
  for (const auto& part : parts)
    table.push_back(static_cast<uint32_t>(part.size()));
  if (table.size() % 2 != 0) table.push_back(0);
  return table;
}

uint64_t body_checksum(const std::vector<uint32_t>& table, const segments& parts) {
  if (parts.empty()) return XXH3_64bits(table.data(), table.size() * sizeof(uint32_t));
  const std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)> state{XXH3_createState(),
                                                                       &XXH3_freeState};
  XXH3_64bits_reset(state.get());
  XXH3_64bits_update(state.get(), table.data(), table.size() * sizeof(uint32_t));
  for (const auto& part : parts)
    XXH3_64bits_update(state.get(), part.begin(), part.size() * word_bytes);
  return XXH3_64bits_digest(state.get());
}

std::optional<errc> parse_body(kj::Array<capnp::word> body, frame_ptr& out) {
  if (body.size() == 0) return errc::truncated;
  const auto* table = reinterpret_cast<const uint32_t*>(body.begin());
  const uint64_t count = uint64_t{table[0]} + 1;
  if (count > frame_segments_max) return errc::malformed;
  const size_t table_words = count / 2 + 1;
  if (table_words > body.size()) return errc::truncated;
  if (count % 2 == 0 && table[count + 1] != 0) return errc::malformed;
  segments parts;
  parts.reserve(count);
  size_t offset = table_words;
  for (uint64_t i = 1; i <= count; ++i) {
    if (table[i] > body.size() - offset) return errc::truncated;
    parts.push_back(body.slice(offset, offset + table[i]));
    offset += table[i];
  }
  if (offset != body.size()) return errc::malformed;
  auto owner = std::make_shared<const kj::Array<capnp::word>>(std::move(body));
  out = std::make_shared<const frame>(std::move(parts),
                                      std::vector<std::shared_ptr<const void>>{std::move(owner)});
  return std::nullopt;
}

}  // namespace swarm::wire
