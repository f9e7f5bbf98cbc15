#include <sys/mount.h>

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "tests/chaos/rig.hpp"
#include "tests/skip.hpp"

// The disk of a peer fills up under a run whose peers keep their state, everybody is killed, and
// the run goes on from the step that was said to be the last on the disks.

using namespace swarm;
using namespace std::chrono_literals;

namespace {

/// A file system of a few megabytes; gone with the test, however many still use it.
class small_disk {
 public:
  explicit small_disk(const std::string& path) : path_(path) {
    std::filesystem::create_directories(path);
    mounted_ = mount("none", path.c_str(), "tmpfs", 0, "size=4m,mode=0700") == 0;
  }
  ~small_disk() {
    if (mounted_) umount2(path_.c_str(), MNT_DETACH);
  }
  small_disk(const small_disk&) = delete;
  small_disk& operator=(const small_disk&) = delete;

  bool mounted() const { return mounted_; }
  /// Takes whatever room there is now, and that of all states but the newest: a store writes over
  /// the older of two when nothing else is left, and would go on so for ever.
  void fill() const {
    std::vector<std::pair<int64_t, std::filesystem::path>> states;
    std::error_code gone;
    for (std::filesystem::recursive_directory_iterator it{path_, gone}, end; !gone && it != end;
         it.increment(gone)) {
      const auto name = it->path().filename().string();
      if (name.rfind("state-", 0) == 0 && it->path().extension() == ".kept")
        states.emplace_back(std::atoll(name.c_str() + 6), it->path());
    }
    std::sort(states.begin(), states.end());
    for (size_t i = 0; i + 1 < states.size(); ++i)
      std::filesystem::remove(states[i].second, gone);
    std::ofstream{path_ + "/others", std::ios::binary | std::ios::app}
        << std::string(4'200'000, 'x') << std::flush;
  }
  void clear() const { std::filesystem::remove(path_ + "/others"); }

 private:
  std::string path_;
  bool mounted_ = false;
};

int64_t number_after(const std::string& line, const std::string& text) {
  const auto at = line.find(text);
  return at == std::string::npos ? -1 : std::atoll(line.c_str() + at + text.size());
}

auto count(const std::vector<std::string>& lines, const std::string& text) {
  return std::count_if(lines.begin(), lines.end(), [&](const std::string& line) {
    return line.find(text) != std::string::npos;
  });
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_full_disk_is_said_once_and_costs_what_was_said) {
  chaos::rig::shape shape;
  shape.peers = 1;
  shape.trainers = 1;
  shape.steps = 400;
  shape.peer_flags = {"--keep-state"};
  chaos::rig run{"full-disk", shape};
  const auto full = run.peer(0, 0);
  const small_disk disk{run.folder() + "/peer-0-0"};
  if (!disk.mounted()) {
    tests::skip("root", "only root can mount a small file system");
    return;
  }
  run.begin();
  BOOST_REQUIRE_MESSAGE(run.until_step(20), run.all().story());
  const std::string back_to = "the run goes back to step ";
  const auto told = [&] {
    disk.fill();
    return run.all().said(run.trainer(0), back_to);
  };
  BOOST_REQUIRE_MESSAGE(run.all().until(told), run.all().story());
  const auto promised = number_after(run.all().line_with(run.trainer(0), back_to), back_to);
  BOOST_TEST(promised >= 20);
  // Training goes on, and nobody repeats himself.
  BOOST_REQUIRE_MESSAGE(run.until_step(promised + 60), run.all().story());
  BOOST_TEST(count(run.all().lines(full), "not kept") == 1);
  BOOST_TEST(count(run.all().lines(full), "No space left on device") <= 2);  // and its events
  BOOST_TEST(count(run.all().lines(run.trainer(0)), back_to) == 1);

  const std::vector<chaos::fleet::id> everybody{run.trainer(0), run.peer(0, 0), run.peer(1, 0)};
  for (const auto id : everybody)
    run.all().kill(id);
  for (const auto id : everybody)
    run.again(id);
  const std::string resumes = "the run resumes at step ";
  BOOST_REQUIRE_MESSAGE(run.all().until_said(run.trainer(0), resumes), run.all().story());
  BOOST_TEST(number_after(run.all().line_with(run.trainer(0), resumes), resumes) == promised);
  BOOST_TEST(count(run.all().lines(run.trainer(0)), "was lost") == 0);
  disk.clear();
  run.finish();
}
