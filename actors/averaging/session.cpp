#include "actors/averaging/session.hpp"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <new>

#include "actors/wire/tensor.hpp"

namespace swarm::averaging {

namespace {

using tensors::host_tensor;

/// The result of this step, and one that the step before still holds.
constexpr size_t buffers_kept = 2;

std::string to_hex(const result_hash& hash) {
  char text[33];
  std::snprintf(text, sizeof(text), "%016llx%016llx", static_cast<unsigned long long>(hash.high),
                static_cast<unsigned long long>(hash.low));
  return text;
}

template <class T>
class typed_session final : public session {
 public:
  typed_session(all_reduce<T> machine, reduce_order order)
      : machine_(std::move(machine)), first_(std::move(order)) {}

  session_actions begin(double now_s) override {
    // The losses first: nothing is asked of those who are gone already.
    auto todo = translate(machine_.revise(first_.revision, first_.losses, now_s));
    if (todo.error) return todo;
    auto more = translate(machine_.open(now_s));
    std::move(more.ask.begin(), more.ask.end(), std::back_inserter(todo.ask));
    std::move(more.send.begin(), more.send.end(), std::back_inserter(todo.send));
    return todo;
  }

  session_actions revise(const reduce_order& order, double now_s) override {
    if (const auto wrong = machine_.add_followers(order.members)) return failed(*wrong);
    return translate(machine_.revise(order.revision, order.losses, now_s));
  }

  session_actions add_share(share_id which, const host_tensor& vector, double now_s) override {
    if (vector.type() != tensors::dtype_of<T>() || vector.data() == nullptr)
      return failed(averaging_errc::wrong_own_size);
    return translate(machine_.add_share(which, {vector.owner(), vector.template as<T>()},
                                        static_cast<size_t>(vector.elements()), now_s));
  }

  session_actions on_want(const schemas::Want::Reader& body) override {
    return translate(machine_.on_want(want_from(body)));
  }

  session_actions on_part(const schemas::Part::Reader& body, const wire::frame_ptr& owner,
                          double now_s) override {
    host_tensor values;
    if (!wire::extract_into(body.getValues(), owner, values) ||
        values.type() != tensors::dtype_of<T>())
      return failed(averaging_errc::wrong_size);
    return translate(
        machine_.on_part({wire::from_wire(body.getSender()), body.getPart(), body.getReduced(),
                          units_from(body.getOwn(), body.getShares()), values.template as<T>(),
                          static_cast<size_t>(values.elements())},
                         now_s));
  }

  session_actions tick(double now_s) override { return translate(machine_.tick(now_s)); }
  std::optional<double> next_tick_s() const override { return machine_.next_tick_s(); }

  bool done() const override { return machine_.done(); }

  std::pair<host_tensor, std::string> result() const override {
    const auto& sum = machine_.result();
    return {host_tensor{tensors::dtype_of<T>(),
                        {static_cast<int64_t>(machine_.plan().elements())},
                        std::shared_ptr<const void>(sum, sum.get()),
                        sum.get()},
            to_hex(machine_.hash())};
  }

  wire::sum_progress progress() const override {
    auto known = machine_.progress();
    return {known.revision, static_cast<uint32_t>(known.parts_done),
            static_cast<uint32_t>(known.parts_total), std::move(known.waiting_for),
            known.bytes_per_s};
  }

  uint32_t revision() const override { return machine_.revision(); }
  const reduce_plan& plan() const override { return machine_.plan(); }
  const line_meter& line() const override { return machine_.line(); }

 private:
  static session_actions failed(averaging_errc why) { return {why, {}, {}}; }

  static session_actions translate(reduce_actions<T> from) {
    session_actions to{from.error, std::move(from.ask), {}};
    to.send.reserve(from.send.size());
    for (auto& answer : from.send) {
      const T* data = answer.data.get();
      to.send.push_back({answer.to, answer.part, answer.sum, std::move(answer.units),
                         host_tensor{tensors::dtype_of<T>(),
                                     {static_cast<int64_t>(answer.count)},
                                     std::move(answer.data),
                                     data}});
    }
    return to;
  }

  all_reduce<T> machine_;
  const reduce_order first_;
};

}  // namespace

std::shared_ptr<void> session_memory::take(size_t bytes) {
  const auto is_free = [](const buffer& b) { return b.memory.use_count() == 1; };
  for (auto& b : buffers_) {
    if (b.bytes != bytes || !is_free(b)) continue;
    // Its last reader may have been another thread.
    std::atomic_thread_fence(std::memory_order_acquire);
    return b.memory;
  }
  // Touched by whoever writes to it, and only there.
  void* fresh = std::calloc(std::max<size_t>(1, bytes), 1);
  if (fresh == nullptr) throw std::bad_alloc{};
  const std::shared_ptr<void> memory(fresh, std::free);
  buffers_.erase(std::remove_if(buffers_.begin(), buffers_.end(), is_free), buffers_.end());
  if (buffers_.size() >= buffers_kept) buffers_.erase(buffers_.begin());
  buffers_.push_back({memory, bytes});
  return memory;
}

template <class T>
std::unique_ptr<session> session_memory::open_as(worker_id self, reduce_order order,
                                                 const host_tensor& own,
                                                 const asking_limits& limits,
                                                 averaging_errc* error) {
  const auto elements = static_cast<size_t>(own.elements());
  auto plan = reduce_plan::make(order.members, elements, order.part_elements, error);
  if (!plan) return nullptr;
  auto losses = *plan;
  const auto wrong = losses.revise(order.losses);
  const auto index = losses.index_of(self);
  if (index && losses.lost(*index)) *error = averaging_errc::lost_here;
  if (wrong) *error = *wrong;
  if (wrong || (index && losses.lost(*index))) return nullptr;
  const std::shared_ptr<void> memory = take(elements * sizeof(T));
  auto machine = all_reduce<T>::make(std::move(*plan), self, {own.owner(), own.as<T>()},
                                     own.data() == nullptr ? 0 : elements,
                                     {memory, static_cast<T*>(memory.get())}, limits, error);
  if (!machine) return nullptr;
  machine->know_line(line_);
  return std::make_unique<typed_session<T>>(std::move(*machine), std::move(order));
}

std::unique_ptr<session> session_memory::open(worker_id self, reduce_order order,
                                              const host_tensor& own, const asking_limits& limits,
                                              averaging_errc* error) {
  if (own.type() == tensors::dtype::i64)
    return open_as<int64_t>(self, std::move(order), own, limits, error);
  return open_as<float>(self, std::move(order), own, limits, error);
}

}  // namespace swarm::averaging
