#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "actors/peer/admission.hpp"
#include "actors/peer/gateway.hpp"
#include "actors/peer/network.hpp"
#include "actors/transport/endpoint.hpp"

namespace swarm::peer {

struct link_news {
  enum class kind : uint8_t { up, down, roster, superseded };

  kind what = kind::up;
  transport::link_id link;
  neighbourhood::introduction who;
  std::string agent;
  std::string kernels;
  std::string greeting;  ///< of one that is up, as it came
  std::optional<int64_t> clock_ahead_ms;
  std::string sentence;
  bool final = false;  ///< of one that is down: dialling again changes nothing
  wire::roster roster;
  rival other;  ///< superseded: a later life of this very peer
};

/// What may happen before the actor has begun, which is a matter of a scheduler's turn.
constexpr size_t early_news_max = 16 * transport::links_max;

/// Whatever lives as long as the endpoint's thread may call.
class switchboard final : public transport::events {
 public:
  switchboard(std::shared_ptr<gateway> handles, std::shared_ptr<admission> door,
              std::function<int64_t()> clock)
      : handles_(std::move(handles)), door_(std::move(door)), clock_(std::move(clock)) {}

  /// What happened before is told now: a listener may be dialled before its actor has begun.
  void report_to(const network_actor& actor);
  void report_to_nobody();

  std::optional<std::string> on_greeting(const transport::remote& who) override;
  void on_up(transport::link_id which) override;
  void on_message(transport::link_id which, const transport::heading& head,
                  std::variant<wire::frame_ptr, wire::errc> body) override;
  void on_down(transport::link_id which, transport::down_reason reason,
               const std::string& sentence) override;

 private:
  void tell(link_news news);
  void tell_rival(transport::link_id which, const std::string& greeting);

  const std::shared_ptr<gateway> handles_;
  const std::shared_ptr<admission> door_;
  const std::function<int64_t()> clock_;  ///< Unix milliseconds; may be absent
  std::mutex mutex_;
  network_actor actor_;
  bool over_ = false;
  std::vector<link_news> early_;
  std::map<transport::link_id, link_news> greeted_;  // of the endpoint's thread only
};

}  // namespace swarm::peer
