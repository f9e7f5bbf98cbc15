#include "actors/telemetry/telemetry.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <caf/actor_cast.hpp>
#include <caf/actor_system.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/exit_reason.hpp>
#include <caf/system_messages.hpp>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <utility>
#include <vector>

#include "actors/telemetry/log.hpp"

namespace swarm::telemetry {

namespace {

constexpr mode_t owner_only = 0600;
/// In a row, until a file that could not be written counts as mended.
constexpr int good_flushes_wanted = 10;

using flush_atom = caf::atom_constant<caf::atom("flush")>;

class telemetry_actor : public caf::event_based_actor {
 public:
  telemetry_actor(caf::actor_config& config, telemetry_options options)
      : caf::event_based_actor(config),
        options_(std::move(options)),
        events_(options_.pending_max),
        started_(clock().now()) {
    if (!options_.log) options_.log = make_log(options_.name);
  }

  const char* name() const override { return options_.name.c_str(); }

  caf::behavior make_behavior() override {
    set_down_handler([this](caf::down_msg& down) { forget(down.source); });
    // A message of another version, or one that could not be read.
    set_default_handler(caf::drop);
    set_error_handler([](caf::error&) {});
    return {
        [this](event& e) { on_event(std::move(e)); },
        [this](const increment& i) { counters_.add(i); },
        [this](flush_atom) {
          timer_armed_ = false;
          flush();
        },
        [this](counters_atom) { return snapshot(); },
        [this](recent_atom) { return events_.recent(); },
        [this](subscribe_atom, const caf::actor& who) { return subscribe(who); },
    };
  }

  void on_exit() override { flush(); }

 private:
  void on_event(event e) {
    const auto since_start =
        std::chrono::duration_cast<std::chrono::nanoseconds>(clock().now() - started_);
    // A copy for the log, the original for those who listen.
    const bool kept = events_.add(subscribers_.empty() ? std::move(e) : event(e), since_start);
    if (!kept) return;
    ++seen_;
    for (const auto& address : subscribers_)
      if (auto subscriber = caf::actor_cast<caf::actor>(address)) send(subscriber, e);
    if (timer_armed_) return;
    timer_armed_ = true;
    delayed_send(this, options_.flush_window, flush_atom::value);
  }

  void flush() {
    const auto lines = events_.flush();
    if (options_.file.empty() || lines.empty()) return;
    if (!file_.is_open()) open_file();
    std::error_code unknown;
    const auto whole = std::filesystem::file_size(options_.file, unknown);
    if (file_.is_open() && file_.write(lines.data(), static_cast<std::streamsize>(lines.size())) &&
        file_.flush())
      return written();
    ++write_errors_;
    good_flushes_ = 0;
    file_.close();
    file_.clear();
    // Half a line would spoil the next one, too.
    std::error_code ignored;
    if (!unknown) std::filesystem::resize_file(options_.file, whole, ignored);
    if (std::exchange(complained_, true)) return;
    options_.log->error("{} cannot be written; its events are lost until it can (reported once)",
                        options_.file);
  }

  /// Of the owner alone, whatever the umask, when there is none yet.
  void open_file() {
    const int made =
        ::open(options_.file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, owner_only);
    if (made >= 0) {
      // File systems without modes refuse, and have nothing to protect.
      if (::fchmod(made, owner_only) != 0) errno = 0;
      ::close(made);
    }
    file_.open(options_.file, std::ios::app | std::ios::binary);
  }

  /// A disk that is full every other second is not worth a word a second.
  void written() {
    if (!complained_ || ++good_flushes_ < good_flushes_wanted) return;
    complained_ = false;
    options_.log->info("{} is written again; {} times its events were lost", options_.file,
                       write_errors_);
  }

  counter_snapshot snapshot() const {
    auto result = counters_.snapshot();
    result["telemetry.events"] = seen_;
    result["telemetry.dropped_events"] = events_.dropped();
    result["telemetry.write_errors"] = write_errors_;
    return result;
  }

  bool subscribe(const caf::actor& who) {
    if (!who) return false;
    const auto address = who.address();
    if (std::find(subscribers_.begin(), subscribers_.end(), address) != subscribers_.end())
      return true;
    if (subscribers_.size() >= subscribers_max) return false;
    subscribers_.push_back(address);
    monitor(who);
    return true;
  }

  void forget(const caf::actor_addr& who) {
    subscribers_.erase(std::remove(subscribers_.begin(), subscribers_.end(), who),
                       subscribers_.end());
  }

  telemetry_options options_;
  event_log events_;
  counter_table counters_;
  caf::actor_clock::time_point started_;
  std::vector<caf::actor_addr> subscribers_;
  std::ofstream file_;
  std::int64_t seen_ = 0;
  std::int64_t write_errors_ = 0;
  bool timer_armed_ = false;
  bool complained_ = false;
  int good_flushes_ = 0;  ///< since the last that failed
};

}  // namespace

caf::actor spawn_telemetry(caf::actor_system& system, telemetry_options options) {
  return system.spawn<telemetry_actor>(std::move(options));
}

}  // namespace swarm::telemetry
