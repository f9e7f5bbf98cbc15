#pragma once

#include "actors/wire/frame.hpp"
#include "experiments/transport_rivals/rival.hpp"

namespace swarm::experiments {

/// actors/transport. Settings: tls=FOLDER with authority.pem, certificate.pem and key.pem;
/// cap=BYTES_PER_SECOND.
rival_way our_way();

/// A frame as a tensor message is: a small segment, and one of so many bytes beside it.
wire::frame_ptr make_frame(size_t bytes);

}  // namespace swarm::experiments
