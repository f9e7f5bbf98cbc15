#include "tensors/engine/cpu_kernels.hpp"

#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <map>
#include <set>

using namespace swarm::tensors;

namespace {

std::map<std::string, std::string> settings(const cpu_features& cpu, const std::string& blas,
                                            const std::set<std::string>& already = {}) {
  const auto list =
      kernel_settings(cpu, blas, [&](const char* name) { return already.count(name) > 0; });
  return {list.begin(), list.end()};
}

const cpu_features plain{};
const cpu_features avx2{true, false, false};
const cpu_features early512{true, true, false};
const cpu_features full512{true, true, true};

}  // namespace

BOOST_AUTO_TEST_CASE(a_blas_older_than_the_processor_gets_the_widest_kernels) {
  for (const char* old : {"Haswell", "Zen", "Prescott", "Sandybridge"}) {
    BOOST_TEST(settings(full512, old).at("OPENBLAS_CORETYPE") == "SKYLAKEX");
    BOOST_TEST(settings(early512, old).at("OPENBLAS_CORETYPE") == "SKYLAKEX");
  }
  BOOST_TEST(settings(avx2, "Prescott").at("OPENBLAS_CORETYPE") == "HASWELL");
}

BOOST_AUTO_TEST_CASE(good_and_unknown_kernels_are_left_alone) {
  for (const char* name : {"SkylakeX", "Cooperlake", "SapphireRapids", "NeoverseN1", ""}) {
    BOOST_TEST(settings(full512, name).count("OPENBLAS_CORETYPE") == 0u);
    BOOST_TEST(settings(early512, name).empty());
  }
  BOOST_TEST(settings(avx2, "Haswell").empty());
  BOOST_TEST(settings(plain, "Prescott").empty());
}

BOOST_AUTO_TEST_CASE(wide_loops_only_where_the_clock_stands_it) {
  BOOST_TEST(settings(full512, "Cooperlake").at("ATEN_CPU_CAPABILITY") == "avx512");
  BOOST_TEST(settings(early512, "Cooperlake").count("ATEN_CPU_CAPABILITY") == 0u);
}

BOOST_AUTO_TEST_CASE(what_the_user_set_stays) {
  BOOST_TEST(settings(full512, "Haswell", {"OPENBLAS_CORETYPE", "ATEN_CPU_CAPABILITY"}).empty());
  BOOST_TEST(settings(full512, "Haswell", {"ATEN_CPU_CAPABILITY"}).count("OPENBLAS_CORETYPE") ==
             1u);
}

BOOST_AUTO_TEST_CASE(detection_is_consistent) {
  const auto cpu = detect_cpu();
  BOOST_TEST((!cpu.avx512 || cpu.avx2_fma));
  BOOST_TEST((!cpu.avx512_full || cpu.avx512));
}

BOOST_AUTO_TEST_CASE(a_restarted_program_does_not_restart_again) {
  char name[] = "test";
  char* argv[] = {name, nullptr};
  setenv("SWARM_KERNELS_TUNED", "1", 1);
  tune_and_reexec(1, argv);
  unsetenv("SWARM_KERNELS_TUNED");
  BOOST_TEST(std::getenv("SWARM_KERNELS_TUNED") == nullptr);
}
