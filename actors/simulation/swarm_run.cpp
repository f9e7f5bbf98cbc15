#include "actors/simulation/swarm_run.hpp"

#include <algorithm>
#include <caf/event_based_actor.hpp>
#include <optional>
#include <set>
#include <utility>

#include "actors/invariant.hpp"
#include "actors/peer/embedded_swarm.hpp"
#include "actors/simulation/fault_driver.hpp"
#include "actors/simulation/fleet.hpp"
#include "actors/simulation/mission_plan.hpp"
#include "actors/simulation/modelled_engine.hpp"
#include "actors/simulation/service_watch.hpp"
#include "actors/telemetry/event.hpp"
#include "actors/telemetry/event_log.hpp"
#include "actors/transport/endpoint.hpp"

namespace swarm::simulation {

namespace {

using namespace std::chrono_literals;

constexpr moment mailbox_check_period = 500ms;
constexpr double fetch_slack_s = 30;
constexpr size_t laggards_named_max = 8;

double to_seconds(moment time) {
  return std::chrono::duration<double>(time).count();
}

/// Where broken assertions of the production code go; one run at a time.
invariants* listening = nullptr;

class swarm_run {
 public:
  swarm_run(const scenario& what, uint64_t seed, const model_catalogue& models,
            const run_options& options)
      : options_(options),
        world_(seed, &peer::add_message_types),
        plan_(drawn_plan(what, options)),
        net_(world_, seed ^ 0x5eed),
        links_(world_, net_, plan_.contacts),
        model_(models.at(what.model)({plan_.stages, plan_.microbatches, plan_.shape})),
        invariants_(model_.expected),
        fleet_(
            world_, net_, links_, plan_, model_, spawn_sink(),
            [this](size_t member, const engine_event& e) { on_engine(member, e); },
            world_.random().next()),
        driver_(what, options.faults, world_, net_, fleet_, world_.random().next()),
        watch_(plan_.stages),
        resume_s_(what.resume_s.high) {
    if (what.has_size()) shape_ = shape_of(what);
    result_.scenario = what.name;
    result_.seed = seed;
    result_.hosts = fleet_.members().size();
    stands_.resize(fleet_.members().size());
    for (const auto& member : fleet_.members())
      began_.push_back(member.stage);
    net_.model().set_default(plan_.path);
    net_.model().set_control_bytes_max(transport::control_body_bytes_max);
    net_.set_scale(model_.scale);
    // Whoever refreshes its contacts instead would not notice.
    if (plan_.contacts.silence.count() > 0)
      net_.model().set_queue_bytes_max(transport::endpoint_options{}.queue_bytes_max);
    listening = &invariants_;
    listen_for_broken_invariants([](const char* sentence, const char* file, int line) {
      listening->broken(invariant_rule::ledger_balances,
                        std::string{sentence} + " (" + file + ":" + std::to_string(line) + ")", 0);
    });
  }

  ~swarm_run() {
    listen_for_broken_invariants(nullptr);
    listening = nullptr;
  }

  run_result go() {
    for (auto& member : fleet_.members())
      member.where->start();
    for (const auto& event : driver_.timeline())
      if (!advance_to(event.at) || !strike(event)) return finish();
    if (!advance_to(driver_.duration())) return finish();
    calm();
    shut_down();
    return finish();
  }

 private:
  fleet_plan drawn_plan(const scenario& what, const run_options& options) {
    auto plan = draw_fleet(what, world_.random());
    give_hosts(plan, options.hosts);
    plan.routing = options.routing;
    return plan;
  }

  double now_s() { return to_seconds(world_.now()); }

  void trace(const std::string& line) {
    if (options_.trace) options_.trace(std::to_string(now_s()) + " " + line);
  }

  // -- what the actors say --------------------------------------------------------------------

  caf::actor spawn_sink() {
    return world_.system().spawn([this](caf::event_based_actor*) -> caf::behavior {
      return {[this](const telemetry::event& e) { on_event(e); }};
    });
  }

  static std::string text_of(const telemetry::event& e, const char* key) {
    const auto* value = telemetry::find(e, key);
    const auto* text = value != nullptr ? std::get_if<std::string>(value) : nullptr;
    return text != nullptr ? *text : std::string{};
  }

  static int64_t number_of(const telemetry::event& e, const char* key) {
    const auto* value = telemetry::find(e, key);
    const auto* number = value != nullptr ? std::get_if<int64_t>(value) : nullptr;
    return number != nullptr ? *number : 0;
  }

  void on_event(const telemetry::event& e) {
    const auto why = text_of(e, "why");
    ++result_.events[why.empty() ? e.name : e.name + ": " + why];
    if (e.name == "joined" && number_of(e, "followed") > 0) ++result_.events["followed"];
    if (options_.trace) trace(telemetry::to_json_line(e, world_.now()));
    if (e.name == "step")
      invariants_.committed(term_id{static_cast<uint64_t>(number_of(e, "term"))},
                            step_id{number_of(e, "step")}, now_s());
    if (e.name == "move_granted") {
      const auto mover = static_cast<size_t>(number_of(e, "peer")) - 1;
      if (const auto why = watch_.granted(mover, watched(), now_s()))
        invariants_.broken(invariant_rule::stages_served, *why, now_s());
    }
    if (e.name == "rescued" || (e.name == "resumed" && telemetry::find(e, "from") != nullptr)) {
      const auto back = std::max<int64_t>(0, reached_ - number_of(e, "step"));
      reached_ = number_of(e, "step");
      result_.steps_back.push_back(static_cast<double>(back));
      result_.too_far_back += back > plan_.keep_every ? 1 : 0;
    }
    // A successor's decision is one, too.
    if (e.name == "step" || e.name == "commit_finished") on_commit(number_of(e, "step"));
  }

  void on_commit(int64_t step) {
    reached_ = step + 1;
    result_.commits.push_back(record_step(step + 1));
    if (step + 1 > decided_) {
      decided_ = step + 1;
      for (const double since : std::exchange(struck_s_, {}))
        result_.recovery_s.push_back(now_s() - since);
      if (calm_since_ && result_.resume_s == 0) result_.resume_s = now_s() - *calm_since_;
    }
  }

  step_record record_step(int64_t version) {
    step_record record;
    record.version = version;
    record.first = version > decided_;
    record.time_s = now_s();
    if (const auto began = net_.first_contribution()) record.reduce_began_s = to_seconds(*began);
    net_.forget_first_contribution();
    record.sums_bytes.resize(static_cast<size_t>(plan_.stages));
    for (const auto& member : fleet_.members()) {
      const auto sent = [&](cargo of) { return net_.sent_bytes(member.where->id(), of); };
      if (member.is_worker())
        record.sums_bytes[static_cast<size_t>(member.stage)] += sent(cargo::sums);
      for (size_t c = 0; c < cargoes; ++c)
        record.bytes[c] += sent(static_cast<cargo>(c));
    }
    return record;
  }

  // -- what the engines do --------------------------------------------------------------------

  void on_engine(size_t index, const engine_event& e) {
    auto& member = fleet_.members()[index];
    auto& work = result_.work;
    if (options_.observe) options_.observe({index, member.stage, now_s(), e});
    switch (e.kind) {
      case engine_event::what::forward:
        ++work.forwards;
        return;
      case engine_event::what::backward:
      case engine_event::what::loss:
        ++work.backwards;
        work.added += e.weight > 0 ? 1 : 0;
        return;
      case engine_event::what::reduced:
        stands_[index].has_sum = true;
        return;
      case engine_event::what::applied:
        if (!alike(member.stage, stands_[index].version, e.step))
          invariants_.applies(member.where->id(), stands_[index].version, e.step, now_s());
        stands_[index] = {e.step + 1, false, member.stage};
        break;
      case engine_event::what::imported:
        stands_[index] = {version_of(member.stage, e.hash), false, member.stage};
        if (stands_[index].version < 0) {
          invariants_.broken(invariant_rule::exactly_once, "a state of no version is loaded",
                             now_s());
          return;
        }
        break;
    }
    if (options_.trace)
      trace("member " + std::to_string(index) + " stands at " +
            std::to_string(stands_[index].version));
    invariants_.stepped(member.where->id(), stage_id{member.stage}, step_id{stands_[index].version},
                        e.hash, now_s());
  }

  /// A small model may learn nothing from a step; then its weights do not tell two versions apart.
  bool alike(int32_t stage, int64_t a, int64_t b) const {
    const auto at = [&](int64_t version) {
      return model_.expected(stage_id{stage}, step_id{version});
    };
    return a >= 0 && b >= 0 && at(a) == at(b);
  }

  /// States of versions that nobody can have are of no version: -1.
  int64_t version_of(int32_t stage, const std::string& hash) {
    for (int64_t version = decided_ + 1; version >= 0; --version)
      if (model_.expected(stage_id{stage}, step_id{version}) == hash) return version;
    return -1;
  }

  // -- the run --------------------------------------------------------------------------------

  /// False: a violation.
  bool advance_to(moment time) {
    while (world_.now() < time) {
      const auto until = std::min(time, world_.now() + mailbox_check_period);
      while (world_.now() < until && world_.delivered() < options_.messages_max && world_.step()) {
      }
      if (!check()) return false;
      if (options_.progress) options_.progress(now_s(), decided_, world_.delivered());
      if (world_.now() < until) world_.run_until(until);
    }
    return check();
  }

  bool check() {
    if (world_.delivered() >= options_.messages_max)
      invariants_.broken(invariant_rule::queues_bounded,
                         "more messages than the run may have: somebody asks without end", now_s());
    watch_.look(watched(), now_s(), [this] { return driver_.can_be_rescued(); });
    if (plan_.keep_every > 0 && watch_.emptiest_s() > refill_s())
      invariants_.broken(invariant_rule::stages_served,
                         "a stage was not served for " + std::to_string(watch_.emptiest_s()) + " s",
                         now_s());
    const auto& longest = world_.longest_mailbox();
    invariants_.queued(longest.actor, longest.messages, options_.mailbox_max, now_s());
    return invariants_.hold();
  }

  /// A state of real size has to come over a line first.
  double refill_s() const {
    const double fetching_s =
        shape_ ? 2 * shape_->state_bytes / shape_->worker_line + fetch_slack_s : 0;
    return to_seconds(refill_bound) + fetching_s;
  }

  /// What the run should have put on its lines, the step under way included.
  void check_bytes() {
    if (!shape_) return;
    double sent = 0;
    for (size_t c = 0; c < cargoes; ++c)
      sent += static_cast<double>(result_.sent_total(static_cast<cargo>(c)));
    const auto deaths = static_cast<double>(result_.deaths_s.size());
    invariants_.sent(
        sent, planned_bytes(*shape_, plan_of(*shape_), static_cast<double>(decided_ + 1), deaths),
        now_s());
  }

  std::vector<watched_worker> watched() {
    std::vector<watched_worker> result;
    const auto& members = fleet_.members();
    for (size_t i = 0; i < members.size() && members[i].is_worker(); ++i) {
      const auto state = members[i].where->state();
      result.push_back(
          {stage_id{members[i].stage}, state == host_state::up || state == host_state::frozen,
           stands_[i].version < 0 ? members[i].where->lives() == 1 && began_[i] == members[i].stage
                                  : stands_[i].stage == members[i].stage});
    }
    return result;
  }

  bool strike(const faults::plan_event& event) {
    world_.settle();
    if (!check()) return false;
    const auto before = watched();
    const bool struck = driver_.carry_out(event, decided_, stands_);
    const auto after = watched();
    for (size_t i = 0; i < after.size(); ++i)
      if (before[i].alive && !after[i].alive) {
        watch_.died(i, now_s());
        result_.deaths_s.push_back(now_s());
      }
    if (struck) watch_.struck(now_s());
    if (options_.trace) trace(driver_.describe(event) + (struck ? "" : ": left out"));
    if (struck && event.on) {
      struck_s_.push_back(now_s());
      if (options_.struck) options_.struck(driver_.describe(event), now_s());
    }
    return true;
  }

  /// All faults have ended: two more steps are committed, and every worker gets there.
  void calm() {
    world_.settle();
    net_.heal_all();
    path_conditions clean = plan_.path;
    clean.loss = clean.duplication = clean.corruption = clean.truncation = clean.reordering = 0;
    clean.tail = 0;
    net_.model().set_default(clean);
    for (auto& member : fleet_.members())
      if (member.compute_faults) member.compute_faults->clear_rules();
    trace("calm");
    calm_since_ = now_s();
    const auto target = decided_ + 2;
    const auto bound = world_.now() + moment{static_cast<int64_t>(resume_s_ * 1e9)};
    while (!level_at(target) && world_.now() < bound)
      if (!advance_to(std::min(bound, world_.now() + mailbox_check_period))) return;
    if (!level_at(target))
      invariants_.broken(invariant_rule::resumes,
                         "stands at " + std::to_string(decided_) + " of " + std::to_string(target) +
                             " long after the last fault" + laggards(target),
                         now_s());
  }

  bool level_at(int64_t target) const { return decided_ >= target && laggards(target).empty(); }

  std::string laggards(int64_t target) const {
    std::string result;
    const auto& members = const_cast<fleet&>(fleet_).members();
    size_t count = 0;
    for (size_t i = 0; i < members.size(); ++i) {
      if (!members[i].is_worker() || stands_[i].version >= target) continue;
      if (++count > laggards_named_max) continue;
      result += ", member " + std::to_string(i) + " (stage " + std::to_string(members[i].stage) +
                ") at " + std::to_string(stands_[i].version);
    }
    if (count > laggards_named_max)
      result += " and " + std::to_string(count - laggards_named_max) + " more";
    return result;
  }

  /// Everybody leaves in good order.
  void shut_down() {
    if (!invariants_.hold()) return;
    std::vector<size_t> with_root;
    for (auto& member : fleet_.members())
      member.where->leave();
    const auto bound = world_.now() + shutdown_bound;
    const auto alive = [&] {
      size_t count = 0;
      // Directory and bridge stay: they are the machine's, not the peer's.
      for (const auto& member : fleet_.members())
        count += world_.actors_alive(member.where->id()) - 2;
      return count;
    };
    while (alive() > 0 && world_.now() < bound)
      if (!advance_to(std::min(bound, world_.now() + mailbox_check_period))) return;
    if (alive() > 0)
      invariants_.broken(invariant_rule::shuts_down,
                         std::to_string(alive()) + " actors are still there", now_s());
  }

  run_result finish() {
    result_.faults = driver_.counts();
    for (const auto& member : fleet_.members()) {
      if (!member.compute_faults) continue;
      const auto& counts = member.compute_faults->counts();
      for (size_t c = 0; c < faults::fault_classes; ++c) {
        const auto kind = static_cast<faults::fault_class>(c);
        if (counts.of(kind) > 0) result_.faults[faults::to_string(kind)] += counts.of(kind);
      }
    }
    for (size_t f = 0; f < network_faults; ++f) {
      const auto fault = static_cast<network_fault>(f);
      const auto count = net_.model().count(fault);
      if (count > 0) result_.faults[std::string{"message "} + to_string(fault)] += count;
    }
    for (const auto& member : fleet_.members()) {
      auto& sent = result_.sent_bytes.emplace_back();
      for (size_t c = 0; c < cargoes; ++c)
        sent[c] = net_.sent_bytes(member.where->id(), static_cast<cargo>(c));
    }
    check_bytes();
    result_.violations = invariants_.violations();
    result_.faults_s = to_seconds(driver_.duration());
    result_.version = decided_;
    result_.empty_s = watch_.empty_s();
    result_.work.needed = static_cast<uint64_t>(decided_ * plan_.microbatches * plan_.stages);
    result_.virtual_s = now_s();
    result_.messages = world_.delivered();
    result_.hash = world_.hash();
    return std::move(result_);
  }

  run_options options_;
  run_result result_;
  world world_;
  fleet_plan plan_;
  virtual_network net_;
  bridges links_;
  run_model model_;
  invariants invariants_;
  fleet fleet_;
  fault_driver driver_;
  service_watch watch_;
  double resume_s_;
  std::optional<mission_shape> shape_;  ///< of a swarm of real size
  int64_t decided_ = 0;                 ///< steps that some coordinator has decided to commit
  int64_t reached_ = 0;                 ///< the version of the history that goes on
  std::vector<stand> stands_;           ///< of the members' engines
  std::vector<int32_t> began_;    ///< the members' first stages, whose fresh weights they have
  std::vector<double> struck_s_;  ///< faults that no commit has followed yet
  std::optional<double> calm_since_;
};

}  // namespace

uint64_t run_result::faults_total() const {
  uint64_t total = 0;
  for (const auto& [kind, count] : faults)
    total += count;
  return total;
}

uint64_t run_result::sent_total(cargo of) const {
  uint64_t total = 0;
  for (const auto& sent : sent_bytes)
    total += sent[static_cast<size_t>(of)];
  return total;
}

run_model make_modelled(const run_size& size) {
  if (size.shape) return make_modelled_of(size, *size.shape);
  modelled_options shape;
  shape.rows = 4;
  shape.context = 16;
  shape.width = 32;
  shape.saved_bytes = 1024;
  return make_modelled_of(size, shape);
}

run_model make_modelled_of(const run_size& size, modelled_options options) {
  options.stages = size.stages;
  options.microbatches = size.microbatches;
  run_model model;
  model.scale = {options.gradient_scale(), options.state_scale()};
  model.make_engine = [options](stage_id stage) mutable {
    options.stage = stage.value();
    return make_modelled_engine(options);
  };
  model.source = [options](int64_t, int64_t) { return modelled_microbatch(options); };
  struct history {
    modelled_reference reference;
    std::vector<std::vector<std::string>> hashes;  ///< by version and stage
  };
  auto past = std::make_shared<history>(history{
      modelled_reference{
          size.stages, size.microbatches, {}, options.gradient_elements, options.weight_words},
      {}});
  model.expected = [past, size](stage_id stage, step_id version) {
    while (static_cast<int64_t>(past->hashes.size()) <= version.value()) {
      if (!past->hashes.empty()) past->reference.advance();
      past->hashes.emplace_back();
      for (int32_t s = 0; s < size.stages; ++s)
        past->hashes.back().push_back(past->reference.weights_hash(s));
    }
    return past->hashes[static_cast<size_t>(version.value())][static_cast<size_t>(stage.value())];
  };
  return model;
}

run_result simulate(const scenario& what, uint64_t seed, const model_catalogue& models,
                    const run_options& options) {
  swarm_run run{what, seed, models, options};
  return run.go();
}

}  // namespace swarm::simulation
