#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace swarm::experiments {

/// A program that obeys lines on its standard input and answers with lines. It dies with this one.
class rival_process {
 public:
  /// argv[0] is a path, or a name on PATH. A sentence on failure.
  static std::variant<rival_process, std::string> start(const std::vector<std::string>& argv);
  rival_process(rival_process&& other) noexcept;
  rival_process& operator=(rival_process&&) = delete;
  ~rival_process();

  /// Nothing when it has ended, or has not answered within two minutes.
  std::optional<std::string> read_line();
  std::optional<std::vector<double>> ask(const std::string& command);

  /// Of processor time so far.
  double cpu_seconds() const;
  /// Once it has ended.
  int exit_code();

 private:
  rival_process(pid_t pid, int to, int from) : pid_(pid), to_(to), from_(from) {}

  pid_t pid_;
  int to_;
  int from_;
  std::string unread_;
};

/// A serving and an asking process of one way.
struct rival_pair {
  rival_process server;
  rival_process client;

  double cpu_seconds() const { return server.cpu_seconds() + client.cpu_seconds(); }
};

struct rival_spec {
  std::string program;
  std::string way;
  std::vector<std::string> settings;
  std::string host = "127.0.0.1";
  /// Before the command lines of the two: how to enter a namespace.
  std::vector<std::string> server_prefix;
  std::vector<std::string> client_prefix;
};

/// On failure a sentence; empty when the way is not installed.
std::variant<rival_pair, std::string> start_pair(const rival_spec& spec);

}  // namespace swarm::experiments
