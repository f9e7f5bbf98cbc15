#include "actors/simulation/shared_line.hpp"

#include <algorithm>

namespace swarm::simulation {

namespace {

constexpr double nanoseconds_per_second = 1e9;

moment time_of(double bytes, double bytes_per_s) {
  return moment{static_cast<int64_t>(bytes / bytes_per_s * nanoseconds_per_second)};
}

}  // namespace

void shared_line::advance(moment now, double bytes_per_s) {
  double left =
      static_cast<double>((now - advanced_).count()) / nanoseconds_per_second * bytes_per_s;
  size_t ended = 0;
  while (ended < flows_.size() && left > 0) {
    const auto sharing = static_cast<double>(flows_.size() - ended);
    const double to_next = (flows_[ended].end - carried_) * sharing;
    if (to_next > left) {
      carried_ += left / sharing;
      break;
    }
    left -= to_next;
    carried_ = flows_[ended++].end;
  }
  flows_.erase(flows_.begin(), flows_.begin() + static_cast<std::ptrdiff_t>(ended));
  advanced_ = now;
}

double shared_line::queued_bytes(host_id peer) const {
  for (const auto& f : flows_)
    if (f.peer == peer) return f.end - carried_;
  return 0;
}

void shared_line::forget(host_id peer) {
  flows_.erase(
      std::remove_if(flows_.begin(), flows_.end(), [&](const flow& f) { return f.peer == peer; }),
      flows_.end());
}

moment shared_line::carry(host_id peer, bool is_control, moment now, uint64_t bytes,
                          double bytes_per_s) {
  if (bytes_per_s <= 0) return now;
  if (now > advanced_) advance(now, bytes_per_s);
  if (is_control) {
    const auto takes = time_of(static_cast<double>(bytes), bytes_per_s);
    // It takes its time from the flows.
    advanced_ += takes;
    control_until_ = std::max(control_until_, now) + takes;
    return control_until_;
  }
  auto own =
      std::find_if(flows_.begin(), flows_.end(), [&](const flow& f) { return f.peer == peer; });
  double end = carried_;
  if (own != flows_.end()) {
    end = own->end;
    flows_.erase(own);
  }
  end += static_cast<double>(bytes);
  double before = 0;  // What the line carries until then.
  for (const auto& f : flows_)
    before += std::min(f.end, end) - carried_;
  const auto place = std::upper_bound(flows_.begin(), flows_.end(), end,
                                      [](double e, const flow& f) { return e < f.end; });
  flows_.insert(place, {peer, end});
  return advanced_ + time_of(before + end - carried_, bytes_per_s);
}

}  // namespace swarm::simulation
