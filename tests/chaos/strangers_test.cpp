#include <boost/test/unit_test.hpp>
#include <fstream>
#include <mutex>

#include "actors/identity/certificate.hpp"
#include "actors/identity/secret_file.hpp"
#include "actors/transport/endpoint.hpp"
#include "tests/chaos/rig.hpp"
#include "tools/processes/state_folder.hpp"
#include "tools/run/run_files.hpp"

// Who does not belong to the run is refused, is told why, and changes nothing.

using namespace swarm;
using namespace std::chrono_literals;

namespace {

/// What is told about a connection that we dial.
struct witness : transport::events {
  std::optional<std::string> on_greeting(const transport::remote&) override { return {}; }
  void on_up(transport::link_id) override {}
  void on_message(transport::link_id, const transport::heading&,
                  std::variant<wire::frame_ptr, wire::errc>) override {}
  void on_down(transport::link_id, transport::down_reason, const std::string& sentence) override {
    const std::lock_guard<std::mutex> guard{mutex};
    told = sentence;
  }
  std::string read() {
    const std::lock_guard<std::mutex> guard{mutex};
    return told;
  }

  std::mutex mutex;
  std::string told;
};

identity::key_pair run_key(const std::string& folder) {
  const auto read = identity::read_secret(folder + "/run.key");
  auto text = std::get<std::string>(read);
  text.pop_back();
  const auto bytes = identity::from_base64url(text).value();
  identity::key_seed seed{};
  std::copy(bytes.begin(), bytes.end(), seed.begin());
  return identity::key_pair::from_seed(seed);
}

identity::join_token token_of(const chaos::rig& run) {
  auto loaded = tools::load_token(run.token(1), tools::unix_now_ms());
  return std::get<identity::join_token>(loaded);
}

/// A token that was issued long ago, for so long.
identity::join_token old_token(const chaos::rig& run, int64_t age_s, int64_t valid_s) {
  const auto mine = token_of(run);
  return identity::issue_token(run_key(run.folder()), mine.run_name, mine.authority_der,
                               tools::unix_now_ms() / 1000 - age_s, valid_s);
}

/// Another description of the same run, signed by its key: its file and its hash.
std::pair<std::string, std::string> other_description(const chaos::rig& run) {
  auto loaded = tools::load_description(run.description(), std::nullopt);
  auto changed = std::get<tools::loaded_description>(loaded).run;
  changed.seed += 1;
  const auto path = run.folder() + "/other.swarm";
  std::ofstream out{path, std::ios::binary};
  out << identity::sign_description(changed, run_key(run.folder()));
  return {path, identity::description_hash(changed)};
}

std::string hash_of(const chaos::rig& run) {
  auto loaded = tools::load_description(run.description(), std::nullopt);
  return identity::description_hash(std::get<tools::loaded_description>(loaded).run);
}

chaos::fleet::id stranger(chaos::rig& run, const std::string& name,
                          std::vector<std::string> flags) {
  flags.insert(flags.begin(), {"peer", "--join=" + run.address(run.peer(0, 0))});
  return run.all().start(name, chaos::program(), flags);
}

}  // namespace

BOOST_AUTO_TEST_CASE(strangers_are_refused_and_told_why_while_the_run_goes_on) {
  chaos::rig run{"strangers", {}};
  const auto other = chaos::scratch("other-run");
  chaos::make_run(other, chaos::small_model(2, 10), 1);
  const auto [changed, changed_hash] = other_description(run);
  run.begin();
  const auto wrong_run = stranger(
      run, "wrong-run",
      {"--token=" + tools::token_file(other, 1), "--run=" + tools::description_file(other)});
  const auto plain = stranger(
      run, "plain", {"--token=" + run.token(8), "--run=" + run.description(), "--insecure"});
  const auto mismatch = stranger(run, "mismatch", {"--token=" + run.token(9), "--run=" + changed});
  const auto expired =
      stranger(run, "expired",
               {"--token=" + identity::to_text(old_token(run, 10 * 24 * 3600, 3600)),
                "--run=" + run.description()});
  const auto said = [&](chaos::fleet::id who, const std::string& words) {
    BOOST_TEST(run.all().until_said(who, words), "'" << words << "'; " << run.all().story());
  };
  said(wrong_run, "certificate");
  said(plain, "it speaks TLS");
  said(mismatch, hash_of(run));
  said(mismatch, changed_hash);
  said(expired, "the token expired");
  BOOST_REQUIRE(run.all().until_ended(expired));
  BOOST_TEST(run.all().ended(expired)->exit_code == 1);
  run.finish();
}

BOOST_AUTO_TEST_CASE(an_expired_certificate_is_refused_by_the_far_side) {
  chaos::rig::shape shape;
  shape.peers = 1;
  shape.trainers = 1;
  chaos::rig run{"expired", shape};
  run.begin();
  // As from a peer whose own clock goes late.
  const auto token = old_token(run, 10 * 24 * 3600, 3600);
  transport::endpoint_options options;
  options.tls = transport::tls_options{identity::certificate_pem(token.authority_der),
                                       identity::certificate_pem(token.certificate_der),
                                       identity::private_key_pem(token.peer.seed())};
  witness saw;
  auto opened = transport::endpoint::open(options, saw);
  BOOST_REQUIRE(std::holds_alternative<std::unique_ptr<transport::endpoint>>(opened));
  std::get<0>(opened)->dial(run.address(run.peer(0, 0)));
  BOOST_TEST(run.all().until([&] { return !saw.read().empty(); }), run.all().story());
  BOOST_TEST(saw.read().find("certificate has expired") != std::string::npos, saw.read());
  run.finish();
}
