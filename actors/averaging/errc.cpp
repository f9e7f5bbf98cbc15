#include "actors/averaging/errc.hpp"

namespace swarm::averaging {

const char* to_sentence(averaging_errc code) {
  switch (code) {
    case averaging_errc::bad_group:
      return "The group is empty, too large, names a member twice or has no contributor; form "
             "another.";
    case averaging_errc::bad_share:
      return "A member's bandwidth share is not a number from 0 to 1e15; correct its announcement.";
    case averaging_errc::bad_part_size:
      return "part_elements is too small for this vector; raise it.";
    case averaging_errc::not_a_member:
      return "The worker is not a member of this group; check that the round is the current one.";
    case averaging_errc::wrong_own_size:
      return "The local vector's length differs from the group's; fetch the stage's state again.";
    case averaging_errc::wrong_sender:
      return "The sender may not send this; it is broken or in another round, report it.";
    case averaging_errc::wrong_slice:
      return "There is no such slice, or this member does not receive it; report the sender.";
    case averaging_errc::wrong_part:
      return "The vector has no such part; report the sender.";
    case averaging_errc::wrong_size:
      return "The part has the wrong number of elements; report the sender.";
    case averaging_errc::superseded:
      return "A later round took the place of this one; answer the later one.";
    case averaging_errc::bad_losses:
      return "The losses do not continue those that were named before; gather the next round.";
    case averaging_errc::lost_here:
      return "The group goes on without this member; fetch the stage's state again.";
    case averaging_errc::wrong_owner:
      return "The part belongs to another member; report the sender.";
    case averaging_errc::not_asked:
      return "Nobody asked for this; report the sender.";
  }
  return "Unknown averaging error.";
}

}  // namespace swarm::averaging
