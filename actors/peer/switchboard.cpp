#include "actors/peer/switchboard.hpp"

#include <caf/send.hpp>
#include <utility>

#include "actors/peer/roster_message.hpp"

namespace swarm::peer {

using transport::link_id;

void switchboard::report_to(const network_actor& actor) {
  const std::lock_guard<std::mutex> guard{mutex_};
  actor_ = actor;
  for (auto& news : std::exchange(early_, {}))
    caf::anon_send(actor_, std::move(news));
}

void switchboard::report_to_nobody() {
  const std::lock_guard<std::mutex> guard{mutex_};
  actor_ = network_actor{};
  over_ = true;
}

std::optional<std::string> switchboard::on_greeting(const transport::remote& who) {
  auto checked = door_->check(who);
  if (auto* sentence = std::get_if<std::string>(&checked)) {
    tell_rival(who.link, who.greeting);
    return std::move(*sentence);
  }
  auto& known = std::get<acquaintance>(checked);
  link_news news;
  news.link = who.link;
  news.who = {known.peer,  known.life,     std::move(known.announce),
              who.dialled, known.observer, known.started_unix_ms};
  news.agent = std::move(known.agent);
  news.kernels = std::move(known.kernels);
  news.greeting = who.greeting;
  if (clock_ && known.unix_ms != 0) news.clock_ahead_ms = known.unix_ms - clock_();
  greeted_[who.link] = std::move(news);
  return std::nullopt;
}

void switchboard::on_up(link_id which) {
  handles_->on_up(which);
  const auto found = greeted_.find(which);
  if (found == greeted_.end()) return;
  tell(std::move(found->second));
  greeted_.erase(found);
}

void switchboard::on_message(link_id which, const transport::heading& head,
                             std::variant<wire::frame_ptr, wire::errc> body) {
  if (head.target != network_slot) return handles_->on_message(which, head, std::move(body));
  if (head.type == capnp::typeId<schemas::Greeting>()) {
    const auto* frame = std::get_if<wire::frame_ptr>(&body);
    if (frame != nullptr && *frame) tell_rival(which, greeting_bytes(**frame));
    return;
  }
  auto roster = read_roster(head.type, std::move(body));
  if (!roster) return;
  link_news news;
  news.what = link_news::kind::roster;
  news.link = which;
  news.roster = std::move(*roster);
  tell(std::move(news));
}

void switchboard::on_down(link_id which, transport::down_reason reason,
                          const std::string& sentence) {
  greeted_.erase(which);
  handles_->on_down(which);
  link_news news;
  news.what = link_news::kind::down;
  news.link = which;
  news.sentence = sentence;
  news.final = reason == transport::down_reason::refused;
  tell(std::move(news));
}

void switchboard::tell_rival(link_id which, const std::string& greeting) {
  auto other = door_->rival_in(greeting);
  if (!other) return;
  link_news news;
  news.what = link_news::kind::superseded;
  news.link = which;
  news.other = std::move(*other);
  tell(std::move(news));
}

void switchboard::tell(link_news news) {
  const std::lock_guard<std::mutex> guard{mutex_};
  if (over_) return;
  if (actor_)
    caf::anon_send(actor_, std::move(news));
  else if (early_.size() < early_news_max)
    early_.push_back(std::move(news));
}

}  // namespace swarm::peer
