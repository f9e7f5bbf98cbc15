#include "actors/stage/state_file.hpp"

#include <sys/stat.h>

#include <boost/test/unit_test.hpp>
#include <cstring>

#include "actors/random.hpp"
#include "actors/stage/state_transfer.hpp"
#include "tests/actors/stage/store_rig.hpp"

// What a store finds on the disk may be anything.

namespace {

using namespace swarm;
using namespace swarm::testing;
using stage::file_fault;
using stage::file_kind;

const stage::file_identity owner{stage_id{2}, 77, 40};
constexpr uint64_t no_limit = uint64_t{1} << 30;

stage::file_record record(file_kind kind = file_kind::state) {
  return {kind, step_id{5}, {term_id{1}, round_id{2}}, 8, 0.25, "abc", tensor_of(5)};
}

std::string file_of(const stage::file_record& r, const stage::file_identity& whose = owner) {
  const auto header = stage::header_of(whose, r);
  BOOST_REQUIRE(header);
  std::string bytes{header->data(), header->size()};
  return bytes.append(static_cast<const char*>(r.tensor.data()), r.tensor.bytes());
}

/// With a checksum that fits whatever is there.
std::string forged(std::string bytes) {
  const uint64_t sum = stage::state_checksum(bytes.data() + 32, bytes.size() - 32);
  std::memcpy(bytes.data() + 24, &sum, 8);
  return bytes;
}

struct fixture {
  std::optional<file_fault> read(const std::string& bytes, uint64_t limit = no_limit) {
    put_bytes(directory / "file", bytes);
    return stage::read_record(directory / "file", file_kind::state, owner, limit, found);
  }

  scratch_directory directory;
  stage::file_record found;
};

void check_fault(const std::optional<file_fault>& found, file_fault expected) {
  BOOST_TEST_REQUIRE(found.has_value());
  BOOST_TEST(stage::to_sentence(*found) == stage::to_sentence(expected));
}

}  // namespace

BOOST_FIXTURE_TEST_CASE(what_is_written_is_read, fixture) {
  BOOST_TEST(!read(file_of(record())));
  BOOST_TEST((found.version == step_id{5}));
  BOOST_TEST((found.attempt == attempt_id{term_id{1}, round_id{2}}));
  BOOST_TEST(found.counted == 8U);
  BOOST_TEST(found.number == 0.25);
  BOOST_TEST(found.hash == "abc");
  BOOST_TEST(found.tensor.shape() == (std::vector<int64_t>{2, 5}),
             boost::test_tools::per_element());
  BOOST_TEST(std::memcmp(found.tensor.data(), tensor_of(5).data(), 40) == 0);
}

BOOST_FIXTURE_TEST_CASE(a_forged_checksum_is_as_good_as_a_true_one, fixture) {
  // Else the tests that forge one would prove nothing.
  BOOST_TEST(!read(forged(file_of(record()))));
}

/// Law: no change of any byte passes.
BOOST_FIXTURE_TEST_CASE(any_flipped_bit_is_refused, fixture) {
  const auto good = file_of(record());
  splitmix64 random{1};
  for (size_t at = 0; at < good.size(); ++at) {
    auto bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 1 << random.below(8));
    BOOST_TEST(read(bad).has_value(), "byte " << at);
  }
}

BOOST_FIXTURE_TEST_CASE(any_other_length_is_refused, fixture) {
  const auto good = file_of(record());
  for (size_t length = 0; length < good.size(); ++length)
    check_fault(read(good.substr(0, length)), file_fault::truncated);
  check_fault(read(good + '\0'), file_fault::truncated);
}

BOOST_FIXTURE_TEST_CASE(files_of_others_are_refused, fixture) {
  check_fault(read(std::string(400, 'x')), file_fault::foreign);
  check_fault(read(file_of(record(file_kind::sum))), file_fault::foreign);
  for (const auto& other :
       {stage::file_identity{stage_id{1}, 77, 40}, stage::file_identity{stage_id{2}, 78, 40},
        stage::file_identity{stage_id{2}, 77, 44}})
    check_fault(read(file_of(record(), other)), file_fault::other_owner);
  auto newer = file_of(record());
  newer[8] = 2;
  check_fault(read(forged(newer)), file_fault::other_format);
}

BOOST_FIXTURE_TEST_CASE(what_is_no_file_is_refused, fixture) {
  const auto read_at = [&](const std::string& name) {
    return stage::read_record(directory / name, file_kind::state, owner, no_limit, found);
  };
  check_fault(read_at("nothing"), file_fault::absent);
  std::filesystem::create_directory(directory / "directory");
  check_fault(read_at("directory"), file_fault::unreadable);
  BOOST_REQUIRE(mkfifo((directory / "pipe").c_str(), 0600) == 0);  // must not wait for a writer
  check_fault(read_at("pipe"), file_fault::unreadable);
  put_bytes(directory / "file", file_of(record()));
  std::filesystem::create_symlink(directory / "file", directory / "link");
  check_fault(read_at("link"), file_fault::unreadable);
}

BOOST_FIXTURE_TEST_CASE(a_file_beyond_the_limit_is_not_even_read, fixture) {
  const auto good = file_of(record());
  BOOST_TEST(!read(good, good.size()));
  check_fault(read(good, good.size() - 1), file_fault::too_large);
  // A hole of 64 GiB costs nothing on the disk, and must cost nothing in memory.
  std::filesystem::resize_file(directory / "file", uint64_t{1} << 36);
  check_fault(stage::read_record(directory / "file", file_kind::state, owner, no_limit, found),
              file_fault::too_large);
  check_fault(stage::read_record(directory / "file", file_kind::state, owner, UINT64_MAX, found),
              file_fault::truncated);
}

BOOST_FIXTURE_TEST_CASE(a_length_that_the_file_does_not_have_allocates_nothing, fixture) {
  auto bytes = file_of(record());
  const uint64_t claimed = uint64_t{1} << 50;
  std::memcpy(bytes.data() + 16, &claimed, 8);
  check_fault(read(forged(bytes)), file_fault::truncated);
  bytes = file_of(record());
  for (const int64_t extent : {int64_t{1} << 50, int64_t{-2}, INT64_MIN, INT64_MAX, int64_t{0}}) {
    std::memcpy(bytes.data() + 96, &extent, 8);
    check_fault(read(forged(bytes)), file_fault::damaged);
  }
}

/// Law: whatever the header says, the answer is a fault, or a tensor of exactly the bytes there.
BOOST_FIXTURE_TEST_CASE(random_headers_do_no_harm, fixture) {
  splitmix64 random{2};
  int taken = 0;
  for (int i = 0; i < 3000; ++i) {
    auto bytes = file_of(record());
    for (auto changes = 1 + random.below(3); changes > 0; --changes)
      bytes[32 + random.below(224)] =
          static_cast<char>(random.below(4) == 0 ? random.below(256) : random.below(4));
    if (read(forged(bytes))) continue;
    BOOST_TEST(found.tensor.bytes() == 40U);
    ++taken;
  }
  BOOST_TEST(taken > 100);
}

BOOST_AUTO_TEST_CASE(what_has_no_place_in_a_file_is_not_written) {
  auto r = record();
  r.tensor = tensors::host_tensor::modelled(tensors::dtype::f32, {4});
  BOOST_TEST(!stage::header_of(owner, r));
  r.tensor = tensors::host_tensor::adopt(std::vector<float>(2), {1, 1, 1, 1, 1, 1, 1, 1, 2});
  BOOST_TEST(!stage::header_of(owner, r));
  r.tensor = tensors::host_tensor::adopt(std::vector<float>{}, {4, 0});
  BOOST_TEST(!stage::header_of(owner, r));
  r = record();
  r.hash.assign(stage::file_hash_bytes_max, 'h');
  BOOST_TEST(stage::header_of(owner, r).has_value());
  r.hash += 'h';
  BOOST_TEST(!stage::header_of(owner, r));
}

BOOST_FIXTURE_TEST_CASE(an_empty_tensor_is_written_and_read, fixture) {
  auto r = record();
  r.tensor = {};
  BOOST_TEST(!read(file_of(r)));
  BOOST_TEST(found.tensor.empty());
}
