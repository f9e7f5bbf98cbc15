#pragma once

#include <spdlog/common.h>
#include <spdlog/logger.h>

#include <memory>
#include <string>

namespace swarm::telemetry {

struct log_options {
  spdlog::level::level_enum level = spdlog::level::info;
  /// Where the lines go; null: standard error, shared by all loggers of the process.
  spdlog::sink_ptr sink;
};

/// "trace", "debug", "info", "warn", "error", "critical", "off" -> the level. False and `level`
/// untouched for anything else.
bool read_level(const std::string& text, spdlog::level::level_enum& level);

/// The one place where loggers are made. Named after the actor that holds it; thread-safe; not in
/// spdlog's registry, so the name may repeat.
std::shared_ptr<spdlog::logger> make_log(const std::string& actor_name,
                                         const log_options& options = {});

}  // namespace swarm::telemetry
