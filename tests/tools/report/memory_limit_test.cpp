#include "tools/report/memory_limit.hpp"

#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <new>
#include <stdexcept>
#include <string>
#include <system_error>

namespace {

namespace fs = std::filesystem;
using namespace swarm::tools;

constexpr double gibibyte = 1024.0 * 1024 * 1024;

/// A machine's /proc and /sys in a folder.
class machine {
 public:
  machine() {
    const char* root = std::getenv("TEST_TMPDIR");
    root_ = fs::path{root == nullptr ? "/tmp" : root} / "machine";
    fs::remove_all(root_);
  }
  ~machine() { fs::remove_all(root_); }

  machine& file(const std::string& path, const std::string& text) {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream{root_ / path} << text;
    return *this;
  }
  memory_limit limit(double physical = 64 * gibibyte) const {
    memory_sources sources;
    sources.root = root_.string();
    sources.physical_bytes = physical;
    return smallest_memory_limit(sources);
  }

 private:
  fs::path root_;
};

constexpr const char* v2_mount = "30 24 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
constexpr const char* v1_mount =
    "31 24 0:27 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
    "32 24 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";

}  // namespace

BOOST_AUTO_TEST_CASE(without_cgroups_it_is_the_machines_memory) {
  machine here;
  BOOST_TEST(here.limit().bytes == 64 * gibibyte);
  BOOST_TEST(to_text(here.limit()) == "this machine has 64.0 GiB");
}

BOOST_AUTO_TEST_CASE(the_smallest_limit_of_nested_groups_counts_and_is_named) {
  machine here;
  here.file("proc/self/mountinfo", v2_mount)
      .file("proc/self/cgroup", "0::/user.slice/job/step\n")
      .file("sys/fs/cgroup/user.slice/memory.max", "8589934592\n")
      .file("sys/fs/cgroup/user.slice/job/memory.max", "1073741824\n")
      .file("sys/fs/cgroup/user.slice/job/step/memory.max", "max\n");
  BOOST_TEST(here.limit().bytes == gibibyte);
  BOOST_TEST(to_text(here.limit()) == "the cgroup /user.slice/job allows 1.0 GiB (memory.max)");
  // A machine that has less is the limit itself.
  BOOST_TEST(here.limit(gibibyte / 2).who == "this machine has");
}

BOOST_AUTO_TEST_CASE(max_is_no_limit) {
  machine here;
  here.file("proc/self/mountinfo", v2_mount)
      .file("proc/self/cgroup", "0::/\n")
      .file("sys/fs/cgroup/memory.max", "max\n");
  BOOST_TEST(here.limit().bytes == 64 * gibibyte);
}

BOOST_AUTO_TEST_CASE(the_memory_controller_of_version_1_counts) {
  machine here;
  here.file("proc/self/mountinfo", v1_mount)
      .file("proc/self/cgroup", "4:cpu,cpuacct:/other\n3:memory:/job\n0::/ignored\n")
      .file("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n")
      .file("sys/fs/cgroup/memory/job/memory.limit_in_bytes", "2147483648\n");
  BOOST_TEST(here.limit().bytes == 2 * gibibyte);
  BOOST_TEST(to_text(here.limit()) == "the cgroup /job allows 2.0 GiB (memory.limit_in_bytes)");
}

BOOST_AUTO_TEST_CASE(a_container_sees_its_group_where_the_hierarchy_is_mounted) {
  machine here;
  here.file("proc/self/mountinfo",
            "32 24 0:28 /docker/abc /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n")
      .file("proc/self/cgroup", "3:memory:/docker/abc\n")
      .file("sys/fs/cgroup/memory/memory.limit_in_bytes", "1073741824\n");
  BOOST_TEST(here.limit().bytes == gibibyte);
}

BOOST_AUTO_TEST_CASE(what_ulimit_leaves_counts) {
  memory_sources sources;
  sources.root = "/nowhere";
  sources.physical_bytes = 8 * gibibyte;
  sources.address_space_bytes_max = 4 * gibibyte;
  sources.address_space_bytes = gibibyte;
  BOOST_TEST(to_text(smallest_memory_limit(sources)) ==
             "the limit of address space leaves 3.0 GiB (ulimit -v)");
  sources.data_bytes_max = gibibyte;
  sources.data_bytes = 2 * gibibyte;
  BOOST_TEST(to_text(smallest_memory_limit(sources)) ==
             "the limit of data leaves 0 bytes (ulimit -d)");
}

BOOST_AUTO_TEST_CASE(this_process_has_a_limit) {
  BOOST_TEST(this_memory_limit().bytes > 0);
  BOOST_TEST(shared_memory_limit().bytes >= this_memory_limit().bytes);
}

BOOST_AUTO_TEST_CASE(an_allocation_that_failed_is_told_with_what_is_held_and_allowed) {
  const auto plain = failure_text(std::bad_alloc{});
  BOOST_TEST(plain.find("bad_alloc") == std::string::npos);
  BOOST_TEST(plain.find("this process holds") != std::string::npos);
  const auto torch = failure_text(std::runtime_error{
      "[enforce fail at alloc_cpu.cpp:75] err == 0. DefaultCPUAllocator: can't allocate memory: "
      "you tried to allocate 2147483648 bytes. Error code 12\nframe #0: ..."});
  BOOST_TEST(torch.find("2.0 GiB more are needed") != std::string::npos);
  BOOST_TEST(torch.find('\n') == std::string::npos);
  const auto thread = failure_text(std::system_error{EAGAIN, std::system_category(), "no thread"});
  BOOST_TEST(thread.find("ulimit -u") != std::string::npos);
  BOOST_TEST(failure_text(std::runtime_error{"first\nsecond"}) == "first");
}
