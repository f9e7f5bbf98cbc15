#include "tools/swarm/computing_session.hpp"

#include <cstdio>
#include <optional>
#include <utility>

#include "actors/peer/peer_ids.hpp"
#include "tensors/engine/kernels_in_use.hpp"
#include "tools/report/one_line.hpp"
#include "tools/run/run_files.hpp"

namespace swarm::tools {

namespace {

using alarm_line = std::function<void(const std::string&)>;

void overruled(const std::string& what) {
  std::fprintf(stderr, "%s\n", one_line(what).c_str());
}

std::variant<std::unique_ptr<session>, std::string> open_named(const network_options& options,
                                                               session::role what, const char* name,
                                                               const alarm_line& say) {
  what.kernels = tensors::kernels_in_use();
  auto opened = session::open(options, what);
  if (const auto* made = std::get_if<std::unique_ptr<session>>(&opened)) {
    auto& here = **made;
    here.say_alarms(say);
    const auto& address = (*made)->node().address();
    std::printf("%s %s, life %llu, %s\n", name, peer::short_name(here.id()).c_str(),
                static_cast<unsigned long long>(here.life()),
                address.empty() ? "dials only" : ("at " + address).c_str());
  }
  return opened;
}

}  // namespace

std::variant<computing_session, session_failure> open_computing(
    const network_options& options, session::role what, const char* name, const alarm_line& say,
    stop_signals& signals, std::chrono::milliseconds limit) {
  std::string level;
  if (!what.description_file.empty()) {
    const auto loaded = load_description(what.description_file, std::nullopt);
    // What is wrong with the file is the session's to say.
    if (const auto* described = std::get_if<loaded_description>(&loaded))
      level = described->run.kernels;
  }
  if (auto why = tensors::use_kernels(level, &overruled)) return session_failure{*why};
  auto opened = open_named(options, what, name, say);
  if (auto* why = std::get_if<std::string>(&opened)) return session_failure{*why};
  auto here = std::move(std::get<std::unique_ptr<session>>(opened));
  auto described = here->describe(signals, limit);
  if (auto* why = std::get_if<std::string>(&described)) {
    return session_failure{*why, here->token_in_use().empty() ? exit_failure : exit_token_in_use};
  }
  auto run = std::move(std::get<identity::run_description>(described));
  if (!run.reproducible || !what.description_file.empty())
    return computing_session{std::move(here), std::move(run)};
  what.description = here->description();
  here.reset();
  if (auto why = tensors::use_kernels(run.kernels, &overruled)) return session_failure{*why};
  opened = open_named(options, what, name, say);
  if (auto* why = std::get_if<std::string>(&opened)) return session_failure{*why};
  return computing_session{std::move(std::get<std::unique_ptr<session>>(opened)), std::move(run)};
}

}  // namespace swarm::tools
