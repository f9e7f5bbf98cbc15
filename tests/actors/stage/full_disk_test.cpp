// A file_state_store whose disk cannot take what it is given.

#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <cerrno>
#include <csignal>
#include <map>

#include "tests/actors/stage/store_rig.hpp"

namespace {

using namespace swarm;
using namespace swarm::testing;
using boost::test_tools::per_element;
using versions = std::vector<int64_t>;
using names = std::vector<std::string>;

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// POSIX calls on a disk of so many bytes, of which each kind can be made to fail.
class troubled_disk final : public stage::disk {
 public:
  explicit troubled_disk(const std::string& directory) : directory_(directory) {}

  int create(const std::string& path, int& file) override {
    ++creates;
    return failing("create", [&] { return real_->create(path, file); });
  }
  int write(int file, const void* bytes, size_t count) override {
    const uint64_t room = says_free ? count : disk_free();
    if (count <= room) return failing("write", [&] { return real_->write(file, bytes, count); });
    real_->write(file, bytes, room);
    return ENOSPC;
  }
  int sync(int file) override {
    return failing("sync", [&] { return real_->sync(file); });
  }
  int close(int file) override {
    const int error = real_->close(file);
    return failing("close", [&] { return error; });
  }
  int rename(const std::string& from, const std::string& to) override {
    return failing("rename", [&] { return real_->rename(from, to); });
  }
  int remove(const std::string& path) override { return real_->remove(path); }
  int sync_directory(const std::string& path) override {
    return failing("sync directory", [&] { return real_->sync_directory(path); });
  }
  uint64_t free_bytes(const std::string&) const override {
    return says_free ? disk_free() : UINT64_MAX;
  }

  /// In blocks of 4 KiB, as many as all files there take.
  uint64_t used() const {
    uint64_t result = 0;
    for (const auto& entry : std::filesystem::directory_iterator{directory_})
      result += (entry.file_size() + 4'095) / 4'096 * 4'096;
    return result;
  }
  uint64_t disk_free() const { return size > used() ? size - used() : 0; }

  std::map<std::string, int> errors;  ///< by call
  uint64_t size = UINT64_MAX;
  bool says_free = true;
  int creates = 0;

 private:
  template <class Call>
  int failing(const char* call, Call&& real) {
    const auto found = errors.find(call);
    return found != errors.end() ? found->second : real();
  }

  std::string directory_;
  std::shared_ptr<stage::disk> real_ = stage::make_disk();
};

struct fixture {
  std::shared_ptr<stage::state_store> open(std::shared_ptr<stage::disk> where = nullptr,
                                           bool durable = true) {
    stage::file_store_options options;
    options.directory = kept;
    options.owner = {stage_id{1}, 5, 6};
    options.durable = durable;
    options.where = std::move(where);
    options.complain = [this](const std::string& sentence) { complaints.push_back(sentence); };
    return stage::open_file_state_store(options);
  }

  names files() const {
    names result;
    for (const auto& entry : std::filesystem::directory_iterator{kept})
      result.push_back(entry.path().filename().string());
    std::sort(result.begin(), result.end());
    return result;
  }

  scratch_directory directory;
  std::string kept = directory / "kept";
  names complaints;
};

/// A step of a run: the sum of the step before, then the state.
void put_step(stage::state_store& store, int64_t version) {
  store.put(sum_of(version - 1));
  store.put(state_of(version));
}

constexpr uint64_t block = 4'096;  ///< more than any of these files

}  // namespace

BOOST_FIXTURE_TEST_CASE(whatever_call_fails_the_last_good_state_stays_and_it_is_said_once,
                        fixture) {
  for (const char* call : {"create", "write", "sync", "close", "rename", "sync directory"}) {
    for (const int error : {ENOSPC, EIO, EROFS, EDQUOT, EFBIG}) {
      std::filesystem::remove_all(kept);
      complaints.clear();
      std::filesystem::create_directories(kept);
      const auto where = std::make_shared<troubled_disk>(kept);
      auto store = open(where);
      put_step(*store, 1);
      put_step(*store, 2);
      where->errors[call] = error;
      for (int64_t v = 3; v < 60; ++v) {
        put_step(*store, v);
        // This process goes on from memory.
        BOOST_REQUIRE(version_of(store->state()) == v);
        BOOST_REQUIRE(store->word().withdrawn);
      }
      BOOST_TEST(store->word().changes == 1U);
      BOOST_REQUIRE(complaints.size() == 1U);
      BOOST_TEST(contains(complaints[0], "stage 1's state is not kept in " + kept), complaints[0]);
      BOOST_TEST(contains(complaints[0], "from step 3 on"), complaints[0]);
      BOOST_TEST(contains(complaints[0], "step 2 is there and stays"), complaints[0]);
      BOOST_TEST(contains(complaints[0], std::generic_category().message(error)), complaints[0]);
      for (const auto& name : files())
        BOOST_TEST(!contains(name, ".part"), call << " leaves " << name);
      BOOST_TEST(files().size() <= 4U);
      where->errors.clear();
      store.reset();
      // What was in memory at the end is written when the process ends in order.
      store = open();
      BOOST_TEST(version_of(store->state()) == 59);
    }
  }
}

/// The process is killed: no destructor writes anything.
BOOST_FIXTURE_TEST_CASE(what_a_killed_process_leaves_is_what_it_had_said, fixture) {
  for (const char* call : {"create", "write", "sync", "rename"}) {
    std::filesystem::remove_all(kept);
    std::filesystem::create_directories(kept);
    const pid_t child = fork();
    if (child == 0) {
      const auto where = std::make_shared<troubled_disk>(kept);
      const auto store = open(where);
      for (int64_t v = 1; v < 6; ++v)
        put_step(*store, v);
      where->errors[call] = ENOSPC;
      for (int64_t v = 6; v < 40; ++v)
        put_step(*store, v);
      _exit(contains(store->word().sentence, "step 5 is there") ? 0 : 1);
    }
    int status = 0;
    waitpid(child, &status, 0);
    BOOST_TEST(status == 0);
    const auto store = open();
    BOOST_TEST(versions_of(*store) == (versions{5, 4}), per_element());
    BOOST_TEST(step_of(store->sum()) == 4);
    BOOST_TEST(complaints.empty());
  }
}

BOOST_FIXTURE_TEST_CASE(the_promise_is_given_again_when_it_can_be_kept, fixture) {
  std::filesystem::create_directories(kept);
  const auto where = std::make_shared<troubled_disk>(kept);
  auto store = open(where);
  put_step(*store, 1);
  where->errors["write"] = ENOSPC;
  put_step(*store, 2);
  put_step(*store, 3);
  where->errors.clear();
  put_step(*store, 4);  // and, before it, 3
  BOOST_TEST(store->word().withdrawn);
  put_step(*store, 5);
  BOOST_TEST(!store->word().withdrawn);
  BOOST_REQUIRE(complaints.size() == 2U);
  BOOST_TEST(contains(complaints[1], "again, from step 5 on"), complaints[1]);
  BOOST_TEST(complaints[1] == store->word().sentence);
  BOOST_TEST(versions_of(*store) == (versions{5, 4}), per_element());
}

BOOST_FIXTURE_TEST_CASE(a_full_disk_is_not_filled_with_what_is_taken_away_again, fixture) {
  std::filesystem::create_directories(kept);
  const auto where = std::make_shared<troubled_disk>(kept);
  where->size = 2 * block;
  auto store = open(where);
  put_step(*store, 1);
  const int before = where->creates;
  for (int64_t v = 2; v < 20; ++v)
    put_step(*store, v);
  BOOST_TEST(where->creates == before);
  BOOST_TEST(files() == (names{"state-1.kept", "sum.kept"}), per_element());
  BOOST_TEST(complaints.size() == 1U);
}

/// Room for one version and a draft: the older version goes so that the newest can come.
BOOST_FIXTURE_TEST_CASE(where_room_is_short_the_older_version_gives_it, fixture) {
  for (const bool says_free : {true, false}) {
    std::filesystem::remove_all(kept);
    complaints.clear();
    std::filesystem::create_directories(kept);
    const auto where = std::make_shared<troubled_disk>(kept);
    where->says_free = says_free;
    where->size = 3 * block;
    auto store = open(where);
    for (int64_t v = 1; v < 20; ++v)
      put_step(*store, v);
    if (says_free) {
      BOOST_TEST(complaints.empty());
      BOOST_TEST(version_of(store->state()) == 19);
      BOOST_TEST(!store->word().withdrawn);
    } else {
      // Nobody knows whether it would help, so nothing goes.
      BOOST_TEST(store->word().withdrawn);
      BOOST_TEST(complaints.size() == 1U);
      BOOST_TEST(version_of(store->state()) == 19);
      BOOST_TEST(files() == (names{"state-1.kept", "sum.kept"}), per_element());
    }
  }
}

BOOST_FIXTURE_TEST_CASE(going_back_on_a_full_disk_gives_up_the_later_versions_first, fixture) {
  std::filesystem::create_directories(kept);
  const auto where = std::make_shared<troubled_disk>(kept);
  auto store = open(where);
  store->put(state_of(7));
  store->put(state_of(9));
  where->size = where->used();
  store->put(state_of(8));
  BOOST_TEST(!store->word().withdrawn);
  BOOST_TEST(versions_of(*store) == (versions{8, 7}), per_element());
  BOOST_TEST(files() == (names{"state-7.kept", "state-8.kept"}), per_element());
}

// -- what every stage has -------------------------------------------------------------------------

/// Its own disk is good; another stage's has stopped at step 2, which this one must not forget.
BOOST_FIXTURE_TEST_CASE(a_version_that_every_stage_has_stays_until_a_later_one_does, fixture) {
  {
    const auto store = open();
    for (int64_t v = 1; v < 40; ++v) {
      store->pin(step_id{std::min<int64_t>(v - 1, 2)});
      put_step(*store, v);
    }
    BOOST_TEST((store->kept() == step_id{39}));
    BOOST_TEST(versions_of(*store) == (versions{39, 38, 2}), per_element());
  }
  const auto store = open();
  BOOST_TEST(versions_of(*store) == (versions{39, 38, 2}), per_element());
  BOOST_TEST(version_of(store->state()) == 39);
  // The next life puts what it begins with, before anybody can tell it what all have.
  put_step(*store, 39);
  BOOST_TEST(versions_of(*store) == (versions{39, 38, 2}), per_element());
  // Of a version that is not here nobody can say that it stays.
  store->pin(step_id{20});
  put_step(*store, 40);
  BOOST_TEST(versions_of(*store) == (versions{40, 39, 2}), per_element());
  store->pin(step_id{39});
  put_step(*store, 41);
  BOOST_TEST(versions_of(*store) == (versions{41, 40, 39}), per_element());
  store->pin(step_id{41});
  put_step(*store, 42);
  BOOST_TEST(versions_of(*store) == (versions{42, 41}), per_element());
  BOOST_TEST(!std::filesystem::exists(kept + "/pinned-39"));
  // Back to before it: what came after is of a history that was given up.
  store->put(state_of(7));
  BOOST_TEST(versions_of(*store) == versions{7}, per_element());
}

BOOST_FIXTURE_TEST_CASE(what_every_stage_has_gives_no_room, fixture) {
  std::filesystem::create_directories(kept);
  const auto where = std::make_shared<troubled_disk>(kept);
  const auto store = open(where);
  store->put(state_of(1));
  store->put(state_of(2));
  store->pin(step_id{1});
  store->put(state_of(3));
  where->size = where->used();
  store->put(state_of(4));
  BOOST_TEST(!store->word().withdrawn);
  BOOST_TEST(files() == (names{"pinned-1", "state-1.kept", "state-3.kept", "state-4.kept"}),
             per_element());
  where->size = where->used() - block;  // even without 3 there is no room
  store->put(state_of(5));
  BOOST_TEST(store->word().withdrawn);
  BOOST_TEST((store->kept() == step_id{4}));
  BOOST_TEST(versions_of(*store) == (versions{5, 4, 1}), per_element());
}

BOOST_FIXTURE_TEST_CASE(a_folder_that_vanished_is_said_to_be_empty_and_used_again, fixture) {
  const auto store = open();
  put_step(*store, 1);
  std::filesystem::rename(kept, kept + ".away");
  put_step(*store, 2);
  BOOST_REQUIRE(complaints.size() == 1U);
  BOOST_TEST(contains(complaints[0], "No such file or directory; no earlier step is there"),
             complaints[0]);
  std::filesystem::create_directories(kept);
  for (int64_t v = 3; v < 7; ++v)
    put_step(*store, v);
  BOOST_TEST(!store->word().withdrawn);
  BOOST_TEST(complaints.size() == 2U);
  BOOST_TEST(files() == (names{"state-5.kept", "state-6.kept", "sum.kept"}), per_element());
}

BOOST_FIXTURE_TEST_CASE(a_sum_does_not_take_the_room_of_its_state, fixture) {
  std::filesystem::create_directories(kept);
  const auto where = std::make_shared<troubled_disk>(kept);
  auto store = open(where);
  store->put(state_of(1));
  where->errors["rename"] = EIO;
  store->put(state_of(2));
  where->creates = 0;
  store->put(sum_of(2));
  BOOST_TEST(where->creates == 1);  // the state's
  BOOST_TEST(step_of(store->sum()) == 2);
  where->errors.clear();
  store->put(sum_of(2));
  store.reset();
  store = open();
  BOOST_TEST(version_of(store->state()) == 2);
  BOOST_TEST(step_of(store->sum()) == 2);
}

BOOST_FIXTURE_TEST_CASE(behind_the_back_a_full_disk_is_said_once_too, fixture) {
  std::filesystem::create_directories(kept);
  const auto where = std::make_shared<troubled_disk>(kept);
  where->size = 0;
  {
    const auto store = open(where, false);
    for (int64_t v = 1; v < 200; ++v)
      store->put(state_of(v));
  }
  BOOST_TEST(complaints.size() == 1U);
  BOOST_TEST(files().empty());
}

// -- the system's own limits ----------------------------------------------------------------------

BOOST_FIXTURE_TEST_CASE(a_limit_of_a_files_size_is_an_error_and_not_a_death, fixture) {
  const pid_t child = fork();
  if (child == 0) {
    std::signal(SIGXFSZ, SIG_DFL);
    const rlimit small{300, 300};
    setrlimit(RLIMIT_FSIZE, &small);
    const auto store = open();
    store->put(sum_of(1));    // 256 + 24 bytes
    store->put(state_of(1));  // 256 + 40 bytes
    if (store->word().withdrawn) _exit(2);
    auto large = state_of(2);
    large.state = tensors::host_tensor::adopt(std::vector<float>(20), {20});
    store->put(large);
    _exit(store->word().withdrawn ? 0 : 3);
  }
  int status = 0;
  waitpid(child, &status, 0);
  BOOST_REQUIRE(WIFEXITED(status));
  BOOST_TEST(WEXITSTATUS(status) == 0);
  const auto store = open();
  BOOST_TEST(versions_of(*store) == versions{1}, per_element());
}

BOOST_FIXTURE_TEST_CASE(a_small_file_system_that_fills_up_is_used_again_when_there_is_room,
                        fixture) {
  const auto mounted = directory / "small";
  std::filesystem::create_directories(mounted);
  if (mount("none", mounted.c_str(), "tmpfs", 0, "size=64k,mode=0700") != 0) {
    BOOST_TEST_MESSAGE("Skipped: only root can mount a small file system.");
    return;
  }
  kept = mounted + "/kept";
  {
    auto store = open();
    put_step(*store, 1);
    put_step(*store, 2);
    // Others fill it, and what the older version leaves, too.
    for (int64_t v = 3; v < 20; ++v) {
      store->put(sum_of(v - 1));
      std::ofstream{mounted + "/others", std::ios::binary | std::ios::app}
          << std::string(100'000, 'x') << std::flush;
      store->put(state_of(v));
    }
    BOOST_TEST(store->word().withdrawn);
    BOOST_TEST(complaints.size() == 1U);
    std::filesystem::remove(mounted + "/others");
    for (int64_t v = 20; v < 30; ++v)
      put_step(*store, v);
    BOOST_TEST(!store->word().withdrawn);
    BOOST_TEST(complaints.size() == 2U);
    store.reset();
    BOOST_TEST(versions_of(*open()) == (versions{29, 28}), per_element());
  }
  BOOST_TEST(umount(mounted.c_str()) == 0);
}
