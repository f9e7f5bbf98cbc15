#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "actors/transport/moment.hpp"

namespace swarm::transport {

/// Addresses of one name that are tried; further ones are not.
inline constexpr size_t race_addresses_max = 16;
/// The next address is tried after so long without an answer, or a share of the dial time if that
/// is less (RFC 8305, 5).
inline constexpr std::chrono::milliseconds race_stagger{250};

/// Which address of a name to try when: families in turns, the resolver's first choice first; the
/// next as soon as one has failed, or the last has had its time. Those that are under way go on.
/// (RFC 8305, "happy eyeballs", 4 and 5.)
class address_race {
 public:
  using address = boost::asio::ip::tcp::endpoint;

  /// `dial_time` is what there is for all of them.
  address_race(const std::vector<address>& of_name, std::chrono::milliseconds dial_time);

  size_t size() const { return tries_.size(); }
  const address& at(size_t which) const { return tries_[which].where; }

  /// The next one to try, if it is its turn: it counts as begun.
  std::optional<size_t> begin_next(moment now);
  /// When begin_next is to be asked again at the latest; nothing when all have begun.
  std::optional<moment> next_at() const;
  void failed(size_t which, const std::string& why);
  /// All have failed.
  bool is_lost() const;

  /// Why it is lost: the failure of the only one, or that it is so for all.
  std::string reason() const;
  /// What became of each, for people: "[::1]:7000: Connection refused; 10.0.0.7:7000: no answer".
  std::string story() const;

 private:
  struct attempt {
    address where;
    bool failed = false;
    std::string why;
  };

  std::vector<attempt> tries_;
  size_t begun_ = 0;
  size_t failures_ = 0;
  size_t left_out_ = 0;
  moment turn_{0};  ///< of the next
  moment stagger_;
};

}  // namespace swarm::transport
