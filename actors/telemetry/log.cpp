#include "actors/telemetry/log.hpp"

#include <spdlog/sinks/stdout_color_sinks.h>

#include <array>
#include <string_view>
#include <utility>

namespace swarm::telemetry {

bool read_level(const std::string& text, spdlog::level::level_enum& level) {
  using named = std::pair<std::string_view, spdlog::level::level_enum>;
  static constexpr std::array<named, 7> levels{{{"trace", spdlog::level::trace},
                                                {"debug", spdlog::level::debug},
                                                {"info", spdlog::level::info},
                                                {"warn", spdlog::level::warn},
                                                {"error", spdlog::level::err},
                                                {"critical", spdlog::level::critical},
                                                {"off", spdlog::level::off}}};
  for (const auto& [name, value] : levels) {
    if (name != text) continue;
    level = value;
    return true;
  }
  return false;
}

std::shared_ptr<spdlog::logger> make_log(const std::string& actor_name,
                                         const log_options& options) {
  static const spdlog::sink_ptr standard_error =
      std::make_shared<spdlog::sinks::stderr_color_sink_mt>();
  auto log =
      std::make_shared<spdlog::logger>(actor_name, options.sink ? options.sink : standard_error);
  log->set_level(options.level);
  log->flush_on(spdlog::level::warn);
  return log;
}

}  // namespace swarm::telemetry
