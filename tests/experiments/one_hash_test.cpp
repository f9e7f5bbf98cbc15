// Reproducible mode, as a user meets it: the same flags end with the same weights, whichever
// program trains them, on however many threads, and whatever the environment asks for.

#include <boost/test/unit_test.hpp>
#include <string>

#include "tensors/engine/cpu_kernels.hpp"
#include "tests/experiments/programs.hpp"

using namespace swarm;
using programs::contains;
using programs::hash_after;
using programs::words;

namespace {

enum program { baseline = 1, quickstart, the_swarm };

const words flags{"--data=text.txt",  "--layers=2", "--width=32",  "--heads=2",
                  "--context=16",     "--rows=2",   "--steps=12",  "--stages=2",
                  "--microbatches=3", "--warmup=3", "--workers=1", "--reproducible"};

words with(const words& more) {
  auto result = flags;
  result.insert(result.end(), more.begin(), more.end());
  return result;
}

std::string hash_of_baseline(const programs::place& here, const words& more,
                             const std::string& environment = "") {
  auto all = with({"--out="});
  all.insert(all.end(), more.begin(), more.end());
  const auto ran = here.run(baseline, all, environment);
  BOOST_TEST(ran.exit_code == 0, ran.errors);
  return hash_after(ran.output, "weights ");
}

}  // namespace

BOOST_AUTO_TEST_CASE(all_programs_end_with_one_hash) {
  const programs::place here;
  const auto hash = hash_of_baseline(here, {"--threads=1"});
  BOOST_REQUIRE_EQUAL(hash.size(), 32U);
  const auto embedded = here.run(quickstart, with({"--out=", "--kills=0", "--sample=0"}));
  BOOST_TEST(embedded.exit_code == 0, embedded.errors);
  BOOST_TEST(hash_after(embedded.output, "weights ") == hash, embedded.output);
  const auto up = here.run(the_swarm, [] {
    auto all = with({"--dir=run", "--trainers=1"});
    all.insert(all.begin(), "up");
    return all;
  }());
  BOOST_TEST(up.exit_code == 0, up.output + up.errors);
  BOOST_TEST(hash_after(up.output, "\"weights_hash\":\"") == hash, up.output);
}

BOOST_AUTO_TEST_CASE(threads_do_not_change_it) {
  const programs::place here;
  BOOST_TEST(hash_of_baseline(here, {"--threads=2"}) == hash_of_baseline(here, {"--threads=1"}));
}

#ifdef __x86_64__
BOOST_AUTO_TEST_CASE(the_environment_does_not_change_it) {
  if (tensors::kernels_missing("avx2", tensors::detect_cpu())) return;
  const programs::place here;
  const auto hash = hash_of_baseline(here, {});
  for (const char* environment :
       {"OPENBLAS_CORETYPE=SKYLAKEX ATEN_CPU_CAPABILITY=avx512", "OPENBLAS_CORETYPE=NEHALEM",
        "ATEN_CPU_CAPABILITY=default ONEDNN_MAX_CPU_ISA=SSE41"}) {
    BOOST_TEST(hash_of_baseline(here, {}, environment) == hash, environment);
  }
}

BOOST_AUTO_TEST_CASE(each_level_has_bits_of_its_own_and_is_held) {
  const programs::place here;
  const auto usual = hash_of_baseline(here, {});
  for (const std::string level : {"baseline", "avx512"}) {
    if (tensors::kernels_missing(level, tensors::detect_cpu())) continue;
    const auto hash = hash_of_baseline(here, {"--kernels=" + level});
    BOOST_TEST(hash != usual, level);
    BOOST_TEST(hash_of_baseline(here, {"--kernels=" + level}, "OPENBLAS_CORETYPE=HASWELL") == hash);
  }
}

BOOST_AUTO_TEST_CASE(a_process_that_is_kept_from_the_runs_kernels_refuses_with_both) {
  if (tensors::kernels_missing("avx2", tensors::detect_cpu())) return;
  const programs::place here;
  const auto forced = "SWARM_KERNELS_TUNED=1 OPENBLAS_CORETYPE=NEHALEM ATEN_CPU_CAPABILITY=default";
  const auto ran = here.run(baseline, with({"--out="}), forced);
  BOOST_TEST(ran.exit_code == 1);
  BOOST_TEST(contains(ran.errors, "the run's kernels are avx2"), ran.errors);
  BOOST_TEST(contains(ran.errors, "Nehalem"), ran.errors);
  BOOST_TEST(!contains(ran.output, "weights"), ran.output);
}

BOOST_AUTO_TEST_CASE(a_peer_that_is_kept_from_them_never_joins) {
  if (tensors::kernels_missing("avx2", tensors::detect_cpu())) return;
  const programs::place here;
  auto make = with({"--dir=run", "--peers=2"});
  make.insert(make.begin(), "keygen");
  BOOST_REQUIRE_EQUAL(here.run(the_swarm, make).exit_code, 2);  // --workers is up's alone
  make.erase(std::find(make.begin(), make.end(), "--workers=1"));
  BOOST_REQUIRE_EQUAL(here.run(the_swarm, make).exit_code, 0);
  const auto ran = here.run(the_swarm,
                            {"peer", "--token=run/peer-2.token", "--run=run/run.swarm",
                             "--bind=127.0.0.1:0", "--join=127.0.0.1:1"},
                            "SWARM_KERNELS_TUNED=1 OPENBLAS_CORETYPE=NEHALEM");
  BOOST_TEST(ran.exit_code == 1);
  BOOST_TEST(contains(ran.errors, "swarm peer: the run's kernels are avx2"), ran.errors);
  BOOST_TEST(contains(ran.errors, "Nehalem"), ran.errors);
}
#endif

BOOST_AUTO_TEST_CASE(a_level_needs_reproducible_mode_and_a_name_that_exists) {
  const programs::place here;
  const auto unasked = here.run(baseline, {"--data=text.txt", "--kernels=avx2"});
  BOOST_TEST(unasked.exit_code == 2);
  BOOST_TEST(contains(unasked.errors, "--kernels=avx2 needs --reproducible"), unasked.errors);
  const auto unknown = here.run(baseline, {"--data=text.txt", "--reproducible", "--kernels=sse9"});
  BOOST_TEST(unknown.exit_code == 2);
  BOOST_TEST(contains(unknown.errors, "--kernels=sse9 is none of baseline, avx2"), unknown.errors);
}
