#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace swarm::planner {

/// Kinds of a fleet, and peers of all kinds together.
inline constexpr size_t kinds_max = 256;
inline constexpr int64_t peers_max = 4096;

/// Peers that are all alike.
struct peer_kind {
  std::string name;
  int64_t count = 0;
  double flop_per_s = 0;                 ///< sustained in training, not the data sheet's
  double memory_bytes = 0;               ///< for the stage
  double up_bits_per_s = 0;              ///< 0: no limit
  double down_bits_per_s = 0;            ///< 0: no limit
  double latency_s = 0;                  ///< one way, to the middle of the network
  double price_per_hour = 0;             ///< of one peer
  double availability = 1;               ///< share of the time that it is there
  double hours_between_preemptions = 0;  ///< mean; 0: it is never preempted

  /// Mean hours until it, or one in its place, serves again.
  double hours_away() const {
    return hours_between_preemptions * (1 - availability) / availability;
  }
};

using fleet = std::vector<peer_kind>;

int64_t peers_of(const fleet& peers);

/// A CSV file as text. The first line names the columns, in any order; a line per kind follows:
///
///     kind,count,gflops,memory_gib,up_mbit,down_mbit,latency_ms,price_per_hour,availability,hours
///     t4,32,9400,15,200,200,20,0.11,0.97,24
///
/// kind, count, gflops and memory_gib are wanted; the others, or an empty cell of theirs, default
/// to: no limit, 0 ms, free, always there. `hours` is the mean between preemptions. With
/// `availability` alone, or with `hours` alone, an absence lasts `absence_hours_default`. What
/// follows # is a comment. As spreadsheets write CSV: see tools/traces/csv_cells.hpp. On failure a
/// sentence that names the line and the column.
std::variant<fleet, std::string> parse_fleet(const std::string& text);

inline constexpr double absence_hours_default = 1.0 / 6;

/// Makes availability and hours agree, where one of the two is at its default.
void complete(peer_kind& kind);

/// What is wrong with a kind, as a sentence; empty: nothing.
std::string check(const peer_kind& kind);

}  // namespace swarm::planner
