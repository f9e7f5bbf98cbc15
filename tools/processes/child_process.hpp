#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace swarm::tools {

/// A program that is opened once. Whatever happens to its file afterwards, moved, deleted or
/// replaced by another build, this is what is started. A script, which its interpreter opens by its
/// name, is the exception. Copies share the descriptor.
class program {
 public:
  /// A sentence when it cannot be opened for execution.
  static std::variant<program, std::string> open(const std::string& path);

  const std::string& path() const { return path_; }
  int descriptor() const { return *descriptor_; }

 private:
  program(std::string path, int descriptor);

  std::string path_;
  std::shared_ptr<const int> descriptor_;
};

/// A process that this one started. It is killed by the operating system when this one dies, and by
/// the destructor, so nothing is left behind.
class child_process {
 public:
  /// Standard output and error go to one pipe. A sentence on failure, also when the program does
  /// not begin to run.
  static std::variant<child_process, std::string> start(const program& what,
                                                        const std::vector<std::string>& arguments);
  static std::variant<child_process, std::string> start(const std::string& path,
                                                        const std::vector<std::string>& arguments);
  child_process(child_process&& other) noexcept;
  child_process& operator=(child_process&& other) noexcept;
  ~child_process();

  pid_t pid() const { return pid_; }
  /// Non-blocking; to be polled for what the process prints.
  int output() const { return output_; }
  void signal(int number) const;

  struct ending {
    int exit_code = 0;  ///< when it was not ended by a signal
    int signal = 0;     ///< that ended it; 0: none
  };
  /// Nothing while it runs; the same answer ever after.
  std::optional<ending> poll();
  /// Blocks until it has ended.
  ending wait();

 private:
  child_process(pid_t pid, int output) : pid_(pid), output_(output) {}
  void end();

  pid_t pid_ = -1;
  int output_ = -1;
  std::optional<ending> ending_;
};

/// The path that the running program was started from.
std::string own_program();

/// Another program of this tree, such as "tools/swarm/swarm": as `bazel run` and tests see it, or
/// beside the running one. The name itself if it is nowhere.
std::string tree_program(const std::string& path);

}  // namespace swarm::tools
