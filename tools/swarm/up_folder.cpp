#include "tools/swarm/up_folder.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string_view>
#include <tuple>
#include <utility>

#include "tools/report/output_file.hpp"

namespace swarm::tools {

namespace {

namespace fs = std::filesystem;

constexpr size_t digits_max = 18;

/// The number between the two; nothing for any other name.
std::optional<int64_t> number_in(std::string_view name, std::string_view before,
                                 std::string_view after) {
  if (name.size() <= before.size() + after.size() || name.substr(0, before.size()) != before ||
      name.substr(name.size() - after.size()) != after)
    return std::nullopt;
  const std::string digits{name.substr(before.size(), name.size() - before.size() - after.size())};
  if (digits.size() > digits_max || digits.find_first_not_of("0123456789") != std::string::npos)
    return std::nullopt;
  return std::stoll(digits);
}

std::vector<std::string> names_in(const std::string& folder) {
  std::vector<std::string> result;
  std::error_code error;
  for (fs::directory_iterator it{folder, error}, end; !error && it != end; it.increment(error))
    result.push_back(it->path().filename().string());
  std::sort(result.begin(), result.end());
  return result;
}

/// Processes were given tokens in this order, before it was written down.
token_numbers numbers_by_order(const std::string& folder) {
  token_numbers result;
  int64_t number = 0;
  for (const char* kind : {"trainer-", "peer-"}) {
    for (int64_t i = 1; fs::is_directory(folder + "/" + kind + std::to_string(i)); ++i)
      result[kind + std::to_string(i)] = ++number;
  }
  return result;
}

/// The newest state-VERSION.kept; see actors/stage/file_state_store.hpp.
std::optional<int64_t> newest_in(const std::string& folder) {
  std::optional<int64_t> newest;
  for (const auto& name : names_in(folder)) {
    const auto version = number_in(name, "state-", ".kept");
    if (version && (!newest || *newest < *version)) newest = version;
  }
  return newest;
}

}  // namespace

token_numbers read_token_numbers(const std::string& folder) {
  std::ifstream in{folder + "/tokens"};
  if (!in) return numbers_by_order(folder);
  token_numbers result;
  std::set<int64_t> taken;
  for (std::string line; std::getline(in, line);) {
    std::istringstream words{line};
    std::string name;
    int64_t number = 0;
    if (words >> name >> number && number > 0 && taken.insert(number).second)
      result.emplace(name, number);
  }
  return result;
}

std::error_code write_token_numbers(const std::string& folder, const token_numbers& numbers) {
  std::string text;
  for (const auto& [name, number] : numbers)
    text += name + " " + std::to_string(number) + "\n";
  return replace_file(folder + "/tokens", text, audience::owner);
}

token_numbers assign_tokens(const std::vector<std::string>& names, token_numbers known) {
  std::set<int64_t> taken;
  for (const auto& each : known)
    taken.insert(each.second);
  int64_t next = 1;
  for (const auto& name : names) {
    if (known.count(name) != 0) continue;
    while (!taken.insert(next).second)
      ++next;
    known[name] = next;
  }
  return known;
}

std::vector<kept_state> kept_states(const std::string& folder) {
  std::vector<kept_state> result;
  for (const auto& process : names_in(folder)) {
    if (!number_in(process, "peer-", "")) continue;
    for (const auto& kept : names_in(folder + "/" + process)) {
      const auto own = number_in(kept, "stage-", "");
      const auto stage = own ? own : number_in(kept, "copy-", "");
      if (!stage || *stage > INT32_MAX) continue;
      const auto version = newest_in(folder + "/" + process + "/" + kept);
      if (version) result.push_back({process, static_cast<int32_t>(*stage), *version, !own});
    }
  }
  return result;
}

std::optional<run_progress> read_progress(const std::string& folder) {
  std::ifstream in{folder + "/progress"};
  run_progress result;
  if (!(in >> result.step >> result.kept_every)) return std::nullopt;
  return result;
}

std::error_code write_progress(const std::string& folder, const run_progress& progress) {
  return replace_file(
      folder + "/progress",
      std::to_string(progress.step) + " " + std::to_string(progress.kept_every) + "\n",
      audience::owner);
}

beginning beginning_of(const std::string& folder, int32_t stages,
                       const std::vector<std::string>& processes) {
  using kind = beginning::kind;
  const auto kept = kept_states(folder);
  const auto progress = read_progress(folder);
  const bool stepped = std::any_of(kept.begin(), kept.end(),
                                   [](const kept_state& each) { return each.version > 0; });
  for (int32_t s = 0; stepped && s < stages; ++s) {
    std::string left_out;
    bool there = false;
    for (const auto& each : kept) {
      if (each.stage != s) continue;
      left_out = each.process;
      there =
          there || std::find(processes.begin(), processes.end(), each.process) != processes.end();
    }
    const auto stage = "stage " + std::to_string(s);
    if (!there && left_out.empty()) {
      return {kind::impossible,
              "the peers in " + folder + " kept no state of " + stage +
                  ", without which the run cannot go on: bring its files back, or choose another "
                  "--dir"};
    }
    if (!there) {
      return {kind::impossible, "the state of " + stage + " is kept by " + left_out +
                                    ", which is not started: give more --workers"};
    }
  }
  if (stepped) return {kind::goes_on, ""};
  if (!progress) return {kind::begins, ""};
  const auto reached = "step " + std::to_string(progress->step);
  if (progress->kept_every == 0) {
    return {kind::impossible,
            "the run in " + folder + " has reached " + reached +
                " and its peers were told to keep no state: choose another --dir, and leave "
                "--keep-copies on to be able to go on"};
  }
  // The first state is on its way until the second is due.
  if (progress->step >= 2 * progress->kept_every) {
    return {kind::impossible, "the run in " + folder + " has reached " + reached +
                                  " and the states that its peers kept are gone: bring them back, "
                                  "or choose another --dir"};
  }
  return {kind::begins, "the run had reached " + reached +
                            " before a state of it was on the disk, and begins again at step 0"};
}

std::vector<int32_t> assign_stages(const std::vector<std::string>& peers, int32_t stages,
                                   const std::vector<kept_state>& kept) {
  constexpr int32_t none = -1;
  const auto count = static_cast<size_t>(stages);
  std::vector<int32_t> result(peers.size(), none);
  std::vector<size_t> members(count, 0);
  // Who has what: (version, peer) by stage, newest first.
  std::vector<std::vector<std::pair<int64_t, size_t>>> holders(count);
  for (const auto& each : kept) {
    const auto peer = std::find(peers.begin(), peers.end(), each.process);
    if (each.copy || each.stage >= stages || peer == peers.end()) continue;
    holders[static_cast<size_t>(each.stage)].emplace_back(
        -each.version, static_cast<size_t>(peer - peers.begin()));
  }
  std::vector<size_t> order(count);
  for (size_t s = 0; s < count; ++s) {
    std::sort(holders[s].begin(), holders[s].end());
    order[s] = s;
  }
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return holders[a].size() < holders[b].size(); });
  const auto room = (peers.size() + count - 1) / count;
  const auto place = [&](size_t peer, size_t stage) {
    result[peer] = static_cast<int32_t>(stage);
    ++members[stage];
  };
  // One for each before a second for any.
  for (size_t round = 0; round < room; ++round) {
    for (const auto s : order) {
      const auto free = std::find_if(holders[s].begin(), holders[s].end(),
                                     [&](const auto& h) { return result[h.second] == none; });
      if (members[s] <= round && free != holders[s].end()) place(free->second, s);
    }
  }
  for (size_t p = 0; p < peers.size(); ++p) {
    if (result[p] != none) continue;
    const auto least = std::min_element(members.begin(), members.end());
    place(p, static_cast<size_t>(least - members.begin()));
  }
  return result;
}

}  // namespace swarm::tools
