#include "tensors/engine/cpu_kernels.hpp"

#include <algorithm>
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
  setenv("SWARM_KERNELS_TUNED", "1", 1);
  tune_and_reexec();
  unsetenv("SWARM_KERNELS_TUNED");
  BOOST_TEST(std::getenv("SWARM_KERNELS_TUNED") == nullptr);
}

BOOST_AUTO_TEST_CASE(every_architecture_has_levels_and_the_first_is_the_default) {
  BOOST_REQUIRE(!kernel_levels().empty());
  BOOST_TEST(default_kernels() == kernel_levels().front().name);
  const auto known = known_kernels();
  for (const auto& level : kernel_levels()) {
    BOOST_TEST(std::count(known.begin(), known.end(), level.name) == 1, level.name);
    BOOST_TEST(!kernels_missing(level.name, full512));
  }
#ifdef __x86_64__
  BOOST_TEST(default_kernels() == "avx2");
#endif
}

#ifdef __x86_64__
BOOST_AUTO_TEST_CASE(a_processor_without_a_level_is_told_both_values) {
  BOOST_TEST(!kernels_missing("baseline", plain));
  BOOST_TEST(!kernels_missing("avx2", avx2));
  for (const char* part : {"avx2", "this processor has baseline"}) {
    const auto why = kernels_missing("avx2", plain);
    BOOST_REQUIRE(why);
    BOOST_TEST(why->find(part) != std::string::npos, *why);
  }
  BOOST_TEST(kernels_missing("avx512", avx2).has_value());
  BOOST_TEST(kernels_missing("armv8", full512).has_value());
}

BOOST_AUTO_TEST_CASE(children_are_given_the_level_in_advance_unless_it_is_forbidden) {
  setenv("SWARM_KERNELS_TUNED", "1", 1);
  prepare_kernels_of_children("avx2");
  BOOST_TEST(std::getenv("SWARM_KERNELS_TUNED") == std::string{"1"});
  unsetenv("SWARM_KERNELS_TUNED");
  setenv("OPENBLAS_CORETYPE", "SKYLAKEX", 1);
  prepare_kernels_of_children("avx2");
  BOOST_TEST(std::getenv("SWARM_KERNELS_TUNED") == std::string{"avx2"});
  for (const auto& [name, value] : kernel_levels().front().settings)
    BOOST_TEST(std::getenv(name.c_str()) == value);
  for (const auto& [name, value] : kernel_levels().front().settings)
    unsetenv(name.c_str());
  unsetenv("SWARM_KERNELS_TUNED");
}
#endif
