#include "tests/actors/stage/store_rig.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cerrno>

namespace swarm::testing {

namespace {

std::string name_in(const std::string& path) {
  return std::filesystem::path{path}.filename().string();
}

template <class T>
bool same_numbers(const tensors::host_tensor& a, const tensors::host_tensor& b) {
  return a.type() == b.type() && a.shape() == b.shape() &&
         std::equal(a.as<T>(), a.as<T>() + a.elements(), b.as<T>());
}

}  // namespace

int64_t version_of(const std::optional<stage::stored_state>& state) {
  if (!state) return -1;
  const auto expected = state_of(state->version.value());
  BOOST_REQUIRE(same_numbers<float>(state->state, expected.state));
  BOOST_REQUIRE((state->commit.attempt == expected.commit.attempt));
  BOOST_REQUIRE(state->commit.scale == expected.commit.scale);
  BOOST_REQUIRE(state->commit.counted == expected.commit.counted);
  return state->version.value();
}

int64_t step_of(const std::optional<stage::stored_sum>& sum) {
  if (!sum) return -1;
  const auto expected = sum_of(sum->step.value());
  BOOST_REQUIRE(same_numbers<int64_t>(sum->total, expected.total));
  BOOST_REQUIRE((sum->sum.attempt == expected.sum.attempt));
  BOOST_REQUIRE(sum->sum.hash == expected.sum.hash);
  BOOST_REQUIRE(sum->sum.squared_norm == expected.sum.squared_norm);
  BOOST_REQUIRE(sum->sum.counted == expected.sum.counted);
  return sum->step.value();
}

std::vector<int64_t> versions_of(const stage::state_store& store) {
  std::vector<int64_t> result;
  for (const auto& state : store.states())
    result.push_back(version_of(state));
  return result;
}

bool mortal_disk::die(const std::string& what) {
  if (left_ == 0) return true;
  if (left_ != for_ever) --left_;
  log.push_back(what);
  return false;
}

int mortal_disk::create(const std::string& path, int& file) {
  return die("create " + name_in(path)) ? EIO : real_->create(path, file);
}

int mortal_disk::write(int file, const void* bytes, size_t count) {
  if (die("write")) return EIO;
  const auto chunks = (count + chunk_bytes - 1) / chunk_bytes;
  const auto part = left_ < chunks ? left_ * chunk_bytes : count;
  if (left_ != for_ever) left_ -= std::min<uint64_t>(left_, chunks);
  const int error = real_->write(file, bytes, part);
  return part < count ? EIO : error;
}

// What is not synced would be there all the same: these tests end processes, not machines. The
// order of the calls is checked instead.
int mortal_disk::sync(int) {
  return die("sync") ? EIO : 0;
}

int mortal_disk::close(int file) {
  const int error = real_->close(file);
  return die("close") ? EIO : error;
}

int mortal_disk::rename(const std::string& from, const std::string& to) {
  return die("rename " + name_in(to)) ? EIO : real_->rename(from, to);
}

int mortal_disk::remove(const std::string& path) {
  return die("remove " + name_in(path)) ? EIO : real_->remove(path);
}

int mortal_disk::sync_directory(const std::string&) {
  return die("sync directory") ? EIO : 0;
}

}  // namespace swarm::testing
