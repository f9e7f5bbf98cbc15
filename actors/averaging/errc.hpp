#pragma once

#include <cstdint>

namespace swarm::averaging {

/// Why an order, a question or a part was refused. Nothing was changed.
enum class averaging_errc : uint8_t {
  bad_group = 1,   ///< empty, too large, a member twice, or nobody contributes
  bad_share,       ///< not used any more
  bad_part_size,   ///< part_elements makes too many parts
  not_a_member,    ///< the member in question is not of this group
  wrong_own_size,  ///< the local vector has another length than the group agreed on
  wrong_sender,    ///< a member that may not send this
  wrong_slice,     ///< not used any more
  wrong_part,      ///< no such part
  wrong_size,      ///< the part has another number of elements
  superseded,      ///< a later order took its place
  bad_losses,      ///< the losses do not continue those of a lower revision, or make no sense
  lost_here,       ///< this member itself counts as lost
  wrong_owner,     ///< asked by, or of, a member that does not own the part
  not_asked        ///< an answer without its question
};

/// A sentence, with what to do.
const char* to_sentence(averaging_errc code);

}  // namespace swarm::averaging
