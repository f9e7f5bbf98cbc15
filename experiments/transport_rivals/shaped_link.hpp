#pragma once

#include <memory>
#include <string>
#include <vector>

namespace swarm::experiments {

/// Two network namespaces with a link of so many Mbit/s between them, each way. They go with it.
class shaped_link {
 public:
  /// Null where this is not possible: not root, or no `ip` and `tc`.
  static std::unique_ptr<shaped_link> make(int mbit);
  ~shaped_link();
  shaped_link(const shaped_link&) = delete;
  shaped_link& operator=(const shaped_link&) = delete;

  /// Of the first one.
  std::string address() const;
  /// What to put before a command to run it in the first or the second.
  std::vector<std::string> enter_first() const;
  std::vector<std::string> enter_second() const;

 private:
  explicit shaped_link(std::string name) : name_(std::move(name)) {}
  bool build(int mbit);

  const std::string name_;
};

}  // namespace swarm::experiments
