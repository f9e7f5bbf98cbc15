#include "actors/stage/unkept_state_store.hpp"

#include <mutex>
#include <optional>
#include <utility>
#include <vector>

namespace swarm::stage {

namespace {

class unkept_store final : public state_store {
 public:
  explicit unkept_store(const std::string& sentence) : word_{true, 1, sentence} {}

  void put(stored_state state) override {
    const std::lock_guard guard{mutex_};
    memory_.put(std::move(state));
  }
  void put(stored_sum sum) override {
    const std::lock_guard guard{mutex_};
    memory_.put(std::move(sum));
  }
  std::optional<stored_state> state() const override {
    const std::lock_guard guard{mutex_};
    return memory_.state();
  }
  std::optional<stored_sum> sum() const override {
    const std::lock_guard guard{mutex_};
    return memory_.sum();
  }
  std::vector<stored_state> states() const override {
    const std::lock_guard guard{mutex_};
    return memory_.states();
  }
  keeping_word word() const override { return word_; }

 private:
  const keeping_word word_;
  mutable std::mutex mutex_;
  memory_state_store memory_;
};

}  // namespace

std::shared_ptr<state_store> make_unkept_store(const std::string& sentence) {
  return std::make_shared<unkept_store>(sentence);
}

}  // namespace swarm::stage
