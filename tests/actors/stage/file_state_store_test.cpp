#include "actors/stage/file_state_store.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <condition_variable>
#include <csignal>
#include <mutex>
#include <numeric>

#include "tests/actors/stage/store_rig.hpp"

namespace {

using namespace swarm;
using namespace swarm::testing;
using boost::test_tools::per_element;
using versions = std::vector<int64_t>;
using names = std::vector<std::string>;

struct fixture {
  std::shared_ptr<stage::state_store> open(std::shared_ptr<stage::disk> where = nullptr,
                                           bool durable = true) {
    stage::file_store_options options;
    options.directory = directory / "kept";
    options.owner = {stage_id{1}, 5, 6};
    options.durable = durable;
    options.where = std::move(where);
    options.complain = [this](const std::string& sentence) { complaints.push_back(sentence); };
    return stage::open_file_state_store(options);
  }

  std::string path_of(const std::string& name) const { return directory / "kept/" + name; }

  names files() const {
    names result;
    for (const auto& entry : std::filesystem::directory_iterator{directory / "kept"})
      result.push_back(entry.path().filename().string());
    std::sort(result.begin(), result.end());
    return result;
  }

  void damage(const std::string& name) {
    auto bytes = bytes_of(path_of(name));
    bytes.back() = static_cast<char>(bytes.back() ^ 1);
    put_bytes(path_of(name), bytes);
  }

  scratch_directory directory;
  names complaints;
};

/// Lets nothing through until it is told to.
class gated_disk final : public stage::disk {
 public:
  int create(const std::string& path, int& file) override {
    std::unique_lock guard{mutex_};
    ++waiting_;
    changed_.notify_all();
    changed_.wait(guard, [this] { return open_; });
    return real_->create(path, file);
  }
  int write(int file, const void* bytes, size_t count) override {
    return real_->write(file, bytes, count);
  }
  int sync(int file) override { return real_->sync(file); }
  int close(int file) override { return real_->close(file); }
  int rename(const std::string& from, const std::string& to) override {
    return real_->rename(from, to);
  }
  int remove(const std::string& path) override { return real_->remove(path); }
  int sync_directory(const std::string& path) override { return real_->sync_directory(path); }

  void wait_for_a_writer() {
    std::unique_lock guard{mutex_};
    changed_.wait(guard, [this] { return waiting_ > 0; });
  }
  void open() {
    const std::lock_guard guard{mutex_};
    open_ = true;
    changed_.notify_all();
  }

 private:
  std::shared_ptr<mortal_disk> real_ = std::make_shared<mortal_disk>();
  std::mutex mutex_;
  std::condition_variable changed_;
  int waiting_ = 0;
  bool open_ = false;

 public:
  const names& log() const { return real_->log; }
};

}  // namespace

BOOST_FIXTURE_TEST_CASE(a_later_process_finds_what_was_put, fixture) {
  {
    const auto store = open();
    BOOST_TEST(version_of(store->state()) == -1);
    BOOST_TEST(step_of(store->sum()) == -1);
    BOOST_TEST(store->states().empty());
    store->put(state_of(3));
    store->put(sum_of(3));
    BOOST_TEST(version_of(store->state()) == 3);
  }
  const auto store = open();
  BOOST_TEST(version_of(store->state()) == 3);
  BOOST_TEST(step_of(store->sum()) == 3);
  BOOST_TEST(complaints.empty());
}

BOOST_FIXTURE_TEST_CASE(the_last_two_versions_are_kept, fixture) {
  auto store = open();
  for (int64_t v = 0; v < 5; ++v)
    store->put(state_of(v));
  store->put(sum_of(3));
  store->put(sum_of(4));
  BOOST_TEST(files() == (names{"state-3.kept", "state-4.kept", "sum.kept"}), per_element());
  store.reset();
  store = open();
  BOOST_TEST(versions_of(*store) == (versions{4, 3}), per_element());
  BOOST_TEST(step_of(store->sum()) == 4);
}

/// The interface promises the same of every store.
BOOST_FIXTURE_TEST_CASE(a_step_back_forgets_what_came_after, fixture) {
  const std::vector<std::shared_ptr<stage::state_store>> stores{
      open(), std::make_shared<stage::memory_state_store>()};
  for (const auto& store : stores) {
    store->put(state_of(7));
    store->put(state_of(8));
    store->put(state_of(8));
    BOOST_TEST(versions_of(*store) == (versions{8, 7}), per_element());
    store->put(state_of(7));
    BOOST_TEST(versions_of(*store) == versions{7}, per_element());
    store->put(state_of(10));
    store->put(state_of(9));
    BOOST_TEST(versions_of(*store) == (versions{9, 7}), per_element());
    BOOST_TEST(version_of(store->state()) == 9);
  }
  BOOST_TEST(files() == (names{"state-7.kept", "state-9.kept"}), per_element());
}

BOOST_FIXTURE_TEST_CASE(what_is_under_its_name_is_on_the_disk_before, fixture) {
  const auto where = std::make_shared<mortal_disk>();
  const auto store = open(where);
  for (int64_t v = 0; v < 3; ++v)
    store->put(state_of(v));
  store->put(sum_of(2));
  const auto written = [](const std::string& name) {
    return names{"create " + name + ".part", "write",         "write", "sync", "close",
                 "rename " + name,           "sync directory"};
  };
  names expected;
  for (const char* name : {"state-0.kept", "state-1.kept", "state-2.kept", "sum.kept"}) {
    const auto calls = written(name);
    expected.insert(expected.end(), calls.begin(), calls.end());
    if (std::string{name} == "state-2.kept") expected.push_back("remove state-0.kept");
  }
  BOOST_TEST(where->log == expected, per_element());
}

/// Law: wherever a life ends, the next one finds what was put last or what was put before, whole,
/// and if put() had returned, what was put last.
BOOST_FIXTURE_TEST_CASE(a_death_at_any_moment_leaves_the_old_or_the_new, fixture) {
  const std::vector<int64_t> puts{0, 1, 4, 5, 3, 3, 6};  // with a step back
  bool died = true;
  uint64_t deaths = 0;
  for (uint64_t moment = 1; died; ++moment) {
    std::filesystem::remove_all(directory / "kept");
    const auto where = std::make_shared<mortal_disk>(moment);
    auto store = open(where);
    int64_t before = -1;
    int64_t last = -1;
    int64_t sum_before = -1;
    int64_t last_sum = -1;
    for (const auto v : puts) {
      if (where->dead()) break;
      before = std::exchange(last, v);
      store->put(state_of(v));
      if (where->dead()) break;
      sum_before = std::exchange(last_sum, v);
      store->put(sum_of(v));
    }
    died = where->dead();
    deaths += died ? 1 : 0;
    store.reset();
    const auto next = open(std::make_shared<mortal_disk>());
    const auto found = version_of(next->state());
    const auto sum = step_of(next->sum());
    BOOST_TEST((found == last || found == before), "moment " << moment << " left " << found);
    BOOST_TEST((sum == last_sum || sum == sum_before), "moment " << moment << " left " << sum);
    if (!died) BOOST_TEST((found == last && sum == last_sum));
    const auto states = versions_of(*next);
    // A death may come between the new one's name and the end of the oldest.
    BOOST_TEST(states.size() <= stage::states_kept_max + 1);
    BOOST_TEST((states.empty() ? -1 : states.front()) == found);
    // The next life goes on, and nothing of the last one stays behind.
    next->put(state_of(20));
    next->put(state_of(21));
    next->put(sum_of(21));
    BOOST_TEST(files() == (names{"state-20.kept", "state-21.kept", "sum.kept"}), per_element());
  }
  BOOST_TEST(deaths > 200U);
  BOOST_TEST(complaints.size() > 200U);  // of the dying; a torn file never gets its name
  BOOST_TEST(complaints.size() <= deaths);
  for (const auto& sentence : complaints)
    BOOST_TEST(sentence.find("cannot be written") != std::string::npos, sentence);
}

BOOST_FIXTURE_TEST_CASE(what_a_killed_process_had_put_is_there, fixture) {
  int said[2];
  BOOST_REQUIRE(pipe(said) == 0);
  const pid_t child = fork();
  if (child == 0) {
    const auto store = open();
    for (int64_t v = 0;; ++v) {
      store->put(state_of(v));
      store->put(sum_of(v));
      if (write(said[1], &v, sizeof v) != sizeof v) _exit(1);
    }
  }
  close(said[1]);
  int64_t heard = -1;
  while (heard < 20 && read(said[0], &heard, sizeof heard) == sizeof heard) {
  }
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  close(said[0]);
  BOOST_TEST(heard == 20);
  const auto store = open();
  BOOST_TEST(version_of(store->state()) >= heard);
  BOOST_TEST(step_of(store->sum()) >= heard);
  BOOST_TEST(complaints.empty());
}

BOOST_FIXTURE_TEST_CASE(a_damaged_file_counts_as_absent_and_the_version_before_stands, fixture) {
  auto store = open();
  store->put(state_of(1));
  store->put(state_of(2));
  store->put(sum_of(2));
  damage("state-2.kept");
  damage("sum.kept");
  store.reset();
  store = open();
  BOOST_TEST(complaints.empty());  // read when it is asked for, and only then
  BOOST_TEST(version_of(store->state()) == 1);
  BOOST_TEST(step_of(store->sum()) == -1);
  BOOST_REQUIRE(complaints.size() == 2U);
  BOOST_TEST(complaints.front().find("state-2.kept") != std::string::npos);
  BOOST_TEST(complaints.front().find("checksum") != std::string::npos);
  // What is refused takes nobody's place.
  store->put(state_of(3));
  BOOST_TEST(versions_of(*store) == (versions{3, 1}), per_element());
  BOOST_TEST(files() == (names{"state-1.kept", "state-3.kept", "sum.kept"}), per_element());
}

BOOST_FIXTURE_TEST_CASE(a_file_under_a_wrong_name_is_refused, fixture) {
  auto store = open();
  store->put(state_of(1));
  store.reset();
  std::filesystem::rename(path_of("state-1.kept"), path_of("state-9.kept"));
  store = open();
  BOOST_TEST(version_of(store->state()) == -1);
  BOOST_TEST(complaints.size() == 1U);
}

BOOST_FIXTURE_TEST_CASE(files_with_other_names_are_left_alone, fixture) {
  open();
  const names others{"notes.txt",     "state-.kept",
                     "state-01.kept", "state-1.kept.bak",
                     "state-x.kept",  "state-99999999999999999999.kept",
                     "x.part"};
  for (const auto& name : others)
    put_bytes(path_of(name), "precious");
  put_bytes(path_of("state-4.kept.part"), "torn");
  put_bytes(path_of("sum.kept.part"), "torn");
  const auto store = open();
  BOOST_TEST(version_of(store->state()) == -1);
  for (int64_t v = 0; v < 4; ++v)
    store->put(state_of(v));
  for (const auto& name : others)
    BOOST_TEST(bytes_of(path_of(name)) == "precious", name);
  BOOST_TEST(files().size() == others.size() + 2);
}

BOOST_FIXTURE_TEST_CASE(a_directory_has_one_store_at_a_time, fixture) {
  auto store = open();
  BOOST_CHECK_EXCEPTION(open(), std::runtime_error, [](const std::runtime_error& e) {
    return std::string{e.what()}.find("another store") != std::string::npos;
  });
  store.reset();
  BOOST_CHECK_NO_THROW(open());
}

BOOST_FIXTURE_TEST_CASE(a_directory_that_cannot_be_used_is_named, fixture) {
  put_bytes(directory / "kept", "a file");
  BOOST_CHECK_EXCEPTION(open(), std::runtime_error, [](const std::runtime_error& e) {
    return std::string{e.what()}.find("/kept") != std::string::npos;
  });
}

BOOST_FIXTURE_TEST_CASE(what_could_not_be_written_is_written_with_the_next, fixture) {
  auto store = open();
  store->put(state_of(1));
  const auto full = std::make_shared<mortal_disk>(1);
  store.reset();
  store = open(full);
  store->put(state_of(2));
  BOOST_TEST(complaints.size() == 1U);
  // This process finds it all the same.
  BOOST_TEST(version_of(store->state()) == 2);
  BOOST_TEST(versions_of(*store) == (versions{2, 1}), per_element());
  full->revive();
  store->put(sum_of(2));
  store.reset();
  BOOST_TEST(versions_of(*open()) == (versions{2, 1}), per_element());
  BOOST_TEST(complaints.size() == 1U);
}

BOOST_FIXTURE_TEST_CASE(what_could_not_be_written_is_tried_again_at_the_end, fixture) {
  const auto where = std::make_shared<mortal_disk>(3);
  auto store = open(where);
  store->put(state_of(2));
  where->revive();
  store.reset();
  BOOST_TEST(version_of(open()->state()) == 2);
}

BOOST_FIXTURE_TEST_CASE(a_tensor_without_bytes_is_complained_of, fixture) {
  auto store = open();
  auto state = state_of(1);
  state.state = tensors::host_tensor::modelled(tensors::dtype::f32, {4});
  store->put(state);
  BOOST_TEST(complaints.size() == 1U);
  BOOST_TEST(files().empty());
}

// -- not durable ----------------------------------------------------------------------------------

BOOST_FIXTURE_TEST_CASE(behind_the_back_the_newest_of_each_kind_wins, fixture) {
  const auto gate = std::make_shared<gated_disk>();
  auto store = open(gate, false);
  store->put(state_of(0));
  gate->wait_for_a_writer();
  // The writer is stuck with version 0; nobody waits for it.
  for (int64_t v = 1; v < 6; ++v) {
    store->put(sum_of(v - 1));
    store->put(state_of(v));
  }
  BOOST_TEST(version_of(std::as_const(*store).state()) == 5);
  BOOST_TEST(step_of(store->sum()) == 4);
  gate->open();
  store.reset();  // writes what is left
  names renamed;
  for (const auto& call : gate->log())
    if (call.rfind("rename", 0) == 0) renamed.push_back(call);
  BOOST_TEST(renamed == (names{"rename state-0.kept", "rename state-5.kept", "rename sum.kept"}),
             per_element());
  store = open();
  BOOST_TEST(versions_of(*store) == (versions{5, 0}), per_element());
  BOOST_TEST(step_of(store->sum()) == 4);
}

BOOST_FIXTURE_TEST_CASE(behind_the_back_everything_is_written_in_the_end, fixture) {
  for (int64_t v = 0; v < 30; ++v) {
    {
      const auto store = open(nullptr, false);
      store->put(state_of(v));
      store->put(sum_of(v));
    }
    const auto store = open();
    BOOST_REQUIRE(version_of(store->state()) == v);
    BOOST_REQUIRE(step_of(store->sum()) == v);
  }
  BOOST_TEST(complaints.empty());
}

BOOST_FIXTURE_TEST_CASE(behind_the_back_reading_sees_what_was_put, fixture) {
  const auto store = open(nullptr, false);
  for (int64_t v = 0; v < 300; ++v) {
    store->put(state_of(v));
    BOOST_REQUIRE(version_of(store->state()) == v);
    const auto states = versions_of(*store);
    BOOST_REQUIRE(states.front() == v);
    store->put(sum_of(v));
    BOOST_REQUIRE(step_of(store->sum()) == v);
  }
  BOOST_TEST(complaints.empty());
}
