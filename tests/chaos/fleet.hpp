#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "tools/processes/child_process.hpp"

/// Real processes that are started, hurt and listened to one by one.
namespace swarm::chaos {

/// Of every wait for a condition: far more than a good run takes on a busy machine.
inline constexpr std::chrono::seconds patience{45};

/// Time is the operating system's timer. What still runs is killed by the destructor, and by the
/// operating system when the test dies.
class fleet {
 public:
  using id = size_t;

  fleet();
  ~fleet();
  fleet(const fleet&) = delete;
  fleet& operator=(const fleet&) = delete;

  id start(const std::string& name, const std::string& program,
           const std::vector<std::string>& arguments);
  /// The same name, other arguments; the process must have ended.
  void again(id which, const std::vector<std::string>& arguments);
  void signal(id which, int number);
  /// SIGKILL, and waits for the end.
  void kill(id which);

  /// Listens to all until the condition holds. False: the limit passed before.
  bool until(const std::function<bool()>& condition, std::chrono::milliseconds limit = patience);
  bool until_said(id which, const std::string& text);
  std::optional<tools::child_process::ending> until_ended(id which);

  /// One of its lines since it was started last contains the text.
  bool said(id which, const std::string& text) const;
  /// The last of those lines; empty if there is none.
  std::string line_with(id which, const std::string& text) const;
  /// Since it was started last.
  const std::vector<std::string>& lines(id which) const;
  std::optional<tools::child_process::ending> ended(id which) const;
  pid_t pid(id which) const;
  const std::string& name(id which) const;
  size_t size() const { return members_.size(); }
  std::chrono::milliseconds now() const { return now_; }

  /// What each said last: for the message of a failed check.
  std::string story() const;

 private:
  struct member {
    std::string name;
    std::string program;
    std::optional<tools::child_process> process;
    std::vector<std::string> lines;
    std::string partial;
    std::optional<tools::child_process::ending> ended;
  };

  void read(member& from);
  void listen();

  std::vector<member> members_;
  int timer_ = -1;
  std::chrono::milliseconds now_{0};
};

}  // namespace swarm::chaos
